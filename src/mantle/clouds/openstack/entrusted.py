"""Calls in a user's project, by what the user left for it: a trust, or an application credential.

The entry of clouds.yaml logs in with a trust for its scope, and is the user there, with the roles
that the trust has. A trust that Keystone refuses (the user is gone, has lost the role, or has
deleted it) is told to whoever keeps them, and the next one that the project has is tried.
"""

import functools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mantle.clouds.openstack.caller import Caller, Workshop
from mantle.clouds.openstack.door import Door, Entry, Reply, Request, open_door
from mantle.clouds.ports import CloudError, Denied, Unavailable
from mantle.model.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What somebody left for work in a project."""

    by: str
    """Whose it is, for messages."""
    auth: Mapping[str, str] = field(repr=False)
    """What the log-in says in place of the entry's own scope, or of all of it."""
    refused: Callable[[], Awaitable[None]]
    """Keystone takes it no more."""


Leaves = Callable[[ProjectId, UserId | None], Awaitable[Sequence[Leave]]]
"""What there is for a project, this user's first."""


class Entrusted(Caller):
    """Sends requests of one project and user; each log-in looks for what is left."""

    def __init__(
        self,
        workshop: Workshop,
        entry: Entry,
        leaves: Leaves,
        project_id: ProjectId,
        user_id: UserId | None,
    ) -> None:
        self._entry = entry
        self._leaves = leaves
        self._project_id = project_id
        self._user_id = user_id
        self._leave: Leave | None = None
        super().__init__(workshop, functools.partial(open_door, entry, None))

    async def door(self) -> Door:
        if self._door is None:
            async with self._opening:
                if self._door is None:
                    self._door = await self._opened()
        return self._door

    async def _opened(self) -> Door:
        said = "Nobody has left a trust for it."
        for leave in await self._leaves(self._project_id, self._user_id):
            opener = functools.partial(open_door, self._entry, None, leave.auth)
            try:
                door: Door = await self.workshop.run(opener)
            except Denied as error:
                said = f"Of {leave.by}: {error.message}"
                await leave.refused()
                continue
            if door.project_id != self._project_id:
                said = f"What {leave.by} left is for another project."
                continue
            self._leave = leave
            return door
        raise Denied(
            f"Mantle may not work in the project {self._project_id}. {said}",
            remedy="Update the stack, logged in with a password: that leaves a new trust.",
        )

    async def _once(self, door: Door, request: Request) -> tuple[Reply, CloudError | None]:
        try:
            return await super()._once(door, request)
        except Denied as error:
            # The log-in was renewed, and refused: what was left is gone. The next call looks for
            # what else there is.
            self._door, leave = None, self._leave
            if leave is not None:
                await leave.refused()
            raise Unavailable(
                error.message, remedy="It is tried with what else is left."
            ) from error


def credential_auth(text: str) -> Mapping[str, str] | None:
    """An application credential as a secret holds it; None for anything else."""
    try:
        auth = json.loads(text)["auth"]
        return {
            "application_credential_id": str(auth["application_credential_id"]),
            "application_credential_secret": str(auth["application_credential_secret"]),
        }
    except (ValueError, KeyError, TypeError):
        return None
