"""A process's ways to the database and to the cloud, where the weather strikes.

What PostgreSQL and the threads of `store.database` do in reality is played here by their promises.
A transaction happens at one moment, between its two boundaries, whole: that is SERIALIZABLE, and
which of two is first is decided by how long each took to arrive, which the seed decides. The writes
of one process go one behind the other, as through its one writer thread. A process that is cut off
waits and is told afterwards what became of its commit, as `store.transactions` finds out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Engine

from mantle.clouds.ports import CloudInfo, Unavailable
from mantle.clouds.simulated import SimulatedCloud
from mantle.model.errors import Unavailable as DatabaseAway
from mantle.model.ids import ProjectId
from mantle.model.schema import Limitation
from mantle.model.status import Status
from mantle.store.database import Connection, Database
from mantle.store.operations import Held
from simulation.ground import Ground
from simulation.loop import Process
from simulation.weather import Fault, Kind, Place, Side, Weather

P = ParamSpec("P")
T = TypeVar("T")

VERBS = frozenset(
    {"create", "find", "get", "list", "update", "delete", "power", "rebuild", "console", "restore"}
)
"""Of a collection, that go to the cloud."""


MEMBERSHIP = frozenset(
    {"register_engine", "stop_engine", "beat", "take_over", "give_back", "release", "_take", "call"}
)
"""Writes by which engines know of each other."""


class Witness(Protocol):
    """Hears what happens at the doors."""

    weather: Weather

    def now(self) -> float: ...
    def tell(self, line: str) -> None: ...
    def crashed(self, process: Process, seconds: float, where: str) -> None: ...
    def wrong(self, what: str) -> None: ...
    def committed(self, name: str) -> None: ...
    def lasts(self, seconds: float) -> None: ...
    def done(self, step: tuple[str, ...]) -> None: ...


class Door:
    """What both doors share: the crossing of a boundary."""

    def __init__(self, process: Process, witness: Witness) -> None:
        self.process = process
        self.witness = witness
        self.cut_off_until = 0.0

    async def cross(self, place: Place, side: Side, what: str) -> Fault | None:
        """Get to the other side; a fault that concerns the deed itself is the answer."""
        weather, loop = self.witness.weather, self.process.loop
        fault = weather.at(place, side)
        if fault is None:
            await asyncio.sleep(weather.delay())
            return None
        self.witness.tell(f"{self.process.name} {side} {what}: {fault.kind} {fault.seconds:g}")
        self.witness.lasts(fault.seconds)
        match fault.kind:
            case Kind.CRASH:
                self.process.kill()
                self.witness.crashed(self.process, fault.seconds, f"{side} {place}")
                await loop.create_future()
            case Kind.FREEZE:
                self.process.freeze(fault.seconds)
                await asyncio.sleep(0)
            case Kind.PARTITION:
                self.cut_off_until = loop.time() + fault.seconds
            case Kind.SLOW:
                await asyncio.sleep(fault.seconds)
            case _:
                await asyncio.sleep(weather.delay())
        return fault


class DatabaseDoor(Door, Database):
    """One process's way to the database that all share."""

    def __init__(
        self,
        process: Process,
        witness: Witness,
        ground: Ground,
        patience_seconds: float = float("inf"),
    ) -> None:
        # Not the database's own beginning: there is one database, and it is shared.
        Door.__init__(self, process, witness)
        self.ground = ground
        self.shared = ground.database
        self.url = self.shared.url
        self.patience_seconds = patience_seconds
        self._one = asyncio.Lock()

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """At one moment between the two boundaries."""
        await self._reach(Place.READ, Side.BEFORE, _name(function))
        answer = self.ground.look(function, *args, **kwargs)
        await self._reach(Place.READ, Side.AFTER, _name(function))
        return answer

    async def _write(
        self,
        engine: Engine,
        function: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        name = _name(function)
        async with self._one:
            place = Place.MEMBER if name in MEMBERSHIP else Place.WRITE
            fault = await self._reach(place, Side.BEFORE, name)
            if fault is not None and fault.kind is Kind.AGAIN:
                self._in_vain(engine, function, *args, **kwargs)
                await asyncio.sleep(self.witness.weather.delay())
            answer = await self.deed(engine, function, *args, **kwargs)
            self.witness.tell(f"{self.process.name} {name}")
            await self._reach(place, Side.AFTER, name)
            return answer

    async def deed(
        self, engine: Engine, function: Callable[..., T], *args: Any, **kwargs: Any
    ) -> T:
        """The transaction, and what must be true of every one."""
        answer = await self.transaction(engine, function, *args, **kwargs)
        self.witness.committed(_name(function))
        return answer

    async def transaction(
        self,
        engine: Engine,  # noqa: ARG002 - which guarantees it gives: here all are as strong
        function: Callable[..., T],
        *args: Any,
        **kwargs: Any,
    ) -> T:
        """The transaction itself."""
        return self.ground.transact(function, *args, **kwargs)

    def _in_vain(
        self, engine: Engine, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """All of it but the commit: another's got in between."""
        with engine.connect() as connection, connection.begin() as transaction:
            try:
                function(connection, *args, **kwargs)
            finally:
                transaction.rollback()

    async def _reach(self, place: Place, side: Side, what: str) -> Fault | None:
        fault = await self.cross(place, side, what)
        await self._until_it_answers()
        return fault

    async def _until_it_answers(self) -> None:
        loop = self.process.loop
        patient_until = loop.time() + self.patience_seconds
        while self.cut_off_until > loop.time():
            if loop.time() >= patient_until:
                raise DatabaseAway("The database does not answer (simulated).")
            await asyncio.sleep(min(self.cut_off_until, patient_until) - loop.time())

    def __getattr__(self, name: str) -> Any:
        """Whatever else a database has: engines, and the gates to its threads."""
        return getattr(self.shared, name)


class JournalDoor(DatabaseDoor):
    """The same, with an auditor who reads the operation's row himself behind every commit."""

    me = ""
    """The engine's id."""
    alone = False
    """It shares the database with nobody; what an earlier process held is its own."""

    async def deed(
        self, engine: Engine, function: Callable[..., T], *args: Any, **kwargs: Any
    ) -> T:
        """What passes the fence is the holder's; who is given up was silent."""
        match _name(function):
            case "_commit":
                return await self._audited(engine, function, *args)
            case "take_over":
                return await self._witnessed(engine, function, *args)
            case "claim":
                return await self._claimed(engine, function, *args)
            case _:
                return await super().deed(engine, function, *args, **kwargs)

    async def _claimed(self, engine: Engine, function: Callable[..., T], *args: Any) -> T:
        """Who claims has taken it, and it was not taken back since."""
        operation_id, _, _, attempt = args
        before = self._holders({operation_id})[operation_id]
        answer = await super().deed(engine, function, *args)
        if answer is not None and attempt is not None:
            holder, epoch = before
            if epoch != attempt or (holder != self.me and not self.alone):
                self.witness.wrong(
                    f"{self.process.name} claimed operation {operation_id} as of epoch {attempt}, "
                    f"which was {holder or 'nobody'}'s as of epoch {epoch}"
                )
        return answer

    async def _witnessed(self, engine: Engine, function: Callable[..., T], *args: Any) -> T:
        victim, _, lease_seconds = args
        (beat_at,) = self.ground.raw.execute(_BEAT, (victim,)).fetchone()
        answer = await super().deed(engine, function, *args)
        silent = self.witness.now() - beat_at
        if answer is not None and silent < lease_seconds:
            self.witness.wrong(
                f"{self.process.name} gave up {victim}, which was silent for {silent:.3f} s only"
            )
        return answer

    async def _audited(self, engine: Engine, function: Callable[..., T], *args: Any) -> T:
        entries = list(args[0])
        holders = self._holders({each.operation_id for each in entries})
        answer: Any = await super().deed(engine, function, *args)
        for entry, said in zip(entries, answer, strict=True):
            if said is Held.BACK:
                continue
            if holders.get(entry.operation_id) != (self.me, entry.epoch):
                self.witness.wrong(
                    f"{self.process.name} wrote for operation {entry.operation_id} as of epoch "
                    f"{entry.epoch}, which is held as {holders.get(entry.operation_id)}"
                )
            if any(event.status is Status.COMPLETE for event in entry.events) and entry.resources:
                row = entry.resources[0]
                self.witness.done((entry.operation_id, str(row.plan_id), row.id, str(row.action)))
        return answer  # type: ignore[no-any-return]

    def _holders(self, ids: set[str]) -> dict[str, tuple[str, int]]:
        """Asked of the driver: it is asked at every commit."""
        ask = self.ground.raw.execute
        return {each: ask(_HOLDER, (each,)).fetchone() for each in sorted(ids)}


_BEAT = "SELECT beat_at FROM engines WHERE id = ?"

_HOLDER = "SELECT engine, epoch FROM operations WHERE id = ?"


class CloudDoor(Door):
    """One process's way to the cloud. Implements `ports.Cloud`."""

    def __init__(self, process: Process, witness: Witness, cloud: SimulatedCloud) -> None:
        super().__init__(process, witness)
        self.cloud = cloud
        self.name = cloud.name

    @property
    def info(self) -> CloudInfo:
        """The cloud's."""
        return self.cloud.info

    @property
    def limitations(self) -> Sequence[Limitation]:
        """The cloud's."""
        return self.cloud.limitations

    def session(self, project_id: ProjectId) -> Any:
        """Of one project."""
        return _Session(self, self.cloud.session(project_id))

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def call(
        self, what: str, deed: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        """One call, with its two boundaries."""
        fault = await self.cross(Place.CLOUD, Side.BEFORE, what)
        if fault is not None and fault.kind is Kind.LOST_REQUEST:
            raise Unavailable(f"{what}: the request was lost (simulated).")
        self.witness.tell(f"{self.process.name} {what}")
        answer = await deed(*args, **kwargs)
        fault = await self.cross(Place.CLOUD, Side.AFTER, what)
        if fault is not None and fault.kind is Kind.LOST_REPLY:
            raise Unavailable(f"{what}: the reply was lost (simulated).")
        return answer


class _Session:
    def __init__(self, door: CloudDoor, session: Any) -> None:
        self._door = door
        self._session = session

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._session, name)
        return _Collection(self._door, found, name) if hasattr(found, "kind") else found


class _Collection:
    def __init__(self, door: CloudDoor, collection: Any, name: str) -> None:
        self._door = door
        self._collection = collection
        self._name = name

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self._collection, verb)
        if verb not in VERBS:
            return found
        what = f"{self._name}.{verb}"

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._door.call(what, found, *args, **kwargs)

        return call


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "a transaction")
