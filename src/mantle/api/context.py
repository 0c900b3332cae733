"""Around every request: its id, and what is logged and traced while it is answered.

As OpenStack's middleware does: the answer's X-OpenStack-Request-ID is a new id of ours. The one
that a client sends (its *global* id, the same for all services that it asks) is taken when it is
one, and both are in every line that is logged.
"""

import contextvars
import re
from collections.abc import Callable

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from mantle.lib import logs, tracing
from mantle.store import deeds

HEADER = b"x-openstack-request-id"

GLOBAL_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_current: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


def request_id_of(new_id: Callable[[], str]) -> Callable[[], str]:
    """The id of the request that is being answered; a new one outside of any."""
    return lambda: _current.get() or f"req-{new_id()}"


def in_context(app: ASGIApp, new_id: Callable[[], str]) -> ASGIApp:
    """The application, with every request in a context of its own."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"req-{new_id()}"
        sent = _header(scope, HEADER)
        token = _current.set(request_id)

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if not any(name.lower() == HEADER for name, _ in headers):
                    headers.append((HEADER, request_id.encode()))
                message["headers"] = headers
            await send(message)

        method = str(scope.get("method", ""))
        try:
            with (
                logs.about(
                    request_id=request_id,
                    global_request_id=sent if GLOBAL_ID.fullmatch(sent) else "",
                ),
                tracing.span(
                    "request",
                    _header(scope, b"traceparent"),
                    request_id=request_id,
                    http_request_method=method[:16],
                ),
                deeds.request(request_id),
            ):
                await app(scope, receive, telling)
        finally:
            _current.reset(token)

    return answered


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name.lower() == wanted:
            return value.decode("latin-1")[:128]
    return ""
