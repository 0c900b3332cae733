"""What goes over the socket: length-prefixed msgpack, calls and replies matched by a number.

The shapes are the port's own: which spec and which object a collection has is read from the type
annotations of `Session`, so that a new collection needs nothing here.
"""

import asyncio
import struct
from types import GenericAlias
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from mantle.clouds import ports
from mantle.clouds.plain import KINDS, SETTINGS
from mantle.model.schema import Limitation

LENGTH = struct.Struct(">I")
LARGEST_BYTES = 64 * 1024 * 1024
"""Of one message: a list of a hundred thousand objects fits."""

ERRORS: dict[str, type[ports.CloudError]] = {
    kind.__name__: kind
    for kind in (
        ports.Missing,
        ports.Clash,
        ports.Refused,
        ports.Exhausted,
        ports.Denied,
        ports.Unavailable,
    )
}


class Call(msgspec.Struct, array_like=True):
    """One call; with an empty `collection` it is the session's own, or the cloud's."""

    number: int
    cloud: str
    project: str
    collection: str
    method: str
    arguments: msgspec.Raw


class Reply(msgspec.Struct, array_like=True):
    """Its answer, or the error by name."""

    number: int
    answer: msgspec.Raw = msgspec.Raw(b"\xc0")
    error: str = ""
    message: str = ""
    remedy: str = ""


class About(msgspec.Struct, array_like=True):
    """What a cloud says of itself: it does not change while the keeper runs."""

    info: ports.CloudInfo
    limitations: list[Limitation]


def _signatures() -> dict[tuple[str, str], tuple[tuple[Any, ...], Any]]:
    """(collection, method) -> (types of its arguments, type of its answer)."""
    found: dict[tuple[str, str], tuple[tuple[Any, ...], Any]] = {}
    for name, member in vars(ports.Session).items():
        if name in {"project_id", "plain", "settings"} or name.startswith("_"):
            continue
        if not isinstance(member, property):
            hints = get_type_hints(member)
            answer = hints.pop("return")
            found["", name] = (tuple(hints.values()), answer)
            continue
        kind = get_type_hints(member.fget)["return"]
        found |= _of(name, kind)
    for each in KINDS:
        found |= _of(PLAIN + each, ports.PlainObjects)
    for each in SETTINGS:
        found |= _others(SETTING + each, ports.Settings)
    return found


PLAIN, SETTING = "plain/", "settings/"
"""How the collections are called that `Session.plain` and `Session.settings` give."""


def holder(session: Any, collection: str) -> Any:
    """Who has the methods of a collection: part of a session, or the session itself."""
    kind, slash, name = collection.partition("/")
    if slash:
        return getattr(session, kind)(name)
    return getattr(session, collection) if collection else session


def _of(name: str, kind: Any) -> dict[tuple[str, str], tuple[tuple[Any, ...], Any]]:
    spec, thing = _spec_and_object(kind)
    found: dict[tuple[str, str], tuple[tuple[Any, ...], Any]] = {
        (name, "create"): ((spec, str), thing),
        (name, "find"): ((str,), thing | None),
        (name, "get"): ((str,), thing),
        (name, "list"): ((), GenericAlias(tuple, (thing, ...))),
        (name, "update"): ((str, spec), thing),
        (name, "delete"): ((str,), None),
    }
    return {**_others(name, kind), **found}


def _others(name: str, kind: Any) -> dict[tuple[str, str], tuple[tuple[Any, ...], Any]]:
    found = {}
    for more, function in vars(get_origin(kind) or kind).items():
        if more.startswith("_") or not callable(function):
            continue
        hints = get_type_hints(function)
        answer = hints.pop("return")
        found[name, more] = (tuple(hints.values()), answer)
    return found


def _spec_and_object(kind: Any) -> tuple[Any, Any]:
    if get_origin(kind) is ports.Collection:
        spec, thing = get_args(kind)
        return spec, thing
    for base in kind.__orig_bases__:
        if get_origin(base) is ports.Collection:
            spec, thing = get_args(base)
            return spec, thing
    raise TypeError(f"{kind} is no collection")


SIGNATURES = {
    key: (tuple[arguments] if arguments else tuple[()], answer)  # type: ignore[valid-type]
    for key, (arguments, answer) in _signatures().items()
}


async def read(reader: asyncio.StreamReader) -> bytes | None:
    """One message; None when the other side has closed, or says what cannot be a message."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return await reader.readexactly(length) if length <= LARGEST_BYTES else None
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def framed(message: bytes) -> bytes:
    """With its length before it."""
    return LENGTH.pack(len(message)) + message
