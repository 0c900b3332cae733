"""Doors without a token: signal URLs and the metadata service, whose addresses are secrets.

Both answer the same 404 to a wrong secret and to one whose resource has gone.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from litestar.types import HTTPScope, Receive, Send

from mantle.api.door import Call, Reply, empty, head_of, plain, read_body, send_reply
from mantle.api.faults import heat_body, heat_fault
from mantle.api.heat.agents import agent_metadata
from mantle.api.heat.resources import signal_body
from mantle.api.metrics import Metrics
from mantle.engine import links as links_purpose
from mantle.model.errors import Forbidden, MantleError, NotFound
from mantle.model.ids import ResourceId
from mantle.model.keys import same
from mantle.model.status import Action
from mantle.stacks.control import Control
from mantle.stacks.resources import SIGNAL_BYTES, row_by_id, signal_by_id

OPEN = ("signal", "metadata")
"""The first part of paths whose second part is a secret."""


def told_path(path: str) -> str:
    """A path as a log may tell it: without the secret in it."""
    parts = path.split("/")
    if len(parts) > 2 and parts[1] in OPEN:
        parts[2] = "******"
    return "/".join(parts)


@runtime_checkable
class MetadataService(Protocol):
    """A cloud whose servers read their metadata from us."""

    async def metadata(self, secret: str, path: str) -> tuple[str, bytes] | None:
        """Content type and body, or None when there is nothing at this path for this secret."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An ASGI application that answers one kind of request."""

    name: str
    answer: Callable[[Call, Receive], Awaitable[Reply]]
    metrics: Metrics
    new_request_id: Callable[[], str]

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        call = head_of(scope, self.new_request_id())
        try:
            reply = await self.answer(call, receive)
        except MantleError as error:
            status, body = heat_fault(error)
            reply = Reply(status=status, body=body)
        await send_reply(send, call, reply)
        self.metrics.observe(call.method, self.name, reply.status, time.perf_counter() - started)


def signals(control: Control) -> Callable[[Call, Receive], Awaitable[Reply]]:
    """Below /signal: URLs that let their holder do one thing to one resource.

    POST or PUT /signal/{token}, and PUT /signal/temp/{id} until it expires, store a signal; GET
    /signal/collect/{id} gives an agent its server's metadata.
    """
    links = control.machine.links

    async def answer(call: Call, receive: Receive) -> Reply:
        call = replace(call, body=await read_body(receive, call, SIGNAL_BYTES))
        below = call.segments[1:]
        match below:
            case [token]:
                if call.method not in {"POST", "PUT"}:
                    return _wrong_method(call, "POST, PUT")
                resource_id = links.resource_of(token)
            case [links_purpose.TEMP, resource]:
                if call.method != "PUT":
                    return _wrong_method(call, "PUT")
                resource_id = _temp(control, call, resource)
            case [links_purpose.COLLECT, resource]:
                if call.method != "GET":
                    return _wrong_method(call, "GET")
                return await _collected(control, call, resource)
            case _:
                return plain(404, "404 Not Found\n")
        body = signal_body(call.json() if call.body.strip() else None)
        await signal_by_id(control, resource_id, body)
        return Reply(body=None)

    return answer


def _temp(control: Control, call: Call, resource: str) -> ResourceId | None:
    """The row of an expiring URL; raises `Forbidden` when it is over."""
    given = call.first("temp_url_sig") or ""
    ends = call.first("temp_url_expires") or ""
    if not (ends.isascii() and ends.isdecimal() and len(ends) < 12):
        return None
    tag = control.machine.links.keys.url_tag(links_purpose.TEMP, resource, int(ends))
    if not same(given, tag):
        return None
    if control.clock.now() >= int(ends):
        raise Forbidden(
            "This signal URL has expired.", remedy="Update the stack to have another one made."
        )
    return ResourceId(resource)


async def _collected(control: Control, call: Call, resource: str) -> Reply:
    absent = NotFound("There is no resource behind this URL.", fault="ResourceNotFound")
    tag = control.machine.links.keys.url_tag(links_purpose.COLLECT, resource)
    if not same(call.first("sig") or "", tag):
        raise absent
    found = await row_by_id(control, ResourceId(resource))
    if found is None or found[1].action is Action.DELETE:
        raise absent
    return Reply(body=await agent_metadata(control, *found))


def metadata(control: Control) -> Callable[[Call, Receive], Awaitable[Reply]]:
    """GET /metadata/{secret}/…: what a server may know about itself."""
    services = [cloud for cloud in control.clouds.values() if isinstance(cloud, MetadataService)]

    async def answer(call: Call, receive: Receive) -> Reply:
        del receive
        if call.method not in {"GET", "HEAD"}:
            return _wrong_method(call, "GET, HEAD")
        if len(call.segments) > 1:
            secret, path = call.segments[1], "/".join(call.segments[2:])
            for service in services:
                found = await service.metadata(secret, path)
                if found is not None:
                    return Reply(body=found[1], media_type=found[0])
        return plain(404, "404 Not Found\n")

    return answer


def _wrong_method(call: Call, allowed: str) -> Reply:
    if call.method == "OPTIONS":
        return empty(204, Allow=allowed)
    message = f"The method {call.method} is not allowed for this resource."
    body = heat_body(405, "HTTPMethodNotAllowed", message)
    return Reply(status=405, body=body, headers={"Allow": allowed})
