"""Templates that come as an address: `template_url`, fetched by the server.

Only http and https, only destinations the operator allows (see `lib/outbound.py`), within a size, a
time and a few redirects. Nested templates that the text names by URL are fetched too, as in Heat,
unless they came with the request; what it names by a relative path has to be sent along.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mantle.lib.outbound import Bounds, Outbound, OutboundError
from mantle.model.errors import Invalid, MantleError
from mantle.stacks.control import Control
from mantle.template.load import parse

BOUNDS = Bounds(seconds=20.0, most_bytes=4 * 2**20, redirects=3)
MOST_FILES = 32
REMOTE = ("http://", "https://")
SUFFIXES = (".yaml", ".yml", ".template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A template from elsewhere, and the nested ones it names by URL."""

    template: str
    name: str
    files: Mapping[str, str]


async def fetch_template(control: Control, url: Any, files: Mapping[str, str]) -> Fetched:
    """Get it; raises `MantleError` that says why not. `files` came with the request."""
    if not isinstance(url, str):
        raise MantleError("template_url is no text.", remedy="Send an http or https URL.")
    async with Outbound(control.settings.destinations) as outbound:
        text = await _get(outbound, url)
        known = dict(files)
        pending = list(_named(text, known))
        while pending:
            key = pending.pop()
            if key in known:
                continue
            if len(known) - len(files) >= MOST_FILES:
                raise MantleError(
                    f"The template at {url} names more than {MOST_FILES} others by URL.",
                    remedy="Send them in `files`.",
                )
            known[key] = await _get(outbound, key)
            pending += _named(known[key], known)
    return Fetched(template=text, name=url, files=known)


async def _get(outbound: Outbound, url: str) -> str:
    try:
        reply = await outbound.request("GET", url, bounds=BOUNDS)
        text = reply.text
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
    return text


def _named(text: str, known: Mapping[str, str]) -> Iterator[str]:
    """URLs of nested templates; a text that cannot be read is told when it is loaded."""
    try:
        data = parse(text).data
    except Invalid:
        return
    resources = data.get("resources") if isinstance(data, dict) else None
    for body in resources.values() if isinstance(resources, dict) else ():
        kind = body.get("type") if isinstance(body, dict) else None
        if isinstance(kind, str) and kind.startswith(REMOTE) and kind.endswith(SUFFIXES):
            yield from () if kind in known else (kind,)
