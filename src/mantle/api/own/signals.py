"""`/v2/stacks/{stack}/signals`: what resources were told from outside, and telling them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.stacks.queries import find_stack
from mantle.stacks.resources import received_signals, signal_resource


class SignalBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A signal to send; what may be in `body` depends on the resource's type."""

    resource: str
    body: dict[str, Any] = {}


class ReceivedSignal(msgspec.Struct, kw_only=True):
    """A signal as it came."""

    id: str
    body: dict[str, Any]
    received_at: str


class SignalsAnswer(msgspec.Struct, kw_only=True):
    """What one resource has received, the oldest first."""

    signals: list[ReceivedSignal]


class SignalsController(Controller):
    """Signals of a stack of the token's project; an inner stack is named by its id."""

    path = "/stacks/{name_or_id:str}/signals"
    tags = ["stacks"]

    @get("/", summary="List the signals a resource has received")
    async def index(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        resource: FromQuery[str],
    ) -> SignalsAnswer:
        """Their senders' data is for those who may send."""
        enforce(caller, "resources:signal")
        stack = await find_stack(control, caller.project_id, name_or_id)
        found = await received_signals(control, stack, resource)
        return SignalsAnswer(
            signals=[
                ReceivedSignal(
                    id=each.id,
                    body=dict(each.body),
                    received_at=datetime.fromtimestamp(each.at, UTC).isoformat(),
                )
                for each in found
            ]
        )

    @post("/", status_code=204, summary="Signal a resource")
    async def send(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[SignalBody],
    ) -> None:
        """Stored when this answers; what waits for it goes on."""
        enforce(caller, "resources:signal")
        stack = await find_stack(control, caller.project_id, name_or_id)
        await signal_resource(control, stack, data.resource, data.body)
