"""The identity API below `/identity`: its routes and the way a request takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from litestar.types import HTTPScope, Receive, Send

from mantle.access.identity import EmbeddedIdentity
from mantle.api.door import Call, Reply, empty, head_of, read_body, send_reply
from mantle.api.faults import AUTHENTICATION, keystone_fault, status_of
from mantle.api.identity import accounts, ec2, tokens, views
from mantle.api.identity.knock import NOT_AUTHORIZED, Handler, Knock
from mantle.api.metrics import Metrics
from mantle.api.routing import Route, Router
from mantle.model.errors import Forbidden, MantleError, Unauthorized
from mantle.model.keys import StackKeys

BODY_LIMIT_BYTES = 64 * 1024
"""No account or log-in needs more."""

USER = "users/{user}"
CREDENTIALS = USER + "/application_credentials"
KEYS = USER + "/credentials/OS-EC2"
GRANTS = "projects/{project}/users/{user}/roles"

ROUTES: tuple[Route[Handler], ...] = (
    Route("POST", "auth/tokens", tokens.log_in, "anyone"),
    Route("GET", "auth/tokens", tokens.check),
    Route("HEAD", "auth/tokens", tokens.check),
    Route("DELETE", "auth/tokens", tokens.revoke),
    Route("GET", "auth/catalog", tokens.catalog),
    Route("GET", "auth/projects", tokens.projects),
    Route("GET", "auth/domains", tokens.domains),
    Route("GET", "users", accounts.list_users),
    Route("POST", "users", accounts.create_user),
    Route("GET", USER, accounts.show_user),
    Route("PATCH", USER, accounts.update_user),
    Route("DELETE", USER, accounts.delete_user),
    Route("POST", USER + "/password", accounts.change_password),
    Route("GET", USER + "/projects", accounts.projects_of_user),
    Route("GET", CREDENTIALS, accounts.list_credentials),
    Route("POST", CREDENTIALS, accounts.create_credential),
    Route("GET", CREDENTIALS + "/{credential}", accounts.show_credential),
    Route("DELETE", CREDENTIALS + "/{credential}", accounts.delete_credential),
    Route("GET", KEYS, ec2.list_keys),
    Route("POST", KEYS, ec2.make_key),
    Route("GET", KEYS + "/{access}", ec2.show_key),
    Route("DELETE", KEYS + "/{access}", ec2.delete_key),
    Route("GET", "credentials", ec2.list_credentials),
    Route("POST", "credentials", ec2.make_credential),
    Route("GET", "credentials/{credential}", ec2.show_credential),
    Route("DELETE", "credentials/{credential}", ec2.delete_credential),
    Route("POST", "ec2tokens", ec2.token),
    Route("GET", "projects", accounts.list_projects),
    Route("POST", "projects", accounts.create_project),
    Route("GET", "projects/{project}", accounts.show_project),
    Route("PATCH", "projects/{project}", accounts.update_project),
    Route("DELETE", "projects/{project}", accounts.delete_project),
    Route("GET", GRANTS, accounts.list_grants),
    Route("PUT", GRANTS + "/{role}", accounts.add_grant),
    Route("DELETE", GRANTS + "/{role}", accounts.delete_grant),
    Route("GET", "roles", accounts.list_roles),
    Route("GET", "roles/{role}", accounts.show_role),
    Route("GET", "domains", accounts.list_domains),
    Route("GET", "domains/{domain}", accounts.show_domain),
)

ROUTER: Router[Handler] = Router(ROUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityEndpoint:
    """The identity API as an ASGI application."""

    identity: EmbeddedIdentity
    metrics: Metrics
    new_id: Callable[[], str]
    new_request_id: Callable[[], str]
    keys: StackKeys

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        call = head_of(scope, self.new_request_id())
        try:
            route, reply = await self._answer(call, receive)
        except Unauthorized:
            where = f'Keystone uri="{call.base_url}/identity/v3"'
            body = keystone_fault(401, AUTHENTICATION)
            route = "unauthorized"
            reply = Reply(status=401, body=body, headers={"WWW-Authenticate": where})
        except MantleError as error:
            status = status_of(error.fault)
            route, reply = "refused", Reply(status=status, body=keystone_fault(status, str(error)))
        await send_reply(send, call, reply)
        seconds = time.perf_counter() - started
        self.metrics.observe(call.method, f"/identity/{route}", reply.status, seconds)

    async def _answer(self, call: Call, receive: Receive) -> tuple[str, Reply]:
        call = replace(call, body=await read_body(receive, call, BODY_LIMIT_BYTES))
        below = call.segments[1:]
        if below in {(), ("",)}:
            body = {"versions": {"values": [views.version(call.base_url)]}}
            return "", Reply(status=300, body=body)
        if below == ("v3",):
            return "v3", Reply(body={"version": views.version(call.base_url)})
        match = ROUTER.match(call.method, below[1:]) if below[0] == "v3" else None
        if match is None:
            return "unknown", Reply(status=404, body=keystone_fault(404, "There is no such page."))
        pattern = f"v3/{match.pattern}"
        if match.route is None:
            return pattern, _wrong_method(call, match.allowed)
        session = None
        if match.route.deed != "anyone":
            session = await self.identity.session(call.header("x-auth-token"))
            if session.user.of_stack and not match.pattern.startswith("auth/"):
                raise Forbidden(NOT_AUTHORIZED)
        knock = Knock(
            identity=self.identity,
            call=call,
            names=match.names,
            session=session,
            new_id=self.new_id,
            keys=self.keys,
        )
        return pattern, await match.route.handler(knock)


def _wrong_method(call: Call, allowed: tuple[str, ...]) -> Reply:
    headers = {"Allow": ", ".join(allowed)}
    if call.method == "OPTIONS":
        return empty(204, **headers)
    body = keystone_fault(405, f"The method {call.method} is not allowed for this page.")
    return Reply(status=405, body=body, headers=headers)
