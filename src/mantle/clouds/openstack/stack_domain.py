"""Keystone's stack domain: users and projects of stacks, as Heat's agents know them.

Everything here has a name that its caller derives from a row, so that whatever was cut off is found
again by its name and finished: nothing is made twice. A key's id at Keystone is the hash of its
access id, which is derived as well.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mantle.clouds.openstack.caller import Caller, Workshop
from mantle.clouds.openstack.door import Entry, open_door
from mantle.clouds.openstack.errors import Service
from mantle.clouds.ports import Clash, Missing, Refused, Unavailable

THREADS = 4
ROLE = "heat_stack_user"
"""As Heat's: services' policies know it by this name."""
REMEDY = "Have an administrator run: mantle register-domain."


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainUser:
    """A user as Keystone knows it."""

    user_id: str
    project_id: str
    domain_id: str


class StackDomain:
    """The domain that an entry of clouds.yaml administers."""

    def __init__(self, entry: Entry, caller: Caller | None = None) -> None:
        """`caller` sends its requests; None: with the entry's log-in."""
        self.name = entry.name
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="stack-domain")
        workshop = Workshop(threads=self._threads, pace={})
        self._caller = caller or Caller(workshop, functools.partial(open_door, entry, None))
        self._role = ""

    async def domain_id(self) -> str:
        """The id of the domain; raises `Refused` when the entry's log-in is for something else."""
        door = await self._caller.door()
        if not door.domain_id:
            raise Refused(
                f"The log-in of {self.name!r} is not for a domain.",
                remedy="Give the entry user_domain_name and domain_name of the stack domain, and "
                "no project.",
            )
        return door.domain_id

    async def check(self) -> str:
        """The id of the domain, when everything that is needed is there."""
        found = await self.domain_id()
        await self._role_id()
        return found

    # --- users -------------------------------------------------------------------------------

    async def ensure_user(
        self, *, name: str, password: str, project: str, about: str
    ) -> DomainUser:
        """A user with the role of stack users in a project; both are made when they are absent."""
        domain = await self.domain_id()
        project_id = await self._project(domain, project, about)
        user_id = await self._user(domain, name, password, project_id, about)
        role = await self._role_id()
        try:
            await self._caller.put(
                Service.IDENTITY, f"/projects/{project_id}/users/{user_id}/roles/{role}"
            )
        except Missing as error:
            raise Unavailable(
                "Keystone lost a user of a stack while it was being made.",
                remedy="It is tried again.",
            ) from error
        return DomainUser(user_id=user_id, project_id=project_id, domain_id=domain)

    async def remove_user(self, name: str) -> None:
        """The user and its keys; one that is gone is no problem."""
        domain = await self.domain_id()
        found = await self._named("users", domain, name)
        if found is not None:
            await self._gone(f"/users/{found['id']}")

    async def enable_user(self, name: str, *, enabled: bool) -> None:
        """Let it log in, or not; one that is gone is no problem."""
        found = await self._named("users", await self.domain_id(), name)
        if found is not None and bool(found.get("enabled", True)) != enabled:
            with suppress(Missing):
                body = {"user": {"enabled": enabled}}
                await self._caller.patch(Service.IDENTITY, f"/users/{found['id']}", body)

    async def remove_project(self, name: str) -> None:
        """A project whose stack is gone; one that is gone is no problem."""
        found = await self._named("projects", await self.domain_id(), name)
        if found is not None:
            await self._gone(f"/projects/{found['id']}")

    async def users(self) -> Sequence[str]:
        """The names of all users of the domain."""
        return await self._names("users")

    async def projects(self) -> Sequence[str]:
        """The names of all projects of the domain."""
        return await self._names("projects")

    # --- keys --------------------------------------------------------------------------------

    async def ensure_key(self, user: DomainUser, access: str, secret: str) -> None:
        """An EC2 key of the user's, known to Keystone's `ec2tokens` from now on."""
        body = {
            "credential": {
                "type": "ec2",
                "user_id": user.user_id,
                "project_id": user.project_id,
                "blob": json.dumps({"access": access, "secret": secret}),
            }
        }
        with suppress(Clash):  # made before, by the same derived name
            await self._caller.post(Service.IDENTITY, "/credentials", body)

    async def remove_key(self, access: str) -> None:
        """One that is gone is no problem."""
        await self._gone(f"/credentials/{hashlib.sha256(access.encode()).hexdigest()}")

    async def close(self) -> None:
        """Let the threads go; calls under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- the calls ---------------------------------------------------------------------------

    async def _project(self, domain: str, name: str, about: str) -> str:
        body = {"project": {"name": name, "domain_id": domain, "description": about}}
        return await self._ensured("projects", "project", domain, name, body)

    async def _user(
        self, domain: str, name: str, password: str, project_id: str, about: str
    ) -> str:
        body = {
            "user": {
                "name": name,
                "password": password,
                "domain_id": domain,
                "default_project_id": project_id,
                "description": about,
                # An agent logs in with what it was given at its first boot, for years.
                "options": {"ignore_password_expiry": True},
            }
        }
        return await self._ensured("users", "user", domain, name, body)

    async def _ensured(
        self, kind: str, one: str, domain: str, name: str, body: dict[str, Any]
    ) -> str:
        found = await self._named(kind, domain, name)
        if found is None:
            try:
                made = await self._caller.post(Service.IDENTITY, f"/{kind}", body)
                return str(made[one]["id"])
            except Clash:
                # Another engine was faster, or our own request whose answer was lost.
                found = await self._named(kind, domain, name)
        if found is None:
            raise Unavailable(
                f"Keystone has a {one} of a stack and does not find it.",
                remedy="It is tried again.",
            )
        return str(found["id"])

    async def _named(self, kind: str, domain: str, name: str) -> dict[str, Any] | None:
        path = f"/{kind}?domain_id={quote(domain)}&name={quote(name)}"
        listed = (await self._caller.get(Service.IDENTITY, path))[kind]
        return next((each for each in listed if each["name"] == name), None)

    async def _names(self, kind: str) -> list[str]:
        path = f"/{kind}?domain_id={quote(await self.domain_id())}"
        listed = (await self._caller.get(Service.IDENTITY, path))[kind]
        return [str(each["name"]) for each in listed]

    async def _role_id(self) -> str:
        if not self._role:
            answer = await self._caller.get(Service.IDENTITY, f"/roles?name={ROLE}")
            found = [each["id"] for each in answer["roles"] if each["name"] == ROLE]
            if not found:
                raise Refused(f"This Keystone has no role {ROLE!r}.", remedy=REMEDY)
            self._role = str(found[0])
        return self._role

    async def _gone(self, path: str) -> None:
        with suppress(Missing):
            await self._caller.delete(Service.IDENTITY, path)
