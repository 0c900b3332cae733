"""OS::Heat::WaitCondition: waits until its handle has received enough signals.

A signal may come before the condition begins to wait (a server boots while the condition still
waits for another resource), so all signals of the handle count, whenever they came.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mantle.model.event import Signal
from mantle.model.ids import ResourceId
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.heat.wait_condition_handle import normal
from mantle.resources.kit import Context, Done, Failed, Outcome, ResourceType, Wait
from mantle.resources.schemas import integer, number, schema, string

LOOK_AGAIN_SECONDS = 5.0
"""A signal wakes the condition at once; this is only in case that was missed."""

SCHEMA = schema(
    "OS::Heat::WaitCondition",
    "Waits for signals to a handle.",
    {
        "handle": string("The handle, by get_resource.", required=True),
        "timeout": number("Longest wait in seconds.", required=True, low=1, high=43200),
        "count": integer("How many successes to wait for.", default=1, low=1, update=True),
    },
    {"data": (Kind.STRING, "JSON text: the data of each signal by its id.")},
    since="2014.2",
)


def received(signals: Sequence[Signal]) -> dict[str, dict[str, Any]]:
    """Signals by id: a later one with the same id takes its place, one without gets a number."""
    by_id: dict[str, dict[str, Any]] = {}
    for signal in signals:
        body = normal(signal.body)
        number_of_signal = len(by_id) + 1
        by_id[str(body.get("id") or number_of_signal)] = {
            "status": body.get("status") or "SUCCESS",
            "reason": body.get("reason") or f"Signal {number_of_signal} received",
            "data": body.get("data"),
        }
    return by_id


async def wait(ctx: Context) -> Outcome:
    """Any failure fails; enough successes end the wait; the deadline ends it too."""
    by_id = received(ctx.signals)
    count = ctx.properties["count"]
    failures = [each["reason"] for each in by_id.values() if each["status"] != "SUCCESS"]
    data = {"received": {name: each["data"] for name, each in by_id.items()}}
    name = ctx.ref.physical_id or ctx.name_hint
    if failures:
        return Failed(
            reason="; ".join(str(reason) for reason in failures),
            remedy="See what the sender of the signal says, then update the stack.",
            physical_id=name,
            data=data,
        )
    if len(by_id) >= count:
        return Done(physical_id=name, data=data, note=f"{len(by_id)} of {count} received")
    left = ctx.started_at + float(ctx.properties["timeout"]) - ctx.now
    if left <= 0:
        return Failed(
            reason=f"{len(by_id)} of {count} received",
            remedy="See why the others did not signal: a server's console log often tells.",
            physical_id=name,
            data=data,
        )
    return Wait(
        reason=f"{len(by_id)} of {count} received",
        again_after_seconds=min(left, LOOK_AGAIN_SECONDS),
        physical_id=name,
        data=data,
    )


def signals_from(properties: Mapping[str, Any]) -> ResourceId | None:
    """The handle's row: its id is what get_resource gives for a handle."""
    handle = properties.get("handle")
    return ResourceId(handle) if isinstance(handle, str) else None


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """The data of the signals that ended the wait."""
    return {"data": json.dumps(ctx.ref.data.get("received", {}))}


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA),
    create=wait,
    update=wait,
    attributes=attributes,
    signals_from=signals_from,
)
