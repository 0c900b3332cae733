"""The door to durability: whatever makes sure that an accepted operation is performed.

The rows are the truth; a runtime only has to call `perform` for every operation that has not ended,
at least once, also after a crash. `perform` may be called twice for one operation: inside one
process the second caller joins the first, between processes the epoch on the operation's row fences
the older one off.

`DbosRuntime` runs one DBOS workflow per operation. Its id carries the operation's epoch, so that an
operation whose workflow ended without it (an engine was told to stop in the middle) gets a new
workflow, while starting the same attempt twice is one. `TaskRuntime` is for simulations.

DBOS version 3.4.0 is pinned: `_recover_pending_workflows` is part of its MIT core but internal.
"""

import asyncio
import contextvars
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from mantle.model.ids import OperationId
from mantle.store.transactions import means_away

Perform = Callable[[OperationId, int | None], Awaitable[None]]
"""Takes the operation, and the attempt: the epoch that it is to be claimed from."""

_APPLICATION_VERSION = "1"
"""Constant: what is stored is rows, not a sequence of steps, so any version can go on."""

AGAIN_SECONDS = 2.0
"""Until DBOS is launched again, when its database was away."""

log = structlog.get_logger()


class Runtime(Protocol):
    """Starts operations and sees to it that they are performed."""

    async def open(self, perform: Perform, engine: str, earlier: Sequence[str]) -> None:
        """Begin; work of the `earlier` engines, which are gone, is taken over."""
        ...

    async def start(self, operation_id: OperationId, attempt: int) -> None:
        """Perform this operation soon. It is in the store already; repeating this is harmless."""
        ...

    async def let_go(self, operation_id: OperationId) -> None:
        """Stop performing it here, as if killed; whoever claims it next goes on from the rows."""
        ...

    async def recover(self, engines: Sequence[str]) -> None:
        """Other engines are gone: what watched over their operations watches here from now on."""
        ...

    async def close(self) -> None:
        """Stop where it stands; the next start goes on."""
        ...


class Joined:
    """Lets a second call for the same attempt at an operation join the first.

    Note: freed while it ends. An operation has written that it failed; before its task is over,
    somebody has it go on. That start has a newer attempt, so it does not join the task that is
    ending, which would lose it, but waits behind it.
    """

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._running: dict[OperationId, tuple[int, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, operation_id: OperationId, attempt: int | None = None) -> None:
        """Perform it, or wait for the one who does."""
        await asyncio.shield(self.task(operation_id, attempt))

    def task(self, operation_id: OperationId, attempt: int | None = None) -> "asyncio.Task[None]":
        """The task that performs it."""
        behind = None
        if operation_id in self._running:
            newest, behind = self._running[operation_id]
            if attempt is None or attempt <= newest:
                return behind
        task = asyncio.create_task(
            self._run(operation_id, attempt, behind), name=f"operation {operation_id}"
        )
        self._running[operation_id] = (attempt or 0, task)
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(operation_id, ended))
        return task

    async def _run(
        self, operation_id: OperationId, attempt: int | None, behind: "asyncio.Task[None] | None"
    ) -> None:
        if behind is not None:
            await asyncio.wait([behind])
        await self._perform(operation_id, attempt)

    def _ended(self, operation_id: OperationId, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if operation_id in self._running and self._running[operation_id][1] is task:
            del self._running[operation_id]

    async def let_go(self, operation_id: OperationId) -> None:
        """Cancel the task that performs it, if there is one here."""
        if operation_id in self._running:
            _, task = self._running[operation_id]
            task.cancel()
            await asyncio.wait([task])

    async def stop(self) -> None:
        """Cancel whatever runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class TaskRuntime:
    """Plain tasks of this process: for tests and simulations, which restart by themselves."""

    def __init__(self) -> None:
        self._joined: Joined | None = None

    async def open(self, perform: Perform, engine: str, earlier: Sequence[str]) -> None:  # noqa: ARG002 - the port's
        """Nothing to take over: whoever opens it starts what has not ended."""
        self._joined = Joined(perform)

    async def start(self, operation_id: OperationId, attempt: int) -> None:
        """As a task."""
        assert self._joined is not None
        self._joined.task(operation_id, attempt)

    async def let_go(self, operation_id: OperationId) -> None:
        """Cancel the task."""
        assert self._joined is not None
        await self._joined.let_go(operation_id)

    async def recover(self, engines: Sequence[str]) -> None:
        """Nothing watches over tasks."""

    async def close(self) -> None:
        """Cancel what runs."""
        if self._joined is not None:
            await self._joined.stop()


def prepare_workflows(where: Path | str) -> None:
    """Make DBOS's tables, or bring them to this release's: in a file, or on PostgreSQL."""
    from dbos import run_dbos_database_migrations  # noqa: PLC0415 - two seconds of import

    url = f"sqlite:///{where}" if isinstance(where, Path) else where
    run_dbos_database_migrations(system_database_url=url)


class DbosRuntime:
    """One DBOS workflow per operation. There can be one in a process."""

    def __init__(self, where: Path | str) -> None:
        """`where`: an SQLite file, or the URL of a PostgreSQL database."""
        self._where = where
        self._joined: Joined | None = None
        self._workflow: Callable[[str, int | None], Coroutine[Any, Any, None]] | None = None
        self._starts: set[asyncio.Task[Any]] = set()

    async def open(self, perform: Perform, engine: str, earlier: Sequence[str]) -> None:
        """Launch DBOS and give it back what the earlier engines left."""
        # Two seconds of import, which the command line never has to pay.
        from dbos import DBOS, DBOSConfig  # noqa: PLC0415

        if isinstance(self._where, Path):
            self._where.parent.mkdir(parents=True, exist_ok=True)
            with sqlite3.connect(self._where) as connection:
                # Persistent in the file, and three times DBOS's default throughput.
                connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
            url = f"sqlite:///{self._where}"
        else:
            url = self._where
        loop = asyncio.get_running_loop()
        self._joined = joined = Joined(perform)
        config: DBOSConfig = {
            "name": "mantle",
            "system_database_url": url,
            "executor_id": engine,
            "application_version": _APPLICATION_VERSION,
            "max_executor_threads": 32,
            "log_level": "ERROR",
            "use_listen_notify": False,
        }
        DBOS(config=config)

        @DBOS.workflow(name="mantle.operation", max_recovery_attempts=None)
        async def operation(operation_id: str, attempt: int | None = None) -> None:
            # Workflows of earlier releases were stored without the attempt.
            work = joined(OperationId(operation_id), attempt)
            if asyncio.get_running_loop() is loop:
                await work
            else:
                # Recovered work runs on DBOS's own loop; the engine lives on ours.
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

        self._workflow = operation
        while True:
            try:
                await asyncio.to_thread(DBOS.launch)
                break
            except Exception as error:
                if not means_away(error):
                    raise
                log.warning("the durable engine waits for its database", error=str(error))
            # What was half launched is of no use; what is registered stays.
            await asyncio.to_thread(DBOS.destroy)
            await asyncio.sleep(AGAIN_SECONDS)
            DBOS(config=config)
        if earlier:
            await self.recover(earlier)

    async def recover(self, engines: Sequence[str]) -> None:
        """Take their workflows over. An operation that is somebody else's already ends its own."""
        from dbos import DBOS  # noqa: PLC0415

        await asyncio.to_thread(DBOS._recover_pending_workflows, list(engines))  # noqa: SLF001 - see the module

    async def start(self, operation_id: OperationId, attempt: int) -> None:
        """Durably enter the workflow; the caller does not wait for it."""
        from dbos import DBOS, SetWorkflowID  # noqa: PLC0415

        assert self._workflow is not None
        workflow = self._workflow

        joined = self._joined
        assert joined is not None

        async def enter() -> None:
            with SetWorkflowID(f"{operation_id}:{attempt}"):
                await DBOS.start_workflow_async(workflow, str(operation_id), attempt)

        def entered(task: asyncio.Task[Any]) -> None:
            self._starts.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                # The operation's row is what must be honoured; DBOS only watches over it. Without
                # it the operation is performed all the same, and found at the next start if not.
                log.warning(
                    "entering the workflow failed", operation=operation_id, error=str(error)
                )
                joined.task(operation_id, attempt)

        # Entering takes milliseconds of database work; the operation's own row, written before,
        # is what guarantees it, so the request's answer need not wait.
        # In a context of its own: an operation that starts another (a rollback, a child) would
        # else be its parent to DBOS, which refuses the child of a parent that has ended meanwhile.
        context = contextvars.Context()
        task = asyncio.create_task(enter(), name=f"start {operation_id}", context=context)
        self._starts.add(task)
        task.add_done_callback(entered)

    async def let_go(self, operation_id: OperationId) -> None:
        """Cancel what performs it here; its workflow ends with that."""
        assert self._joined is not None
        await self._joined.let_go(operation_id)

    async def close(self) -> None:
        """Stop; what is unfinished stays so in the rows, and is found at the next start."""
        from dbos import DBOS  # noqa: PLC0415

        for task in list(self._starts):
            task.cancel()
        if self._joined is not None:
            await self._joined.stop()
        await asyncio.to_thread(DBOS.destroy)
