"""Options that many commands share, and how a command gets its client."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mantle.cli.credentials import find_credentials
from mantle.cli.exits import Exit, Stop
from mantle.cli.screen import Screen

if TYPE_CHECKING:
    from mantle.cli.client import Client
    from mantle.cli.sources import Gathered


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """Of every command that talks to Mantle."""

    cloud: Annotated[str | None, Parameter(help="Entry of clouds.yaml to log in with.")] = None
    json: Annotated[bool, Parameter(negative="", help="Answer one JSON document.")] = False

    @property
    def screen(self) -> Screen:
        """Where output goes."""
        return Screen(json=self.json)

    def client(self) -> "Client":
        """A client for the credentials that are to be found."""
        from mantle.cli.client import Client  # noqa: PLC0415 - `--help` needs no HTTP

        return Client(find_credentials(os.environ, Path.home(), self.cloud))


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a stack is made from."""

    template: Annotated[
        Path | None,
        Parameter(name=["--template", "-t"], help="The template file."),
    ] = None
    template_url: Annotated[
        str,
        Parameter(help="Have the server fetch the template from this http or https URL."),
    ] = ""
    environment: Annotated[
        tuple[Path, ...],
        Parameter(
            name=["--environment", "-e"],
            negative="",
            help="An environment file; repeatable, later ones win.",
        ),
    ] = ()
    parameter: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--parameter", "-p"],
            negative="",
            help="NAME=VALUE; repeatable, wins over environments.",
        ),
    ] = ()

    @property
    def given(self) -> bool:
        """Whether there is a template."""
        return self.template is not None or bool(self.template_url)

    def gathered(self) -> "Gathered | None":
        """The template, the environments and all files they name; None when none was given."""
        from mantle.cli.sources import gather  # noqa: PLC0415 - only commands that read files

        if self.template is None and not self.environment:
            return None
        return gather(self.template, self.environment)

    def parameters(self) -> dict[str, str]:
        """`a=1` as pairs; the value may itself hold an equals sign."""
        pairs = {}
        for text in self.parameter:
            name, equals, value = text.partition("=")
            if not (name and equals):
                raise Stop(Exit.USAGE, f"-p {text!r} is not of the form NAME=VALUE.")
            pairs[name] = value
        return pairs


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a change is carried out and watched."""

    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask after the plan.")
    ] = False
    wait: Annotated[bool, Parameter(help="Watch until it ends (default), or return at once.")] = (
        True
    )


NOTHING = Common()
NO_SOURCE = Source()
USUAL = Manner()


def places(gathered: "Gathered | None") -> Mapping[str, Path]:
    """Where the files were read, for messages about them."""
    return gathered.places if gathered else {}


def source_body(source: Source, gathered: "Gathered | None") -> dict[str, Any]:
    """The part of a request that says what the stack is made from."""
    body = gathered.body() if gathered else {}
    if source.template_url:
        if source.template is not None:
            raise Stop(Exit.USAGE, "Give the template with -t or with --template-url, not both.")
        body["template_url"] = source.template_url
    return {**body, "parameters": source.parameters()}
