"""Tokens checked by a real Keystone.

Each token is asked about with a token: the service's own when Mantle has credentials there, else
the token itself, which Keystone allows. Answers are kept for a minute, so that a client polling a
stack costs Keystone one call a minute; a revoked token may live that much longer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx

from mantle.access.access_rules import HEADER, rules_of
from mantle.access.caller import Caller
from mantle.access.identity import REFUSED, digest
from mantle.lib.clock import Clock
from mantle.model.errors import MantleError, Unauthorized
from mantle.model.identity import DOMAIN_NAME
from mantle.model.ids import ProjectId, UserId

KEPT_SECONDS = 60.0
KEPT_TOKENS = 10_000
TIMEOUT_SECONDS = 10.0
TRIES = 3
"""Attempts before Keystone counts as unreachable."""


class KeystoneUnavailable(MantleError):
    """Keystone does not answer: nobody can be let in, and it is not the caller's fault."""

    fault = "ServiceUnavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Mantle's own account in Keystone, for checking others' tokens."""

    user_name: str
    password: str = field(repr=False)
    project_name: str
    user_domain: str = DOMAIN_NAME
    project_domain: str = DOMAIN_NAME


class KeystoneAuthenticator:
    """An `Authenticator` that asks a Keystone v3."""

    def __init__(
        self,
        auth_url: str,
        clock: Clock,
        *,
        service: ServiceAccount | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self.auth_url = auth_url.rstrip("/").removesuffix("/v3") + "/v3"
        self._clock = clock
        self._service = service
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        self._service_token = ""
        self._kept: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    async def authenticate(self, token: str) -> Caller:
        """Who holds the token; raises `Unauthorized`."""
        key = digest(token)
        kept = self._kept.get(key)
        if kept is not None and kept[1] > self._clock.now():
            return replace(kept[0], token=token)
        facts = await self._ask(token)
        caller = _caller(facts)
        expires_at = _seconds(facts.get("expires_at"))
        until = min(self._clock.now() + KEPT_SECONDS, expires_at)
        self._kept[key] = (caller, until)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_TOKENS:
            self._kept.popitem(last=False)
        return replace(caller, token=token)

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()

    async def _ask(self, token: str) -> Mapping[str, Any]:
        asking = await self._asking_token(token)
        answer = await self._get(token, asking)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._service is not None:
            # The service's own token may have expired: get another, once.
            self._service_token = ""
            answer = await self._get(token, await self._asking_token(token))
        if answer.status_code in {401, 403, 404}:
            raise Unauthorized(REFUSED)
        if answer.status_code != httpx.codes.OK:
            raise KeystoneUnavailable(
                f"Keystone at {self.auth_url} answered {answer.status_code} to a token check.",
                remedy="Try again; if it stays, ask the operator to look at Keystone.",
            )
        facts = answer.json().get("token")
        if not isinstance(facts, Mapping):
            raise Unauthorized(REFUSED)
        return facts

    async def _get(self, token: str, asking: str) -> httpx.Response:
        try:
            headers = {"X-Auth-Token": asking, "X-Subject-Token": token, **HEADER}
            return await self._send("GET", headers=headers, params={"nocatalog": ""})
        except UnicodeEncodeError:
            # Not a header value, so not a token either.
            raise Unauthorized(REFUSED) from None

    async def _asking_token(self, token: str) -> str:
        if self._service is None:
            return token
        if not self._service_token:
            answer = await self._send("POST", json=_service_login(self._service))
            if answer.status_code != httpx.codes.CREATED:
                raise KeystoneUnavailable(
                    f"Keystone at {self.auth_url} refused Mantle's own account "
                    f"{self._service.user_name!r}.",
                    remedy="Ask the operator to correct the service account in the settings.",
                )
            self._service_token = answer.headers["X-Subject-Token"]
        return self._service_token

    async def _send(self, method: str, **request: Any) -> httpx.Response:
        url = f"{self.auth_url}/auth/tokens"
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


def _service_login(service: ServiceAccount) -> dict[str, Any]:
    user = {
        "name": service.user_name,
        "domain": {"name": service.user_domain},
        "password": service.password,
    }
    project = {"name": service.project_name, "domain": {"name": service.project_domain}}
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": project}}}


def _caller(facts: Mapping[str, Any]) -> Caller:
    user = facts["user"]
    project = facts.get("project") or {}
    return Caller(
        user_id=UserId(user["id"]),
        user_name=user["name"],
        project_id=ProjectId(project.get("id", "")),
        project_name=project.get("name", ""),
        roles=frozenset(role["name"] for role in facts.get("roles", ())),
        user_domain=user.get("domain", {}).get("name", DOMAIN_NAME),
        project_domain=project.get("domain", {}).get("name", DOMAIN_NAME),
        rules=rules_of(facts),
        delegated="application_credential" in facts or "OS-TRUST:trust" in facts,
    )


def _seconds(text: object) -> float:
    """Keystone's `2026-11-21T10:00:00.000000Z`; what is no time has passed already."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0
