"""Asks for what the schedule says, as people do: again, when no answer comes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mantle.access.caller import Caller
from mantle.model.errors import MantleError, NotFound, Unavailable
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, UserId
from mantle.model.interventions import Verb as Intervention
from mantle.model.records import StackRecord
from mantle.model.status import Action, Cancel, Status
from mantle.stacks.actions import cancel_stack, check_stack, resume_stack, suspend_stack
from mantle.stacks.applying import ApplyRequest, apply_plan
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.interventions import Ask, intervene
from mantle.stacks.queries import find_stack, list_operations
from mantle.stacks.resources import signal_resource
from mantle.stacks.saving import SaveRequest, save_plan
from mantle.stacks.snapshots import list_snapshots, restore_snapshot, take_snapshot
from mantle.stacks.update import UpdateRequest, update_stack
from simulation.chance import Dice
from simulation.plant import Plant
from simulation.schedule import Request, Verb
from simulation.shapes import Shape

PROJECT = ProjectId("p1")

TRIES = 60
"""How often a request without an answer is sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; neither accepted nor refused is no answer at all."""

    accepted: bool = False
    refused: str = ""


@dataclass(slots=True)
class Client:
    """Everybody who asks for something in one run."""

    plant: Plant
    accepted: dict[str, str] = field(default_factory=dict)
    """Request id to what it was, of every request that was answered well."""
    signalled: set[str] = field(default_factory=set)
    """Stacks whose handle has taken a signal."""
    _sent: int = 0

    def caller(self, request_id: str) -> Caller:
        """Somebody of the project."""
        return Caller(
            user_id=UserId("u1"),
            user_name="tester",
            project_id=PROJECT,
            project_name="tests",
            roles=frozenset({"member"}),
            request_id=request_id,
        )

    async def ask(self, request: Request) -> Answer:
        """Until there is an answer."""
        if request.pause_seconds:
            await asyncio.sleep(request.pause_seconds)
        if request.twice:
            first, second = await asyncio.gather(self._until(request), self._until(request))
            return first if first.accepted else second
        return await self._until(request)

    async def _until(self, request: Request) -> Answer:
        for _ in range(TRIES):
            answer = await self._once(request)
            if answer.accepted or answer.refused:
                return answer
            await asyncio.sleep(0.5)
        self.plant.wrong(f"{request.verb} of {request.stack} was never answered")
        return Answer(refused="never answered")

    async def _once(self, request: Request) -> Answer:
        """One delivery to one API; no answer when that died or the database was away."""
        self._sent += 1
        request_id = f"req-{self._sent:04d}"
        caller = self.caller(request_id)
        return await self.through(
            lambda control: _DEEDS[request.verb](control, caller, request),
            request_id,
            f"{request.verb} {request.stack}",
        )

    async def through(
        self, deed: Callable[[Control], Awaitable[object]], request_id: str, what: str
    ) -> Answer:
        """Have one of the APIs do it."""
        plant = self.plant
        while not plant.apis:  # noqa: ASYNC110 - a person, who is told nothing and tries again
            await asyncio.sleep(0.1)
        slots = sorted(plant.apis)
        slot = Dice(plant.schedule.seed, request_id).choice(slots)
        process, control = plant.apis[slot]
        plant.tell(f"{request_id} {what} to {process.name}")
        reply = process.loop.create_future()

        async def work() -> None:
            try:
                await deed(control)
            except Unavailable:
                reply.set_result(Answer())
            except MantleError as error:
                reply.set_result(Answer(refused=f"{type(error).__name__}: {error}"))
            except Exception as error:  # noqa: BLE001 - what a person would see as a traceback
                plant.wrong(f"{what} escaped: {type(error).__name__}: {error}")
                reply.set_result(Answer(refused="escaped"))
            else:
                reply.set_result(Answer(accepted=True))

        process.start(work())
        gone = asyncio.ensure_future(process.ended.wait())
        await asyncio.wait([reply, gone], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        answer: Answer = reply.result() if reply.done() else Answer()
        plant.tell(f"{request_id} {answer}")
        if answer.accepted:
            self.accepted[request_id] = what
        return answer

    async def signal(self, stack: str) -> None:
        """A server's word to the stack's handle, again until it is taken; in nobody's way."""
        for _ in range(TRIES):
            answer = await self.through(lambda control: _signal(control, stack), "signal", stack)
            if answer.accepted:
                self.signalled.add(stack)
                return
            await asyncio.sleep(1.0)


async def _signal(control: Control, name: str) -> None:
    stack = await find_stack(control, PROJECT, name)
    await signal_resource(control, stack, "handle", {"status": "SUCCESS", "id": "1"})


def _source(shape: Shape) -> TemplateSource:
    return TemplateSource(template=shape.template(), files=dict(shape.files()))


def _update(request: Request) -> UpdateRequest:
    assert request.shape is not None
    return UpdateRequest(
        template=request.shape.template(),
        files=dict(request.shape.files()),
        disable_rollback=not request.shape.rolls_back,
    )


async def _create(control: Control, caller: Caller, request: Request) -> None:
    shape = request.shape
    assert shape is not None
    wanted = CreateRequest(
        name=request.stack, source=_source(shape), disable_rollback=not shape.rolls_back
    )
    await create_stack(control, caller, wanted)


async def _update_it(control: Control, caller: Caller, request: Request) -> None:
    await update_stack(control, caller, await _found(control, request), _update(request))


async def _plan_it(control: Control, caller: Caller, request: Request) -> None:
    stack = await _found(control, request)
    wanted = SaveRequest(action=Action.UPDATE, stack=stack, update=_update(request))
    saved = await save_plan(control, caller, wanted)
    await apply_plan(control, caller, saved.id, ApplyRequest(request_id=caller.request_id))


async def _delete(control: Control, caller: Caller, request: Request) -> None:
    try:
        stack = await _found(control, request)
    except NotFound:
        return
    await delete_stack(control, caller, stack)


async def _suspend(control: Control, caller: Caller, request: Request) -> None:
    await suspend_stack(control, caller, await _found(control, request))


async def _resume(control: Control, caller: Caller, request: Request) -> None:
    await resume_stack(control, caller, await _found(control, request))


async def _check(control: Control, caller: Caller, request: Request) -> None:
    await check_stack(control, caller, await _found(control, request))


async def _snapshot(control: Control, caller: Caller, request: Request) -> None:
    await take_snapshot(control, caller, await _found(control, request), None)


async def _restore(control: Control, caller: Caller, request: Request) -> None:
    stack = await _found(control, request)
    kept = [each for each in await list_snapshots(control, stack) if each.status is Status.COMPLETE]
    if not kept:
        raise NotFound("There is no snapshot.")
    await restore_snapshot(control, caller, stack, kept[0].id)


async def _cancel(control: Control, caller: Caller, request: Request) -> None:
    await cancel_stack(control, caller, await _found(control, request), Cancel.STOP)


async def _back(control: Control, caller: Caller, request: Request) -> None:
    await cancel_stack(control, caller, await _found(control, request), Cancel.ROLLBACK)


async def _retry(control: Control, caller: Caller, request: Request) -> None:
    operations = await list_operations(control, await _found(control, request))
    await intervene(control, caller, operations[0], Ask(verb=Intervention.RETRY))


async def _found(control: Control, request: Request) -> StackRecord:
    return await find_stack(control, PROJECT, request.stack)


_DEEDS: dict[Verb, Callable[[Control, Caller, Request], Awaitable[None]]] = {
    Verb.CREATE: _create,
    Verb.UPDATE: _update_it,
    Verb.PLAN: _plan_it,
    Verb.DELETE: _delete,
    Verb.SUSPEND: _suspend,
    Verb.RESUME: _resume,
    Verb.CHECK: _check,
    Verb.SNAPSHOT: _snapshot,
    Verb.RESTORE: _restore,
    Verb.CANCEL: _cancel,
    Verb.BACK: _back,
    Verb.RETRY: _retry,
}
