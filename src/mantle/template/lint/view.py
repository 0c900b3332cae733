"""A template as the rules look at it: sections that are maps, and every function call in it.

Rules read what stands in the text, not the graph, so that a template that is invalid for another
reason, or whose parameters have no values, is looked at all the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mantle.model.errors import Findings, Mark, Path
from mantle.template.cfn import shape as cfn
from mantle.template.functions import SINCE
from mantle.template.hot.versions import version_of
from mantle.template.load import Document

KNOWN_SINCE: dict[str, str] = {}
"""Function to the HOT version it came with."""
for _version, _functions in SINCE:
    for _function in _functions:
        KNOWN_SINCE.setdefault(_function.name, _version)

READS_PARAMETER = ("get_param", "Ref")
READS_ATTRIBUTE = ("get_attr", "Fn::GetAtt")
READS_RESOURCE = ("get_resource", "Ref")


@dataclass(frozen=True, slots=True)
class Use:
    """A one-key map that reads like a call of a function."""

    name: str
    argument: Any
    path: Path


@dataclass(frozen=True)
class View:
    """One template, whichever family it is of, with HOT's section names."""

    document: Document
    version: str
    text: str = ""

    @property
    def is_cfn(self) -> bool:
        """Written in one of the two CFN formats."""
        return self.version in {cfn.HEAT, cfn.AWS}

    def section(self, name: str) -> Mapping[str, Any]:
        """A section, empty when it is absent or no map."""
        body = self.document.data.get(name)
        return {str(key): value for key, value in body.items()} if isinstance(body, dict) else {}

    def entries(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """A section's entries that are maps themselves."""
        return {key: body for key, body in self.section(name).items() if isinstance(body, dict)}

    @cached_property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """Declared parameters."""
        return self.entries("parameters")

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Defined resources."""
        return self.entries("resources")

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every one-key map below conditions, resources and outputs, outermost first."""
        return tuple(
            use
            for section in ("conditions", "resources", "outputs")
            for use in _uses(self.document.data.get(section), (section,))
        )

    @cached_property
    def maps(self) -> tuple[tuple[Mapping[str, Any], Path], ...]:
        """Every map inside properties, metadata and outputs' values."""
        return tuple(
            found
            for section in ("resources", "outputs")
            for found in _maps(self.document.data.get(section), (section,))
        )

    def calls(self, *names: str) -> Iterator[Use]:
        """Uses of these functions."""
        return (use for use in self.uses if use.name in names)

    def parameter_type(self, value: Any) -> str | None:
        """The declared type of what a plain `get_param` reads."""
        name = parameter_of(value)
        body = self.parameters.get(name) if name is not None else None
        given = body.get("type") if body else None
        return given if isinstance(given, str) else None

    def mark(self, path: Path) -> Mark:
        """Where it stands."""
        return self.document.mark(path) or Mark(self.document.file, 1, 1)

    def written(self, path: Path) -> Path:
        """The path with the keys the author wrote."""
        document = self.document
        return document.original(path) if isinstance(document, cfn.Shaped) else path


def view_of(document: Document, text: str) -> View | None:
    """How the rules see it; None when it is no template."""
    if not isinstance(document.data, dict):
        return None
    if cfn.is_cfn(document.data):
        version = cfn.version_of(document.data, document, Findings())
        shaped = cfn.hot_shaped(document, version, Findings())
        return View(shaped, version, text)
    return View(document, version_of(document, Findings()), text)


def parameter_of(value: Any) -> str | None:
    """The parameter a value reads without a path; None when it is anything else."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name in READS_PARAMETER and isinstance(argument, str):
            return argument
    return None


def head(argument: Any) -> str | None:
    """The name a function's argument begins with: the parameter or resource it reads."""
    first = argument[0] if isinstance(argument, list) and argument else argument
    return first if isinstance(first, str) else None


def parts_of(argument: Any) -> list[Any]:
    """An argument as a list; CFN writes `name.attribute`, too."""
    if isinstance(argument, list):
        return argument
    return argument.split(".", 1) if isinstance(argument, str) else [argument]


def _uses(value: Any, path: Path) -> Iterator[Use]:
    if isinstance(value, dict):
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            yield Use(str(name), argument, path)
        for key, part in value.items():
            yield from _uses(part, (*path, key))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from _uses(part, (*path, position))


def _maps(value: Any, path: Path) -> Iterator[tuple[Mapping[str, Any], Path]]:
    if isinstance(value, dict):
        yield value, path
        for key, part in value.items():
            yield from _maps(part, (*path, key))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from _maps(part, (*path, position))
