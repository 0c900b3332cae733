"""The processes of one run, over one database and one world that outlive all of them."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.clouds.simulated import Faults, SimulatedCloud, World
from mantle.engine.dispatch import QUEUE
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.model.ids import OperationId
from mantle.stacks.control import Control
from mantle.wiring import assemble
from simulation.chance import Dice
from simulation.doors import CloudDoor, JournalDoor
from simulation.ground import Ground
from simulation.loop import Process, SimulationLoop
from simulation.schedule import Schedule
from simulation.weather import Weather

ORIGIN = 1_800_000_000.0
"""Seconds since the epoch at which every run begins."""

PATIENCE_SECONDS = 20.0
"""How long an API waits for the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Which doors the processes get; other ones to see what breaks."""

    database: Callable[..., JournalDoor] = JournalDoor
    cloud: Callable[..., CloudDoor] = CloudDoor


@dataclass(slots=True)
class Skewed:
    """A process's clock: the loop's time, and how far it is off."""

    loop: SimulationLoop
    off_seconds: float = 0.0

    def now(self) -> float:
        return ORIGIN + self.off_seconds + self.loop.time()


@dataclass(slots=True)
class Counts:
    """What happened in a run."""

    crashes: Counter[str] = field(default_factory=Counter)
    """By where: before or after a write or a call of a cloud."""
    starts: int = 0
    commits: int = 0
    calls: int = 0


class Plant:
    """One run's processes. Implements `doors.Witness`."""

    def __init__(
        self, schedule: Schedule, weather: Weather, loop: SimulationLoop, doors: Doors
    ) -> None:
        self.schedule = schedule
        self.setting = schedule.setting
        self.weather = weather
        self.loop = loop
        self.doors = doors
        self.ground = Ground.get()
        self.registry = self.ground.registry
        clock = Skewed(loop)
        self.clock = clock
        self.database = self.ground.cleared(clock.now)
        self.faults = Faults(
            seed=schedule.seed,
            build_seconds=self.setting.build_seconds,
            delete_seconds=self.setting.delete_seconds,
            build_error=self.setting.build_error,
        )
        self.world = World(clock)
        self.settings = Settings(
            lease_seconds=self.setting.lease_seconds,
            poll_first_seconds=0.2,
            watch_seconds=0,
            drift_seconds=0,
        )
        self.counts = Counts()
        self.wrongs: list[str] = []
        self.lines: list[str] | None = None
        self._trace = hashlib.blake2b(digest_size=16)
        self._generation: Counter[str] = Counter()
        self.apis: dict[str, tuple[Process, Control]] = {}
        self.engines: dict[str, Process] = {}
        self._done: Counter[tuple[str, ...]] = Counter()
        self._listening: dict[str, Control] = {}
        self.closing = False
        self.over_at = 0.0
        """When everybody is back who was away."""

    # --- what the doors tell -----------------------------------------------------------------

    def now(self) -> float:
        """The database's time, in seconds since the epoch."""
        return self.clock.now()

    def tell(self, line: str) -> None:
        """One line of the trace."""
        text = f"{self.loop.time():.6f} {line}"
        self._trace.update(text.encode())
        self._trace.update(b"\n")
        if self.lines is not None:
            self.lines.append(text)

    def wrong(self, what: str) -> None:
        """A promise is broken."""
        self.tell(f"WRONG {what}")
        self.wrongs.append(what)

    def crashed(self, process: Process, seconds: float, where: str) -> None:
        """Count it, and start the process anew after a while."""
        self.counts.crashes[where] += 1
        slot = process.name.partition(".")[0]
        self._listening.pop(slot, None)
        self.apis.pop(slot, None)
        start = {"api": self.start_api, "eng": self.start_engine, "who": self.start_whole}[slot[:3]]
        self.loop.outside(lambda: self.loop.call_later(seconds, start, slot))

    def lasts(self, seconds: float) -> None:
        """A fault takes so long; the run does not end before."""
        self.over_at = max(self.over_at, self.loop.time() + seconds)

    def done(self, step: tuple[str, ...]) -> None:
        """A step's end is durable; that happens once."""
        self._done[step] += 1
        if self._done[step] > 1:
            self.wrong(f"a step was done {self._done[step]} times: {step}")

    def committed(self, name: str) -> None:
        """The database's word to those who listen."""
        self.counts.commits += 1
        if name == "call":
            for control in list(self._listening.values()):
                self.loop.call_later(self.weather.delay(), control.machine.nudges.nudge, QUEUE)

    @property
    def trace(self) -> str:
        """A digest of everything that happened."""
        return self._trace.hexdigest()

    # --- processes ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Start all there are."""
        if self.setting.alone:
            self.start_whole("whole0")
            return
        for number in range(self.setting.engines):
            self.start_engine(f"engine{number}")
        for number in range(self.setting.apis):
            self.start_api(f"api{number}")

    def start_engine(self, slot: str) -> None:
        """A process that performs operations."""
        if not self.closing:
            process = self._process(slot)
            self.engines[slot] = process
            process.start(self._engine(process, slot))

    def start_api(self, slot: str) -> None:
        """A process that accepts requests."""
        if not self.closing:
            process = self._process(slot)
            process.start(self._api(process, slot))

    def start_whole(self, slot: str) -> None:
        """A process that does both and shares its database with nobody, as `mantle up`."""
        if not self.closing:
            process = self._process(slot)
            process.start(self._whole(process, slot))

    def _process(self, slot: str) -> Process:
        self._generation[slot] += 1
        self.counts.starts += 1
        name = f"{slot}.{self._generation[slot]}"
        self.tell(f"{name} starts")
        return Process(name, self.loop)

    def _assembled(self, process: Process, slot: str, patience: float) -> tuple[Control, Any]:
        skew = self.setting.skew_seconds
        clock = replace(self.clock, off_seconds=Dice(self.schedule.seed, slot).between(-skew, skew))
        dice = Dice(self.schedule.seed, process.name)
        database = self.doors.database(process, self, self.ground, patience)
        cloud = SimulatedCloud(clock=self.clock, world=self.world, faults=self.faults)
        control, engine = assemble(
            database=database,
            clouds={"simulated": self.doors.cloud(process, self, cloud)},
            default_cloud="simulated",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1:1", key=b"simulated"),
            clock=clock,
            settings=self.settings,
            registry=self.registry,
            alone=self.setting.alone,
            ids=dice.uuid,
            chance=dice.bytes,
        )
        database.me = control.machine.id
        database.alone = self.setting.alone
        return control, engine

    async def _engine(self, process: Process, slot: str) -> None:
        control, engine = self._assembled(process, slot, float("inf"))
        self._listening[slot] = control
        await engine.open()

    async def _whole(self, process: Process, slot: str) -> None:
        control, engine = self._assembled(process, slot, float("inf"))
        await engine.open()
        self.apis[slot] = (process, control)

    async def _api(self, process: Process, slot: str) -> None:
        control, _ = self._assembled(process, slot, PATIENCE_SECONDS)
        await control.runtime.open(_nothing, control.machine.id, ())
        self.apis[slot] = (process, control)

    # --- the weather ends --------------------------------------------------------------------

    def clear_up(self) -> None:
        """From here on nothing strikes any more."""
        if not self.weather.fine:
            self.weather.fine = True
            self.tell("fine weather")

    def summary(self) -> dict[str, int]:
        """Faults by kind."""
        return dict(Counter(str(fault.kind) for fault in self.weather.struck))


async def _nothing(operation_id: OperationId, attempt: int | None) -> None:
    """An API performs nothing."""
