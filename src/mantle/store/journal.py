"""Group commits: what many steps write in the same moment goes to disk in one transaction.

A commit costs a disk flush whatever it holds, so the writes of all running operations are collected
and committed together, in the order they were made. That order is a promise: when a write is
durable, so is everything written before it. A step may therefore build on another's result before
that result is durable, as long as its own first cloud call waits for its own write.

Every operation's part of a commit is fenced: unless the operation is still this engine's (its epoch
is the one it was claimed with), the part is dropped and its writers learn it (`Fenced`). The answer
of the fence carries the operation's cancel flag, so asking costs no query of its own.

Note: frozen, then resumed. Engine A is stopped for a minute by its host; engine B claims A's
operation (epoch 2) and goes on. A wakes with writes of epoch 1 in its queue: the fence finds no row
with epoch 1, A's part is dropped and A's walk ends. A cloud call already on its way is harmless, as
B uses the same token.

Note: one bad entry. An operation writes what the database refuses, in the same moment as a hundred
others. The transaction is gone, and nothing of it is there; so the batch is committed again in the
same order, what one operation wrote in a row at a time. Only the guilty one learns the error, and
nothing that it wrote behind its bad entry is stored.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import Connection

from mantle.lib.measures import COMMIT_ENTRIES, COMMIT_SECONDS
from mantle.model.errors import Unavailable
from mantle.model.event import Event
from mantle.model.ids import OperationId
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Cancel
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Database
from mantle.store.incarnation import Superseded
from mantle.store.operations import Held


class Fenced(Exception):
    """This engine no longer holds the operation; stop without a trace."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """What is written together for one operation."""

    operation_id: OperationId
    epoch: int
    steps_done: int = 0
    resources: list[ResourceRecord] = field(default_factory=list)
    new_resources: list[ResourceRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    stack: StackRecord | None = None
    operation: OperationRecord | None = None
    also: Callable[[Connection], None] | None = None
    """Anything else to be done in the same transaction, after the fence."""


class Journal:
    """Collects entries and commits them in order. `written` is called after every commit."""

    def __init__(self, database: Database, written: Callable[[list[Entry]], None]) -> None:
        self._database = database
        self._written = written
        self._pending: list[_Written] = []
        self._flusher: asyncio.Task[None] | None = None
        self.commits = 0
        self.entries = 0

    def write(self, entry: Entry) -> "asyncio.Future[Cancel | None]":
        """Queue an entry; the future ends when it is durable, with the cancel flag or `Fenced`."""
        future: asyncio.Future[Cancel | None] = asyncio.get_running_loop().create_future()
        self._pending.append((entry, future))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush())
        return future

    async def _flush(self) -> None:
        while self._pending:
            # Let everything that is ready to write in this turn of the loop join the batch.
            await asyncio.sleep(0)
            batch, self._pending = self._pending, []
            error = await self._commit(batch)
            if error is None:
                continue
            if isinstance(error, Unavailable) or len({each.operation_id for each, _ in batch}) < 2:
                _fail(batch, error)
            else:
                await self._one_at_a_time(batch)

    async def _one_at_a_time(self, batch: "Sequence[_Written]") -> None:
        """Commit again what was refused together, in its order; an operation that fails is out."""
        failed: dict[OperationId, Exception] = {}
        for operation_id, run in groupby(batch, key=lambda each: each[0].operation_id):
            part = list(run)
            error = failed.get(operation_id) or await self._commit(part)
            if error is not None:
                failed[operation_id] = error
                _fail(part, error)

    async def _commit(self, batch: "Sequence[_Written]") -> Exception | None:
        """One transaction; the answer is why nothing of it is stored, with nobody told yet."""
        entries = [entry for entry, _ in batch]
        COMMIT_ENTRIES.observe(len(entries))
        try:
            with COMMIT_SECONDS.time():
                answers = await self._database.write_fenced(_commit, entries)
        except Superseded:
            # Another life of the database knows nothing of what is performed here.
            return Fenced()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who wrote it
            return error
        except BaseException as error:
            _fail(batch, error)
            raise
        self.commits += 1
        self.entries += len(entries)
        for (entry, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if answer is Held.BACK:
                _fail([(entry, future)], Fenced())
            else:
                future.set_result(answer)
        self._written(entries)
        return None


_Written = tuple[Entry, "asyncio.Future[Cancel | None]"]


def _fail(batch: Sequence[_Written], error: BaseException) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            # A walk that has ended already will not look at it.
            future.exception()


def _commit(connection: Connection, entries: list[Entry]) -> list[Cancel | Held | None]:
    """One transaction; answers each entry's cancel flag, or `Held.BACK` from the fence."""
    last: dict[OperationId, Entry] = {entry.operation_id: entry for entry in entries}
    flags = {
        operation_id: operation_rows.fence(connection, operation_id, entry.epoch, entry.steps_done)
        for operation_id, entry in last.items()
    }
    passed = [entry for entry in entries if flags[entry.operation_id] is not Held.BACK]
    new = [record for entry in passed for record in entry.new_resources]
    resource_rows.add(connection, new)
    # Later writes of one row win; rows are written whole.
    changed = {record.id: record for entry in passed for record in entry.resources}
    resource_rows.save(connection, changed.values())
    event_rows.add(connection, [event for entry in passed for event in entry.events])
    for entry in passed:
        if entry.stack is not None:
            stack_rows.save(connection, entry.stack)
        if entry.also is not None:
            entry.also(connection)
        if entry.operation is not None:
            operation_rows.save(connection, entry.operation)
    return [flags[entry.operation_id] for entry in entries]
