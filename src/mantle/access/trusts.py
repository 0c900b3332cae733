"""Trusts: how what a user asked for goes on after the user's token has expired.

Keystone lets a user (the trustor) allow another (the trustee) to act in a project with some of the
user's roles. The trustee is the user of a cloud's entry in clouds.yaml, who needs no role in
anybody's project. There is one trust for each user, project and cloud: as many as there are
people who work, not as many as there are stacks. It is made when the user's token is at hand and is
good for it, looked at again when a later request of the same user comes, and deleted when the user
has no stack there any more. Its id is sealed at rest.

Keystone lets no delegated token delegate: whoever logs in with an application credential cannot
make a trust. Such a project may keep an application credential as a secret of this name instead.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import httpx

from mantle.access.caller import Caller
from mantle.lib.clock import Clock
from mantle.model.errors import Forbidden, Unavailable
from mantle.model.trusts import SECRET, Trust

LOOKED_AT_SECONDS = 300.0
"""A trust that was good so long ago is taken to be good."""
TIMEOUT_SECONDS = 15.0


class TrustStore(Protocol):
    """Where trusts are kept (`store.trusts`)."""

    async def get(self, project_id: str, user_id: str, cloud: str) -> Trust | None: ...
    async def of_project(self, project_id: str, cloud: str) -> Sequence[Trust]: ...
    async def save(self, trust: Trust) -> None: ...
    async def remove(self, trust: Trust) -> None: ...
    async def unused(self, before: float) -> Sequence[Trust]: ...
    async def secret(self, project_id: str) -> str | None: ...


class Deferral(Protocol):
    """Sees to it that what is accepted now can be carried out later."""

    async def ensure(self, caller: Caller, cloud: str) -> None:
        """Before an operation is accepted; raises `Forbidden` when it could not be carried out."""
        ...


class NoDeferral:
    """The entry's own credentials carry everything out."""

    async def ensure(self, caller: Caller, cloud: str) -> None:
        """Nothing to see to."""


class Trusts:
    """A `Deferral` by trusts, at one Keystone."""

    def __init__(
        self,
        auth_url: str,
        store: TrustStore,
        clock: Clock,
        trustees: Mapping[str, Callable[[], Awaitable[str]]],
        *,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        """`trustees`: for each cloud that works by trusts, who its entry's user is."""
        self._base = auth_url.rstrip("/").removesuffix("/v3") + "/v3"
        self._store = store
        self._clock = clock
        self._trustees = trustees
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT_SECONDS)

    async def ensure(self, caller: Caller, cloud: str) -> None:
        """One that is good is left as it is; one that is not is replaced."""
        if cloud not in self._trustees or not caller.token:
            return
        now = self._clock.now()
        known = await self._store.get(caller.project_id, caller.user_id, cloud)
        if known is not None and now - known.looked_at < LOOKED_AT_SECONDS:
            return
        if known is not None and known.looked_at and await self._is_good(caller, known):
            await self._store.save(replace(known, looked_at=now))
            return
        if caller.delegated:
            if await self._store.secret(caller.project_id) is None:
                raise Forbidden(
                    "This token was got with an application credential or a trust, and Keystone "
                    "lets no such token delegate: the work could not go on after it expires.",
                    remedy="Log in with a password, or keep an application credential for this: "
                    f"mantle secret add {SECRET} --file credential.json.",
                )
            return
        made = await self._make(caller, await self._trustees[cloud]())
        await self._store.save(
            Trust(
                project_id=caller.project_id,
                user_id=caller.user_id,
                user_name=caller.user_name,
                cloud=cloud,
                trust_id=made,
                roles=tuple(sorted(caller.roles)),
                created_at=now,
                looked_at=now,
            )
        )
        if known is not None:
            # Whoever works by the old one finds it gone, and takes the new one.
            await self._ask("DELETE", f"/OS-TRUST/trusts/{known.trust_id}", caller.token)

    async def _is_good(self, caller: Caller, trust: Trust) -> bool:
        """Keystone still has it, and with every role that the user has there now."""
        if not caller.roles <= set(trust.roles):
            return False
        answer = await self._ask("GET", f"/OS-TRUST/trusts/{trust.trust_id}", caller.token)
        return answer.status_code == httpx.codes.OK

    async def _make(self, caller: Caller, trustee: str) -> str:
        body = {
            "trust": {
                "trustor_user_id": caller.user_id,
                "trustee_user_id": trustee,
                "project_id": caller.project_id,
                "impersonation": True,
                "roles": [{"name": role} for role in sorted(caller.roles)],
            }
        }
        answer = await self._ask("POST", "/OS-TRUST/trusts", caller.token, json=body)
        if answer.status_code != httpx.codes.CREATED:
            raise Forbidden(
                f"Keystone makes no trust of {caller.user_name!r} in Mantle "
                f"({answer.status_code}): {_said(answer)}",
                remedy="Log in anew with a password and try again.",
            )
        return str(answer.json()["trust"]["id"])

    async def _ask(self, method: str, path: str, token: str, **more: Any) -> httpx.Response:
        headers = {"X-Auth-Token": token}
        try:
            answer = await self._client.request(method, self._base + path, headers=headers, **more)
        except httpx.TransportError as error:
            raise Unavailable(
                f"Keystone at {self._base} does not answer ({type(error).__name__}).",
                remedy="Try again; if it stays, ask the operator to look at Keystone.",
            ) from error
        if answer.status_code >= 500:
            raise Unavailable(
                f"Keystone at {self._base} answered {answer.status_code} to {method} of a trust.",
                remedy="Try again; if it stays, ask the operator to look at Keystone.",
            )
        return answer

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
