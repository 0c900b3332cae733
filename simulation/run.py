"""One seed, from nothing to a verdict."""

import asyncio
import contextlib
import gc
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog

from simulation.clients import Client
from simulation.ground import Ground
from simulation.judge import Judge
from simulation.loop import Deadlock, SimulationLoop
from simulation.plant import Doors, Plant
from simulation.schedule import Request, Schedule, Verb, schedule_of
from simulation.shapes import Shape
from simulation.weather import Fault, Weather, told

T = TypeVar("T")

STORM_SECONDS = 400.0
"""Of virtual time; then the weather is fine, whatever has been struck by then."""

PATIENCE_SECONDS = 1100.0
"""Of virtual time, for the operations of one stack to end: a storm, and the longest wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run came to."""

    schedule: Schedule
    wrongs: tuple[str, ...]
    faults: tuple[Fault, ...]
    crashes: dict[str, int]
    struck: dict[str, int]
    boundaries: int
    commits: int
    operations: int
    virtual_seconds: float
    trace: str
    lines: tuple[str, ...] = field(default=(), repr=False)
    cpu_seconds: float = 0.0

    @property
    def points(self) -> int:
        """Crashes that took place."""
        return sum(self.crashes.values())


def simulate(
    schedule: Schedule | int,
    faults: Sequence[Fault] | None = None,
    *,
    doors: Doors | None = None,
    traced: bool = False,
) -> Report:
    """Run it. With `faults` just these strike, else what the seed says."""
    if isinstance(schedule, int):
        schedule = schedule_of(schedule)
    began = time.process_time()
    loop = SimulationLoop()
    GRAVE.append(loop)
    weather = Weather(
        schedule.seed,
        schedule.rates,
        schedule.setting.lease_seconds,
        told=None if faults is None else told(faults),
    )
    with _hushed() as defects:
        asyncio.set_event_loop(None)
        plant = Plant(schedule, weather, loop, doors or Doors())
        plant.lines = [] if traced else None
        operations = 0
        try:
            operations = loop.run_until_complete(_story(plant))
        except Deadlock as error:
            plant.wrong(f"{type(error).__name__.lower()}: {error}")
        for defect in defects:
            plant.wrong(defect)
    report = Report(
        schedule=schedule,
        wrongs=tuple(plant.wrongs),
        faults=tuple(weather.struck),
        crashes=dict(plant.counts.crashes),
        struck=plant.summary(),
        boundaries=weather.boundaries,
        commits=plant.counts.commits,
        operations=operations,
        virtual_seconds=loop.time(),
        trace=plant.trace,
        lines=tuple(plant.lines or ()),
        cpu_seconds=time.process_time() - began,
    )
    loop.set_exception_handler(lambda *_: None)
    return report


async def _story(plant: Plant) -> int:
    client, judge = Client(plant), Judge(plant)
    plant.begin()
    plant.loop.call_later(STORM_SECONDS, plant.clear_up)
    stacks: dict[str, list[Request]] = {}
    for request in plant.schedule.requests:
        stacks.setdefault(request.stack, []).append(request)
    await asyncio.gather(
        *(_stack_story(client, judge, name, each) for name, each in stacks.items())
    )
    await _quiet(plant, judge, None)
    plant.clear_up()
    # Whoever was away comes back and finds everything gone; it is then that he could do harm.
    await asyncio.sleep(max(0.0, plant.over_at - plant.loop.time()) + 3.0)
    await _quiet(plant, judge, None)
    waited = 0.0
    while judge.copies() and waited < 600.0:
        await asyncio.sleep(5.0)
        waited += 5.0
    await asyncio.sleep(plant.setting.delete_seconds + 1.0)
    judge.finish(client.accepted)
    plant.closing = True
    return judge.count()


async def _stack_story(client: Client, judge: Judge, name: str, requests: list[Request]) -> None:
    shape: Shape | None = None
    for request in requests:
        if request.settled:
            await _quiet(client.plant, judge, name)
            judge.look(name)
        if request.verb is Verb.DELETE and request.settled and shape is not None:
            await _mended(client, judge, name, shape)
        answer = await client.ask(request)
        if request.shape is not None and answer.accepted:
            shape = request.shape
        if request.shape is not None and request.shape.waits:
            client.plant.loop.create_task(client.signal(name))
    await _gone(client, judge, name)


async def _mended(client: Client, judge: Judge, name: str, shape: Shape) -> None:
    """Whatever has become of it, an update brings it to a whole."""
    stack = judge.find(name)
    if stack is None:
        return
    if stack.action == "SUSPEND":
        await client.ask(Request(stack=name, verb=Verb.RESUME))
        await _quiet(client.plant, judge, name)
    whole = replace(shape, broken=False, rolls_back=False)
    for _ in range(6):
        answer = await client.ask(Request(stack=name, verb=Verb.UPDATE, shape=whole))
        if whole.waits:
            client.plant.loop.create_task(client.signal(name))
        await _quiet(client.plant, judge, name)
        judge.look(name)
        stack = judge.find(name)
        if stack is None or stack.state == "UPDATE_COMPLETE":
            return
        if not client.plant.setting.build_error:
            break
    client.plant.wrong(f"{name} cannot be mended: {stack.state} {stack.reason} {answer}")


async def _gone(client: Client, judge: Judge, name: str) -> None:
    """A deletion that did not end well is asked for again."""
    for _ in range(4):
        await _quiet(client.plant, judge, name)
        judge.look(name)
        if judge.find(name) is None:
            return
        await client.ask(Request(stack=name, verb=Verb.DELETE))
    await _quiet(client.plant, judge, name)
    stack = judge.find(name)
    if stack is not None:
        client.plant.wrong(f"{name} cannot be deleted: {stack.state} {stack.reason}")


async def _quiet(plant: Plant, judge: Judge, name: str | None) -> None:
    """Until no operation is left, of this stack or at all."""
    end = plant.loop.time() + PATIENCE_SECONDS
    seen = -1
    while True:
        if seen != plant.counts.commits:
            seen = plant.counts.commits
            live = judge.busy(name)
            if live is None:
                return
        if plant.loop.time() > end:
            plant.wrong(f"{live} of {name} does not end")
            raise Deadlock(f"operation {live} does not end")
        await asyncio.sleep(0.5)


@contextlib.contextmanager
def _hushed() -> Iterator[list[str]]:
    """No log; what Mantle itself calls a defect is kept."""
    defects: list[str] = []

    def listen(_: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if level in {"error", "exception", "critical"}:
            error = sys.exc_info()[1]
            defects.append(f"{event.get('event')}: {type(error).__name__}: {error}")
        raise structlog.DropEvent

    kept = structlog.get_config()
    structlog.configure(processors=[listen])
    gc.disable()
    try:
        yield defects
    finally:
        structlog.configure(**kept)


GRAVE: list[Any] = []
"""Loops of runs that are over. What their processes were doing is not unwound: it is dropped with
the system process, which is why every few runs have one of their own (`apart`)."""


def apart(work: Callable[[], T]) -> T:
    """Do it in a forked process, which leaves nothing behind but the answer."""
    Ground.get()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(work(), pipe)
            code = 0
        except BaseException:  # noqa: BLE001 - the parent is told, and this process ends here
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told_by_child = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"a simulation's process ended with status {status}")
    answer: T = pickle.loads(told_by_child)
    return answer
