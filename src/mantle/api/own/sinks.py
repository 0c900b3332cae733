"""`/v2/stacks/{stack}/sinks`: where a stack's events are sent, and how far that has come."""

from datetime import UTC, datetime

import msgspec
from litestar import Controller, get
from litestar.params import FromPath

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.stacks.courier import SinkView, list_sinks
from mantle.stacks.queries import find_stack


class SinkItem(msgspec.Struct, kw_only=True):
    """One sink. `delivered` and `dropped` count events since it was first named."""

    target: str
    ttl_seconds: float
    delivered: int
    dropped: int
    waiting: int
    attempts: int
    """In vain, for the event that is next."""
    problem: str
    """Why the last attempt failed."""
    next_at: str | None
    """When it is tried again; null when nothing waits."""


class SinksAnswer(msgspec.Struct, kw_only=True):
    """The sinks of a stack, in the order of their targets."""

    sinks: list[SinkItem]


class SinksController(Controller):
    """Event sinks of a stack of the token's project; they are named in its environment."""

    path = "/stacks/{name_or_id:str}/sinks"
    tags = ["stacks"]

    @get("/", summary="List a stack's event sinks")
    async def index(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> SinksAnswer:
        """Those that left the environment too, until they have everything."""
        enforce(caller, "events:index")
        stack = await find_stack(control, caller.project_id, name_or_id, deleted=True)
        return SinksAnswer(sinks=[sink_shape(each) for each in await list_sinks(control, stack)])


def sink_shape(view: SinkView) -> SinkItem:
    """One sink as JSON."""
    sink = view.sink
    next_at = datetime.fromtimestamp(sink.next_at, UTC).isoformat() if view.waiting else None
    return SinkItem(
        target=sink.target,
        ttl_seconds=sink.ttl_seconds,
        delivered=sink.delivered,
        dropped=sink.dropped,
        waiting=view.waiting,
        attempts=sink.attempts,
        problem=sink.problem,
        next_at=next_at,
    )
