"""Doors that break one promise each: what the judge is worth is what it notices of them.

They stand where a defect of the product would act: a fence that is not asked, a commit that is
acknowledged before it is one, a token that is forgotten, a lease that nobody looks at. The product
itself is left as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, select, update

from mantle.model.ids import OperationId, Token
from mantle.model.status import OperationStatus
from mantle.store import leases
from mantle.store.database import Connection
from mantle.store.tables.stacks import engines, operations
from simulation.chance import Dice
from simulation.doors import CloudDoor, JournalDoor
from simulation.loop import process_here
from simulation.plant import Doors


class NoFence(JournalDoor):
    """Whoever writes passes: entries get the epoch that the operation has now."""

    async def transaction(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if function.__name__ != "_commit":
            return await super().transaction(engine, function, *args, **kwargs)

        def unfenced(connection: Connection, entries: list[Any]) -> Any:
            for entry in entries:
                known = select(operations.c.epoch).where(operations.c.id == entry.operation_id)
                entry.epoch = connection.scalar(known)
                connection.execute(
                    update(operations)
                    .where(operations.c.id == entry.operation_id)
                    .values(status=OperationStatus.RUNNING)
                )
            return function(connection, entries)

        unfenced.__name__ = "unfenced"
        return await super().transaction(engine, unfenced, *args, **kwargs)


class EarlyAnswer(JournalDoor):
    """The journal is told that its commit is durable some time before it is."""

    async def _write(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if function.__name__ != "_commit":
            return await super()._write(engine, function, *args, **kwargs)
        later = super()._write

        async def at_last() -> None:
            await asyncio.sleep(0.02)
            await later(engine, function, *args, **kwargs)

        process = process_here()
        assert process is not None
        process.start(at_last())
        return [None for _ in args[0]]


class AcceptsTooSoon(JournalDoor):
    """A request is answered before it is stored."""

    async def _write(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if function.__qualname__ != "accept.<locals>.store":
            return await super()._write(engine, function, *args, **kwargs)
        with engine.connect() as connection, connection.begin() as transaction:
            answer = function(connection, *args, **kwargs)
            transaction.rollback()
        later = super()._write

        async def at_last() -> None:
            await asyncio.sleep(0.02)
            await later(engine, function, *args, **kwargs)

        process = process_here()
        assert process is not None
        process.start(at_last())
        return answer


class NoLease(JournalDoor):
    """Whoever looks takes everybody else for dead."""

    async def transaction(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if function is leases.take_over:
            name, here, _ = args
            args = (name, here, -1.0)
        return await super().transaction(engine, function, *args, **kwargs)

    async def read(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if function is leases.expired:
            here, _ = args
            args = (here, -1.0)
            others: list[str] = await super().read(function, *args, **kwargs)
            return [each for each in others if each != self.me]
        return await super().read(function, *args, **kwargs)


class NoMember(JournalDoor):
    """An engine takes from the queue also when it has been given up."""

    async def transaction(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if function.__name__ != "_take":
            return await super().transaction(engine, function, *args, **kwargs)

        def take(connection: Connection) -> Any:
            mine = engines.c.id == self.me
            stopped = connection.scalar(select(engines.c.stopped_at).where(mine))
            connection.execute(update(engines).where(mine).values(stopped_at=None))
            answer = function(connection)
            connection.execute(update(engines).where(mine).values(stopped_at=stopped))
            return answer

        return await super().transaction(engine, take, *args, **kwargs)


class AnyAttempt(JournalDoor):
    """A claim that comes late claims all the same."""

    async def transaction(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if function.__name__ == "claim":
            operation_id, me, now, _ = args

            def claim(connection: Connection, operation_id: OperationId) -> Any:
                return function(connection, operation_id, me, now, None)

            return await super().transaction(engine, claim, operation_id)
        return await super().transaction(engine, function, *args, **kwargs)


class NoToken(CloudDoor):
    """The cloud is not told the token, and finds nothing by it."""

    async def call(
        self, what: str, deed: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        if what.endswith(".create"):
            spec, token = args
            fresh = Dice(self.witness.weather.boundaries, "forgotten").uuid()
            return await super().call(what, deed, spec, Token(f"{token[:4]}{fresh}"), **kwargs)
        return await super().call(what, deed, *args, **kwargs)


class SameEpoch(JournalDoor):
    """Neither a claim nor a take-over changes the epoch; one alone is made up for by the other."""

    async def transaction(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if function is leases.take_over:

            def take_over(connection: Connection, *all_of_it: Any) -> Any:
                back = function(connection, *all_of_it)
                connection.execute(
                    update(operations)
                    .where(operations.c.id.in_(back or ()))
                    .values(epoch=operations.c.epoch - 1)
                )
                return back

            return await super().transaction(engine, take_over, *args, **kwargs)
        if function.__name__ != "claim":
            return await super().transaction(engine, function, *args, **kwargs)

        def claim(connection: Connection, operation_id: OperationId, *more: Any) -> Any:
            record = function(connection, operation_id, *more)
            if record is None:
                return None
            connection.execute(
                update(operations)
                .where(operations.c.id == operation_id)
                .values(epoch=record.epoch - 1)
            )
            return replace(record, epoch=record.epoch - 1)

        return await super().transaction(engine, claim, *args, **kwargs)


WEAKNESSES: Mapping[str, Doors] = {
    "the fence is not asked": Doors(database=NoFence),
    "a write is acknowledged before it is durable": Doors(database=EarlyAnswer),
    "a request is accepted before it is durable": Doors(database=AcceptsTooSoon),
    "the lease is not looked at": Doors(database=NoLease),
    "who was given up goes on taking": Doors(database=NoMember),
    "a late claim claims": Doors(database=AnyAttempt),
    "nothing changes the epoch": Doors(database=SameEpoch),
    "the token is forgotten": Doors(cloud=NoToken),
}
"""What each breaks, and the doors that break it."""
