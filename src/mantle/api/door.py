"""Requests in, replies out: for the compatible APIs bytes become a `Call`, a `Reply` becomes bytes.

Everything that arrives is bounded here: the size of a body, the depth of its JSON, the characters
of its Host header.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from litestar.types import HTTPScope, Receive, Scope, Send

from mantle.model.errors import LimitExceeded, MantleError

DRAINED_BYTES = 64 * 1024 * 1024
"""How much of an oversized body is read and thrown away, so that the client, still sending, gets
the answer instead of a broken connection."""

JSON_DEPTH = 200
"""Levels of nesting; ten times what real templates have, a fifth of what Python can walk."""

HOST = re.compile(r"[A-Za-z0-9._\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, read in full."""

    method: str
    segments: tuple[str, ...]
    """The path's parts, each unescaped by itself: an escaped slash stays inside its part."""
    raw_path: str
    raw_query: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    base_url: str
    """`http://host:port`, as the client wrote it."""
    request_id: str

    def header(self, name: str) -> str:
        """Empty when it was not sent."""
        return self.headers.get(name.lower(), "")

    def first(self, name: str) -> str | None:
        """A query parameter's first value."""
        values = self.query.get(name)
        return values[0] if values else None

    def json(self) -> Any:
        """The body as data; raises a 400 that says what is wrong with it."""
        try:
            data = _decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise MantleError(
                f"The request body is not valid JSON: {error}.",
                remedy="Send a JSON document with content type application/json.",
            ) from None
        if depth_exceeds(data, JSON_DEPTH):
            raise MantleError(
                f"The request body nests deeper than {JSON_DEPTH} levels.",
                remedy="Flatten it, or move parts to files.",
            )
        return data

    def json_object(self) -> dict[str, Any]:
        """The body as an object; an empty one where the body is."""
        data = self.json() if self.body.strip() else {}
        if not isinstance(data, dict):
            raise MantleError(
                f"The request body is a {_json_type(data)}, not an object.",
                remedy='Send a JSON object: {"…": …}.',
            )
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. `body` is data for JSON, or bytes with a media type of their own."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


def empty(status: int = 204, **headers: str) -> Reply:
    """An answer without a body."""
    return Reply(status=status, body=b"", headers=headers, media_type="")


def plain(status: int, text: str) -> Reply:
    """An answer in plain text."""
    return Reply(status=status, body=text.encode(), media_type="text/plain; charset=UTF-8")


def head_of(scope: HTTPScope, request_id: str) -> Call:
    """The request without its body, so that it can be refused before that is read."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").split("?")[0]
    raw_query = scope["query_string"].decode("latin-1")
    query: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        query[name] = (*query.get(name, ()), value)
    return Call(
        method=str(scope["method"]),
        segments=tuple(unquote(part) for part in raw_path.strip("/").split("/")),
        raw_path=raw_path,
        raw_query=raw_query,
        query=query,
        headers=headers,
        base_url=base_url(scope, headers),
        request_id=request_id,
    )


async def read_body(receive: Receive, call: Call, limit_bytes: int) -> bytes:
    """The body in full; raises when it is longer than the limit."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more and size <= DRAINED_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            raise MantleError("The connection was closed before the body had arrived.")
        part = message["body"]
        more = message["more_body"]
        size += len(part)
        if size <= limit_bytes:
            parts.append(part)
        else:
            parts.clear()
    if size > limit_bytes:
        raise LimitExceeded(
            f"Request limit exceeded: the body of {call.method} {call.raw_path} has "
            f"{'at least ' if more else ''}{size} bytes, more than the {limit_bytes} allowed.",
            remedy="Make the template smaller, or ask the operator to raise the limit.",
        )
    return b"".join(parts)


async def send_reply(send: Send, call: Call, reply: Reply) -> None:
    """Write an answer to the connection."""
    body = reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
    headers = {**({"x-openstack-request-id": call.request_id} if call.request_id else {})}
    headers |= reply.headers
    if reply.media_type:
        headers["content-type"] = reply.media_type
    if reply.status != 204:
        headers["content-length"] = str(len(body))
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    if call.method == "HEAD":
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


def base_url(scope: Scope, headers: Mapping[str, str]) -> str:
    """Scheme and host as the client used them.

    A proxy tells the scheme in X-Forwarded-Proto. A Host that is no host is not repeated.
    """
    scheme = headers.get("x-forwarded-proto", "") or scope.get("scheme", "http")
    if scheme not in {"http", "https"}:
        scheme = "http"
    host = headers.get("host", "")
    if not HOST.fullmatch(host):
        server = scope.get("server") or ("localhost", None)
        host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
    return f"{scheme}://{host}"


def depth_exceeds(data: Any, limit: int) -> bool:
    """Whether lists and objects nest deeper than the limit; walks without recursion."""
    level = [data]
    for _ in range(limit + 1):
        below: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                below.extend(part.values())
            elif isinstance(part, list):
                below.extend(part)
        if not below:
            return False
        level = below
    return True


def _json_type(data: Any) -> str:
    names = {str: "string", bool: "boolean", list: "list", type(None): "null"}
    return names.get(type(data), "number")
