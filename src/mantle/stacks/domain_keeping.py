"""What is left in the stack domain when its rows are gone is deleted there.

A row's user goes with the row. The project of a stack's users goes here, when the stack is gone;
and here whatever a crash, or a Keystone that was away, has left. Only names that this installation
has derived are touched: several may share a domain.
"""

import asyncio
from dataclasses import dataclass

import structlog

from mantle.clouds.ports import CloudError
from mantle.engine.accounts import Domain, DomainAccounts
from mantle.lib.looping import Loop
from mantle.model.ids import ResourceId, StackId
from mantle.model.keys import StackKeys
from mantle.model.status import Action
from mantle.stacks.control import Control
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

log = structlog.get_logger()

SOON_SECONDS = 2.0
ROUND = 300
"""Looks after which everything in the domain is compared with the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Names in the stack domain whose rows are gone."""

    users: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    living: tuple[str, ...] = ()
    """The projects that have a row."""


async def orphans(control: Control, domain: Domain) -> Orphans:
    """What there is in the domain, and no row for it."""
    keys = control.machine.links.keys
    users, projects = await domain.users(), await domain.projects()
    return await control.database.read(_orphans, keys, tuple(users), tuple(projects))


def _orphans(
    connection: Connection, keys: StackKeys, users: tuple[str, ...], projects: tuple[str, ...]
) -> Orphans:
    ours = {name: keys.resource_of_user(name) for name in users}
    roots = {name: keys.root_of_project(name) for name in projects}
    return Orphans(
        users=tuple(name for name, row in ours.items() if row and not _there(connection, row)),
        projects=tuple(
            name for name, root in roots.items() if root and not _lives(connection, root)
        ),
        living=tuple(name for name, root in roots.items() if root and _lives(connection, root)),
    )


def _there(connection: Connection, resource_id: ResourceId) -> bool:
    row = resource_rows.get(connection, resource_id)
    return row is not None and row.state != "DELETE_COMPLETE" and _lives(connection, row.stack_id)


def _lives(connection: Connection, stack_id: StackId) -> bool:
    stack = stack_rows.get(connection, stack_id)
    return stack is not None and stack.deleted_at is None


def _ends(
    connection: Connection, keys: StackKeys, names: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Of projects: those whose stack is gone, and those whose stack is being deleted."""
    gone, again = [], []
    for name in names:
        root = keys.root_of_project(name)
        stack = stack_rows.get(connection, root) if root else None
        if stack is None or stack.deleted_at is not None:
            gone.append(name)
        elif stack.action is Action.DELETE:
            again.append(name)
    return gone, again


class DomainKeeper(Loop):
    """The loop. Opened and closed with the engine; of several engines any may delete."""

    name = "stack-domain"

    def __init__(self, control: Control, accounts: DomainAccounts) -> None:
        self._control = control
        self._accounts = accounts
        self._domain = accounts.domain

    async def _run(self) -> None:
        rounds = 0
        while True:
            try:
                if rounds % ROUND == 0:
                    await self.turn()
                await self.end_projects()
            except CloudError as error:
                log.warning("the stack domain was not looked at", reason=error.message)
            except Exception:
                # The loop's one catch: a database that is away must not end it.
                log.exception("the stack domain was not looked at")
            rounds += 1
            await asyncio.sleep(SOON_SECONDS)

    async def turn(self) -> Orphans:
        """Delete what is left; the answer is what that was."""
        found = await orphans(self._control, self._domain)
        for name in found.users:
            await self._domain.remove_user(name)
        for name in found.projects:
            await self._domain.remove_project(name)
        # Some of the others may be of stacks whose deletion another process began.
        self._accounts.leaving.update(found.living)
        return found

    async def end_projects(self) -> None:
        """Delete the projects of stacks that have just been deleted."""
        leaving = self._accounts.leaving
        if not leaving:
            return
        keys = self._control.machine.links.keys
        names = tuple(leaving)
        gone, again = await self._control.database.read(_ends, keys, names)
        for name in gone:
            await self._domain.remove_project(name)
        leaving.difference_update(set(names) - set(again))
