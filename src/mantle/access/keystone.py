"""Tokens checked by a real Keystone.

Each token is asked about with a token: the service's own when Mantle has credentials there, else
the token itself, which Keystone allows. Answers are kept for a minute, so that a client polling a
stack costs Keystone one call a minute; a revoked token may live that much longer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import httpx

from mantle.access.access_rules import HEADER, rules_of
from mantle.access.caller import Caller, Scope
from mantle.access.identity import REFUSED, digest
from mantle.lib.clock import Clock
from mantle.model.errors import Forbidden, MantleError, Unauthorized
from mantle.model.identity import DOMAIN_NAME, STACK_USER
from mantle.model.ids import ProjectId, UserId

KEPT_SECONDS = 60.0
KEPT_TOKENS = 10_000
TIMEOUT_SECONDS = 10.0
TRIES = 3
"""Attempts before Keystone counts as unreachable."""


class KeystoneUnavailable(MantleError):
    """Keystone does not answer: nobody can be let in, and it is not the caller's fault."""

    fault = "ServiceUnavailable"


class ServiceAccount(Protocol):
    """Mantle's own account in Keystone, for asking about others' tokens and signatures."""

    name: str

    async def token(self) -> str:
        """One that is good for a while; raises `MantleError` when it cannot be had."""
        ...

    async def renew(self) -> None:
        """Keystone takes the last one no more."""
        ...


StackDomainId = Callable[[], Awaitable[str]]
"""The id of the domain that holds the users of stacks; empty when there is none."""


async def no_domain() -> str:
    """For a Keystone without a stack domain."""
    return ""


class KeystoneAuthenticator:
    """An `Authenticator` that asks a Keystone v3."""

    def __init__(
        self,
        auth_url: str,
        clock: Clock,
        *,
        service: ServiceAccount | None = None,
        client: httpx.AsyncClient | None = None,
        stack_domain: StackDomainId = no_domain,
    ) -> None:
        self.auth_url = keystone_root(auth_url)
        self._clock = clock
        self._service = service
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        self._stack_domain = stack_domain
        self._kept: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    async def authenticate(self, token: str) -> Caller:
        """Who holds the token; raises `Unauthorized`."""
        key = digest(token)
        kept = self._kept.get(key)
        if kept is not None and kept[1] > self._clock.now():
            return replace(kept[0], token=token)
        facts = await self._ask(token)
        caller = caller_of(facts, await self._stack_domain())
        expires_at = _seconds(facts.get("expires_at"))
        until = min(self._clock.now() + KEPT_SECONDS, expires_at)
        self._kept[key] = (caller, until)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_TOKENS:
            self._kept.popitem(last=False)
        return replace(caller, token=token)

    async def owner_of_signature(self, signed: Mapping[str, object]) -> Caller | None:
        """Whose EC2 key has signed it; None when Keystone says that nobody's has."""
        if self._service is None:
            raise Forbidden(
                "Keystone says who signed a request only to a service account, and Mantle has "
                "none.",
                remedy="Use Heat's API with a token, or have the operator set one: "
                "mantle register-domain, then --service-account ENTRY.",
            )
        answer = await self._signature(signed)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            # Of the signature or of our own token; a fresh one tells which.
            await self._service.renew()
            answer = await self._signature(signed)
        if answer.status_code in {400, 401, 403, 404}:
            return None
        facts = answer.json().get("token") if answer.status_code == httpx.codes.OK else None
        if not isinstance(facts, Mapping):
            raise self._unwell(answer, "a signature")
        caller = caller_of(facts, await self._stack_domain())
        return replace(caller, token=answer.headers.get("X-Subject-Token", ""))

    async def _signature(self, signed: Mapping[str, object]) -> httpx.Response:
        assert self._service is not None, "asked before"
        headers = {"X-Auth-Token": await self._service.token()}
        body = {"ec2Credentials": dict(signed)}
        return await self._send("POST", "/ec2tokens", json=body, headers=headers)

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()

    async def _ask(self, token: str) -> Mapping[str, Any]:
        asking = await self._asking_token(token)
        answer = await self._get(token, asking)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._service is not None:
            # The service's own token may have expired: get another, once.
            await self._service.renew()
            answer = await self._get(token, await self._asking_token(token))
        if answer.status_code in {401, 403, 404}:
            raise Unauthorized(REFUSED)
        if answer.status_code != httpx.codes.OK:
            raise self._unwell(answer, "a token")
        facts = answer.json().get("token")
        if not isinstance(facts, Mapping):
            raise Unauthorized(REFUSED)
        return facts

    def _unwell(self, answer: httpx.Response, what: str) -> KeystoneUnavailable:
        return KeystoneUnavailable(
            f"Keystone at {self.auth_url} answered {answer.status_code} to the check of {what}.",
            remedy="Try again; if it stays, ask the operator to look at Keystone.",
        )

    async def _get(self, token: str, asking: str) -> httpx.Response:
        try:
            headers = {"X-Auth-Token": asking, "X-Subject-Token": token, **HEADER}
            return await self._send(
                "GET", "/auth/tokens", headers=headers, params={"nocatalog": ""}
            )
        except UnicodeEncodeError:
            # Not a header value, so not a token either.
            raise Unauthorized(REFUSED) from None

    async def _asking_token(self, token: str) -> str:
        return token if self._service is None else await self._service.token()

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        url = self.auth_url + path
        problem: httpx.TransportError | None = None
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(0.2 * attempt)
            try:
                return await self._client.request(method, url, **request)
            except httpx.TransportError as error:
                problem = error
        raise KeystoneUnavailable(
            f"Keystone at {self.auth_url} does not answer ({type(problem).__name__}).",
            remedy="Try again; if it stays, ask the operator to look at Keystone.",
        ) from problem


def keystone_root(auth_url: str) -> str:
    """With the version, whether it was given or not."""
    return auth_url.rstrip("/").removesuffix("/v3") + "/v3"


def caller_of(facts: Mapping[str, Any], stack_domain: str = "") -> Caller:
    """Who a token is of, as the verbs see it.

    A user of the stack domain is known by its name, which is derived from its row, and is nothing
    but a stack's user, whatever other roles somebody has given it.
    """
    user, project = facts["user"], facts.get("project") or {}
    roles = frozenset(role["name"] for role in facts.get("roles", ()))
    user_id = user["id"]
    if stack_domain and user.get("domain", {}).get("id") == stack_domain:
        user_id = user["name"]
        at_home = project.get("domain", {}).get("id") == stack_domain
        roles = roles & {STACK_USER} if at_home else frozenset()
    return Caller(
        user_id=UserId(user_id),
        user_name=user["name"],
        project_id=ProjectId(project.get("id", "")),
        project_name=project.get("name", ""),
        roles=roles,
        user_domain=user.get("domain", {}).get("name", DOMAIN_NAME),
        project_domain=project.get("domain", {}).get("name", DOMAIN_NAME),
        rules=rules_of(facts),
        delegated=is_delegated(facts),
        scope=scope_of(facts),
    )


def is_delegated(facts: Mapping[str, Any]) -> bool:
    """Whether Keystone lets it leave no trust."""
    methods = set(facts.get("methods", ()))
    marks = {"application_credential", "OS-TRUST:trust"} & set(facts)
    return bool(marks or methods & {"application_credential", "ec2credential"})


def scope_of(facts: Mapping[str, Any]) -> Scope:
    """What the token is for."""
    if facts.get("project"):
        return Scope.PROJECT
    if (facts.get("system") or {}).get("all"):
        return Scope.SYSTEM
    return Scope.DOMAIN if facts.get("domain") else Scope.NONE


def _seconds(text: object) -> float:
    """Keystone's `2026-11-21T10:00:00.000000Z`; what is no time has passed already."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0
