"""`/v2/sweeps`: one verb over many servers; planned first, then applied and followed."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody
from litestar.response import ServerSentEvent, ServerSentEventMessage

from mantle.access.caller import Caller
from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import when
from mantle.fleet.sweeps import (
    PARALLEL,
    SweepView,
    SweepWish,
    apply_sweep,
    cancel_sweep,
    find_sweep,
    follow_sweep,
    list_sweeps,
    plan_sweep,
    show_sweep,
)
from mantle.model.sweeps import Selector, Sweep, SweepVerb, Target
from mantle.stacks.control import Control

DEEDS = {
    SweepVerb.RESIZE: "sweeps:resize",
    SweepVerb.MIGRATE: "sweeps:migrate",
    SweepVerb.LIVE_MIGRATE: "sweeps:migrate",
}
"""What a verb needs; all others are about power."""

MOST_NAMES = 5_000


class SelectorBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which servers. Everything given must fit; an empty selector is refused."""

    names: Annotated[list[str], msgspec.Meta(max_length=MOST_NAMES)] = []
    """Names, ids, or patterns."""
    tags: list[str] = []
    """A server must have them all."""
    metadata: dict[str, str] = {}
    hosts: list[str] = []
    statuses: list[str] = []
    stacks: list[str] = []
    clouds: list[str] = []
    regions: list[str] = []


class SweepBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to do to which servers."""

    verb: SweepVerb
    selector: SelectorBody
    flavor: str = ""
    """Of a resize."""
    host: str = ""
    """Of a migration: where to; empty leaves it to the cloud."""
    parallel: int = PARALLEL
    at_most: int | None = None
    """More servers are refused."""
    failures_allowed: int | None = None
    """One more, and no further server is begun; null: a tenth of them, one at least."""


class SweepItem(msgspec.Struct, kw_only=True):
    """A sweep: `done`, `failed` and `skipped` count servers."""

    id: str
    verb: str
    flavor: str
    host: str
    selector: SelectorBody
    parallel: int
    failures_allowed: int
    status: str
    reason: str
    total: int
    done: int
    failed: int
    skipped: int
    by: str
    created_at: str | None
    expires_at: str | None
    started_at: str | None
    ended_at: str | None


class TargetItem(msgspec.Struct, kw_only=True):
    """One server of a sweep; status, flavor and host as they were when it was planned."""

    cloud: str
    id: str
    name: str
    stack: str
    status: str
    flavor: str
    host: str
    state: str
    """`pending`, `acting`, `done`, `unchanged`, `failed`, or `skipped`."""
    reason: str
    attempts: int
    started_at: str | None
    ended_at: str | None


class SweepAnswer(msgspec.Struct, kw_only=True):
    """A sweep with its servers, in the order in which they are begun."""

    sweep: SweepItem
    servers: list[TargetItem]


class SweepsAnswer(msgspec.Struct, kw_only=True):
    """Sweeps of the project, the newest first."""

    sweeps: list[SweepItem]


class SweepsController(Controller):
    """Sweeps of the token's project."""

    path = "/sweeps"
    tags = ["servers"]

    @post("/", status_code=201, summary="Plan a sweep")
    async def plan(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[SweepBody]
    ) -> SweepAnswer:
        """Finds the servers and stores what would be done. Nothing is done until it is applied."""
        enforce(caller, _deed(data.verb))
        selector = Selector(
            names=tuple(data.selector.names),
            tags=tuple(data.selector.tags),
            metadata=data.selector.metadata,
            hosts=tuple(data.selector.hosts),
            statuses=tuple(data.selector.statuses),
            stacks=tuple(data.selector.stacks),
            clouds=tuple(data.selector.clouds),
            regions=tuple(data.selector.regions),
        )
        wish = SweepWish(
            verb=data.verb,
            selector=selector,
            flavor=data.flavor,
            host=data.host,
            parallel=data.parallel,
            at_most=data.at_most,
            failures_allowed=data.failures_allowed,
        )
        return _answer(await plan_sweep(control.machine, caller, wish))

    @get("/", summary="List sweeps")
    async def index(self, control: GivenControl, caller: GivenCaller) -> SweepsAnswer:
        """The newest first."""
        enforce(caller, "sweeps:index")
        found = await list_sweeps(control.machine, caller.project_id)
        return SweepsAnswer(sweeps=[sweep_shape(each) for each in found])

    @get("/{sweep_id:str}", summary="Show a sweep")
    async def show(
        self, control: GivenControl, caller: GivenCaller, sweep_id: FromPath[str]
    ) -> SweepAnswer:
        """With the outcome of each server."""
        enforce(caller, "sweeps:show")
        return _answer(await show_sweep(control.machine, caller.project_id, sweep_id))

    @post("/{sweep_id:str}/apply", status_code=202, summary="Carry a sweep out")
    async def apply(
        self, control: GivenControl, caller: GivenCaller, sweep_id: FromPath[str]
    ) -> SweepAnswer:
        """Durable from now on. Servers that moved since they were planned are left alone."""
        await _may(control, caller, sweep_id)
        await apply_sweep(control.machine, caller, sweep_id)
        return _answer(await show_sweep(control.machine, caller.project_id, sweep_id))

    @post("/{sweep_id:str}/cancel", status_code=202, summary="Stop a sweep")
    async def cancel(
        self, control: GivenControl, caller: GivenCaller, sweep_id: FromPath[str]
    ) -> SweepAnswer:
        """No further server is begun; those under way come to their end."""
        enforce(caller, "sweeps:cancel")
        await cancel_sweep(control.machine, caller.project_id, sweep_id)
        return _answer(await show_sweep(control.machine, caller.project_id, sweep_id))

    @get("/{sweep_id:str}/stream", summary="Follow a sweep")
    async def stream(
        self,
        control: GivenControl,
        caller: GivenCaller,
        sweep_id: FromPath[str],
        after: FromQuery[int] = 0,
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> ServerSentEvent:
        """Server-sent: `progress` holds the sweep and what changed of its servers; then `end`."""
        enforce(caller, "sweeps:show")
        await find_sweep(control.machine, caller.project_id, sweep_id)
        if last_event_id is not None and last_event_id.isdigit():
            after = max(after, int(last_event_id))
        return ServerSentEvent(_messages(control, caller, sweep_id, max(0, after)))


async def _may(control: Control, caller: Caller, sweep_id: str) -> None:
    """A reader learns nothing of a sweep by trying; a migration is the operator's to apply, too."""
    enforce(caller, "sweeps:power")
    sweep = await find_sweep(control.machine, caller.project_id, sweep_id)
    enforce(caller, _deed(sweep.verb))


def _deed(verb: SweepVerb) -> str:
    return DEEDS.get(verb, "sweeps:power")


async def _messages(
    control: Control, caller: Caller, sweep_id: str, after: int
) -> AsyncIterator[ServerSentEventMessage]:
    async for view in follow_sweep(control.machine, caller.project_id, sweep_id, after):
        after = max([after, *(target.changed for target in view.targets)])
        data = msgspec.json.encode(_answer(view)).decode()
        kind = "end" if view.sweep.status.ended else "progress"
        yield ServerSentEventMessage(event=kind, id=after, data=data)


def _answer(view: SweepView) -> SweepAnswer:
    return SweepAnswer(
        sweep=sweep_shape(view.sweep), servers=[target_shape(each) for each in view.targets]
    )


def sweep_shape(sweep: Sweep) -> SweepItem:
    """A sweep as JSON."""
    chosen = sweep.selector
    return SweepItem(
        id=sweep.id,
        verb=sweep.verb.value,
        flavor=sweep.flavor,
        host=sweep.host,
        selector=SelectorBody(
            names=list(chosen.names),
            tags=list(chosen.tags),
            metadata=dict(chosen.metadata),
            hosts=list(chosen.hosts),
            statuses=list(chosen.statuses),
            stacks=list(chosen.stacks),
            clouds=list(chosen.clouds),
            regions=list(chosen.regions),
        ),
        parallel=sweep.parallel,
        failures_allowed=sweep.failures_allowed,
        status=sweep.status.value,
        reason=sweep.reason,
        total=sweep.total,
        done=sweep.done,
        failed=sweep.failed,
        skipped=sweep.skipped,
        by=sweep.user_name,
        created_at=when(sweep.created_at),
        expires_at=when(sweep.expires_at),
        started_at=when(sweep.started_at),
        ended_at=when(sweep.ended_at),
    )


def target_shape(target: Target) -> TargetItem:
    """One of its servers as JSON."""
    return TargetItem(
        cloud=target.cloud,
        id=target.server_id,
        name=target.name,
        stack=target.stack,
        status=target.status,
        flavor=target.flavor,
        host=target.host,
        state=target.state.value,
        reason=target.reason,
        attempts=target.attempts,
        started_at=when(target.started_at),
        ended_at=when(target.ended_at),
    )
