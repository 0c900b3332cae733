"""A control plane whose power can be cut: at every durable write and around every cloud call.

One `Plant` is a database and a simulated world that outlive every cut. Each `life` is a process:
it is built anew over the two, takes over what the last one left, and runs until its story ends or
the power goes. After a cut nothing more reaches the database or the cloud.
"""

import asyncio
import atexit
import gc
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from databases import empty_database_url

from mantle.access.caller import Caller
from mantle.clouds.simulated import Faults, SimulatedCloud, World
from mantle.engine.links import Links
from mantle.engine.recovery import Engine
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib import virtual_time
from mantle.lib.clock import LoopClock
from mantle.lib.sealing import Key, KeyRing
from mantle.model.ids import ProjectId, UserId
from mantle.model.records import ResourceRecord, StackRecord
from mantle.stacks.control import Control
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Database
from mantle.store.marks import Writer
from mantle.wiring import assemble

# A defect that a story provokes is told as the product tells it: not with every local value.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(),
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

CALLER = Caller(
    user_id=UserId("u1"),
    user_name="tester",
    project_id=ProjectId("p1"),
    project_name="tests",
    roles=frozenset({"member"}),
)


RING = KeyRing([Key(bytes(range(32)))])
"""Every story is told with its secrets sealed."""


class PowerCut(SystemExit):
    """The process is gone: asyncio lets a SystemExit end the loop on the spot."""


@dataclass
class Frozen:
    """Time between two lives."""

    at: float

    def now(self) -> float:
        return self.at


class CutDatabase(Database):
    """Counts the moments before and after every transaction."""

    last: "CutDatabase | None" = None

    def __init__(self, moment: Callable[[str], None]) -> None:
        # A story ends without a word; the connections of the one before are let go here.
        if CutDatabase.last is not None:
            CutDatabase.last.close()
        super().__init__(empty_database_url(), inline=True, keys=RING)
        self.moment = moment
        CutDatabase.last = self

    def begin(self):
        """Another process uses it: what the one before knew of its life and its writes is gone."""
        self._as_whom = Writer()

    def time(self, connection, here):
        """Virtual: a server's clock would not move with the story."""
        return here

    async def _write(self, engine, function, *args, **kwargs):
        name = getattr(function, "__name__", "write")
        self.moment(f"before {name}")
        answer = await super()._write(engine, function, *args, **kwargs)
        self.moment(f"after {name}")
        return answer


@dataclass
class Plant:
    """What outlives the process."""

    faults: Faults = field(default_factory=lambda: Faults(build_seconds=2.0, delete_seconds=1.0))
    cut_at: int | None = None
    cut_after: tuple[str, int] | None = None
    """A moment, and how many more there are between it and the cut."""
    moments: list[str] = field(default_factory=list)
    armed: bool = False
    dead: bool = False
    origin: float = 1_800_000_000.0
    furnish: Callable[[Control, Engine], None] = lambda _, __: None
    """What else a process is given before its engine opens."""

    def __post_init__(self) -> None:
        self.database = CutDatabase(self.moment)
        self.database.create_tables()
        self.world = World(Frozen(self.origin))
        self.faults.hook = lambda moment, call: self.moment(f"{moment} {call}")

    def moment(self, what: str) -> None:
        if self.dead:
            raise PowerCut
        if not self.armed:
            return
        self.moments.append(what)
        if self.cut_after is not None and what == self.cut_after[0]:
            self.cut_at, self.cut_after = len(self.moments) - 1 + self.cut_after[1], None
        if self.cut_at is not None and len(self.moments) > self.cut_at:
            self.dead = True
            raise PowerCut

    def life(self, story: Callable[[Control], Awaitable[None]]) -> bool:
        """One process; false when its power was cut."""
        self.dead = False
        self.database.begin()

        async def live() -> None:
            loop, begun = asyncio.get_running_loop(), self.origin
            clock = LoopClock(begun)
            self.world.clock = clock
            control, engine = assemble(
                database=self.database,
                clouds={
                    "simulated": SimulatedCloud(clock=clock, world=self.world, faults=self.faults)
                },
                default_cloud="simulated",
                runtime=TaskRuntime(),
                links=Links(base_url="http://127.0.0.1:1", key=b"test"),
                clock=clock,
                settings=Settings(poll_first_seconds=0.5),
            )
            self.furnish(control, engine)
            await engine.open()
            try:
                await story(control)
                await quiet(control)
            finally:
                # What a cut left behind is collected later, when its loop is long closed.
                if not loop.is_closed():
                    self.origin = begun + loop.time() + 1.0
            await engine.close()

        cut = False
        try:
            virtual_time.run(live())
        except PowerCut:
            cut = True
        finally:
            # Long enough for what the cloud was still deleting to be gone.
            self.origin += 60.0
            self.world.clock = Frozen(self.origin)
        if cut:
            bury()
        return not cut

    # --- what is there -----------------------------------------------------------------------

    def stack(self, name: str) -> StackRecord | None:
        with self.database.engine.connect() as connection:
            return stack_rows.live_by_name(connection, CALLER.project_id, name)

    def rows(self, stack: StackRecord) -> list[ResourceRecord]:
        with self.database.engine.connect() as connection:
            rows = resource_rows.of_stack(connection, stack.id)
            for child in stack_rows.children(connection, stack.id):
                rows += resource_rows.of_stack(connection, child.id)
            return rows

    def problems_without(self, tokens: set[str]) -> list[str]:
        """The same, with these objects rightly in no row."""
        mine = [item[1] for item in self.world.listing() if item[2] in tokens]
        found = self.problems(self.stack("s"))
        return [each for each in found if not any(one in each for one in mine)]

    def problems(self, stack: StackRecord | None) -> list[str]:
        """Orphans, doubles and losses: what must never be."""
        rows = self.rows(stack) if stack else []
        tokens = {row.token for row in rows}
        there = [item for item in self.world.listing() if not item[2].startswith("public-")]
        found = [
            f"orphan {kind} {identity}" for kind, identity, token in there if token not in tokens
        ]
        kinds = [(kind, token) for kind, _, token in there]
        found += [f"doubled {kind}" for kind, token in set(kinds) if kinds.count((kind, token)) > 1]
        ids = {identity for _, identity, _ in there}
        cloudy = ("OS::Nova", "OS::Neutron", "OS::Cinder", "OS::Octavia")
        found += [
            f"lost {row.name} {row.physical_id}"
            for row in rows
            if row.resolved_type.startswith(cloudy) and row.physical_id not in ids
        ]
        return found


def bury() -> None:
    """Throw away what a process that is gone was doing, here and not in the midst of a later test.

    Its coroutines end where they stand, some of them protesting: nobody is left to hear it.
    """
    hear, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hear


async def quiet(control: Control) -> None:
    """Wait until no operation is left."""
    while await control.database.read(operation_rows.live):
        await asyncio.sleep(1.0)


@atexit.register
def _let_go() -> None:
    if CutDatabase.last is not None:
        CutDatabase.last.close()
