"""Templates that come as an address: `template_url`, fetched by the server.

Only http and https, only destinations the operator allows (see `lib/outbound.py`), within a size, a
time and a few redirects. What the text names is fetched too, unless it came with the request: the
files of `get_file` and nested templates, by URL or by a path relative to where the text that names
them came from. As everywhere, a file's key is its name as written; two texts that write the same
name and mean different files are refused rather than guessed at.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from mantle.lib.outbound import Bounds, Outbound, OutboundError, Reply
from mantle.model.errors import Invalid, MantleError
from mantle.stacks.control import Control
from mantle.template.load import parse

BOUNDS = Bounds(seconds=20.0, most_bytes=4 * 2**20, redirects=3)
MOST_FILES = 32
MOST_BYTES = 16 * 2**20
"""Of everything that one request has fetched."""
MOST_SECONDS = 60.0
"""For everything that one request has fetched."""
REMOTE = ("http://", "https://")
SUFFIXES = (".yaml", ".yml", ".template")
TYPES = ("type", "Type")
"""The key of a resource's type, in HOT and in CloudFormation's format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A template from elsewhere, and all files there are, sent and fetched."""

    template: str
    name: str
    files: Mapping[str, str]


async def fetch_template(control: Control, url: Any, files: Mapping[str, str]) -> Fetched:
    """Get it; raises `MantleError` that says why not. `files` came with the request."""
    if not isinstance(url, str):
        raise MantleError("template_url is no text.", remedy="Send an http or https URL.")
    given = {**control.settings.operator.files, **files}
    async with Outbound(control.settings.destinations) as outbound:
        try:
            async with asyncio.timeout(MOST_SECONDS):
                gathering = _Gathering(outbound, url, given)
                text = await gathering.begin()
        except TimeoutError:
            raise MantleError(
                f"Could not retrieve template: what {url} names took more than "
                f"{MOST_SECONDS:.0f} s to fetch.",
                remedy="Send the files along in `files`.",
            ) from None
    return Fetched(template=text, name=url, files={**files, **gathering.found})


@dataclass(slots=True)
class _Gathering:
    """One template and what it names, file by file."""

    outbound: Outbound
    url: str
    given: Mapping[str, str]
    """Files that need not be fetched, by the name as written."""
    found: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """The URL each of them was fetched from."""
    size: int = 0

    async def begin(self) -> str:
        """The template's text; `found` has the rest when this returns."""
        first = await self._get(self.url)
        pending = [(first.text, first.url)]
        while pending:
            text, base = pending.pop()
            for name in await asyncio.to_thread(_names_in, text):
                reply = await self._file(name, base)
                if reply is not None and name.endswith(SUFFIXES):
                    pending.append((reply.text, reply.url))
        return first.text

    async def _file(self, name: str, base: str) -> Reply | None:
        """One file that a text from `base` names; None when it is there already."""
        if name in self.given:
            return None
        where = urljoin(base, name)
        known = self.places.get(name)
        if known is not None and known != where:
            raise MantleError(
                f"The name {name!r} means {known} in one template and {where} in another.",
                remedy="Rename one of them, or name them by their URLs.",
            )
        if known is not None:
            return None
        if len(self.found) >= MOST_FILES:
            raise MantleError(
                f"The template at {self.url} names more than {MOST_FILES} files.",
                remedy="Send them in `files`.",
            )
        reply = await self._get(where)
        self.places[name] = where
        self.found[name] = reply.text
        return reply

    async def _get(self, url: str) -> Reply:
        try:
            reply = await self.outbound.request("GET", url, bounds=BOUNDS)
            size = len(reply.text)
        except OutboundError as error:
            raise MantleError(
                f"Could not retrieve template: {error.message}",
                remedy=error.remedy or "Send the template's text instead.",
            ) from error
        if reply.status != 200:
            raise MantleError(
                f"Could not retrieve template: {url} answered {reply.status}.",
                remedy="Look whether it is there for everybody, or send the template's text.",
            )
        self.size += size
        if self.size > MOST_BYTES:
            raise MantleError(
                f"Could not retrieve template: {self.url} and what it names are more than the "
                f"{MOST_BYTES:,} characters allowed.",
                remedy="Send what is needed in `files`.",
            )
        return reply


def _names_in(text: str) -> list[str]:
    return sorted(set(_named(text)))


def _named(text: str) -> Iterator[str]:
    """What a template names, as written; a text that cannot be read is told when it is loaded."""
    try:
        data = parse(text).data
    except Invalid:
        return
    pending, seen = [data], set[int]()
    while pending:
        part = pending.pop()
        if not isinstance(part, dict | list) or id(part) in seen:
            continue
        seen.add(id(part))
        pending.extend(part.values() if isinstance(part, dict) else part)
        if isinstance(part, dict):
            yield from _named_here(part)


def _named_here(part: Mapping[Any, Any]) -> Iterator[str]:
    for key, value in part.items():
        if not isinstance(value, str) or not _to_be_fetched(value):
            continue
        if key == "get_file" or (key in TYPES and value.endswith(SUFFIXES)):
            yield str(value)


def _to_be_fetched(name: str) -> bool:
    """Whether it is a path or a URL of the web; any other is told when the text is loaded."""
    try:
        return name.startswith(REMOTE) or (bool(name) and not urlsplit(name).scheme)
    except ValueError:
        return False
