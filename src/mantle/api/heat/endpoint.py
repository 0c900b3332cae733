"""The way a request to Heat's API takes: token, project, route, policy, body, handler, answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from litestar.types import HTTPScope, Receive, Send

from mantle.access.caller import Scope
from mantle.access.policy import check_scope, enforce
from mantle.access.ports import Authenticator
from mantle.api.door import Call, Reply, empty, head_of, plain, read_body, send_reply
from mantle.api.faults import AUTHENTICATION, headers_of, heat_body, heat_fault, keystone_fault
from mantle.api.heat.ask import Ask
from mantle.api.heat.routes import ROUTER
from mantle.api.heat.service import versions
from mantle.api.metrics import Metrics
from mantle.api.settings import ApiSettings
from mantle.model.errors import Forbidden, MantleError, Unauthorized
from mantle.stacks.control import Control
from mantle.stacks.shedding import refuse_questions_when_full

MEDIA_TYPE = "application/vnd.openstack.orchestration-v1"
"""Asked for in Accept, it stands for a `/v1` missing from the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatEndpoint:
    """Heat's API as an ASGI application below `/heat`."""

    control: Control
    authenticator: Authenticator
    settings: ApiSettings
    metrics: Metrics
    new_request_id: Callable[[], str]

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        call = head_of(scope, self.new_request_id())
        # A client still sending an oversized body must be read before it is answered.
        try:
            route, reply = await self._answer(call, receive)
        except Unauthorized:
            route, reply = "unauthorized", self._unauthorized(call)
        except MantleError as error:
            status, body = heat_fault(error)
            route = "refused"
            reply = Reply(status=status, body=body, headers=headers_of(error))
        await send_reply(send, call, reply)
        seconds = time.perf_counter() - started
        self.metrics.observe(call.method, f"/heat/{route}", reply.status, seconds)

    async def _answer(self, call: Call, receive: Receive) -> tuple[str, Reply]:
        """The pattern of the route, for the metrics, and the answer."""
        below = call.segments[1:]
        if below and below[0] != "v1" and MEDIA_TYPE in call.header("accept"):
            below = ("v1", *below)
        if below == ("healthcheck",):
            return "healthcheck", empty(200)
        if below in {(), ("",)} or below[0] != "v1":
            await read_body(receive, call, self.settings.body_limit_bytes)
            return "", Reply(status=300, body=versions(call.base_url))
        call = replace(call, body=await read_body(receive, call, self.settings.body_limit_bytes))
        token = call.header("x-auth-token")
        if not token:
            raise Unauthorized(AUTHENTICATION)
        refuse_questions_when_full(self.control, call.method)
        caller = await self.authenticator.authenticate(token)
        caller = replace(caller, request_id=call.request_id)
        caller.check_call(call.method, "/" + "/".join(call.segments))
        match = ROUTER.match(call.method, below[2:]) if len(below) > 2 else None
        if match is None:
            return "unknown", plain(404, "404 Not Found\n\nThe resource could not be found.\n")
        pattern = f"v1/{{project}}/{match.pattern}"
        if match.route is None:
            return pattern, _wrong_method(call, match.allowed)
        if caller.scope is not Scope.PROJECT:
            check_scope(caller)
        elif not caller.project_id or below[1] != caller.project_id:
            raise Forbidden(
                "The token is not scoped to the project of this address.",
                remedy="Use the address in the catalog that came with the token.",
                fault="HTTPForbidden",
            )
        enforce(caller, match.route.deed)
        ask = Ask(
            control=self.control,
            settings=self.settings,
            call=call,
            caller=caller,
            names=match.names,
        )
        return pattern, await match.route.handler(ask)

    def _unauthorized(self, call: Call) -> Reply:
        """In the shape of Keystone's middleware, which clients know."""
        where = self.authenticator.auth_url or f"{call.base_url}/identity/v3"
        return Reply(
            status=401,
            body=keystone_fault(401, AUTHENTICATION),
            headers={"WWW-Authenticate": f'Keystone uri="{where}"'},
        )


def _wrong_method(call: Call, allowed: tuple[str, ...]) -> Reply:
    headers = {"Allow": ", ".join(allowed)}
    if call.method == "OPTIONS":
        return empty(204, **headers)
    message = f"The method {call.method} is not allowed for this resource."
    body = heat_body(405, "HTTPMethodNotAllowed", message)
    return Reply(status=405, body=body, headers=headers)
