"""OS::Heat::Delay: waits a random while during the actions it is told to."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.schema import AllowedValues, TypeFacts
from mantle.resources.heat.waiting import still_waiting
from mantle.resources.kit import Context, Done, Outcome, ResourceType
from mantle.resources.schemas import listing, number, schema

ACTIONS = ("CREATE", "DELETE", "SUSPEND", "RESUME")

SCHEMA = schema(
    "OS::Heat::Delay",
    "Waits, for at least min_wait and at most max_jitter x jitter_multiplier seconds more.",
    {
        "min_wait": number("Shortest wait in seconds.", default=0, low=0, update=True),
        "max_jitter": number("Longest random addition, in units.", default=0, low=0, update=True),
        "jitter_multiplier": number(
            "Seconds in one unit of max_jitter.", default=1.0, low=0, update=True
        ),
        "actions": listing(
            "The actions that wait.",
            default=["CREATE"],
            constraints=(AllowedValues(allowed=ACTIONS),),
            update=True,
        ),
    },
    since="11.0.0",
)


def chosen_seconds(ctx: Context) -> float:
    """How long this phase waits. The choice is kept in the row's data, so it is made once."""
    kept: Mapping[str, Any] = ctx.ref.data
    if kept.get("phase") == ctx.started_at:
        return float(kept["seconds"])
    longest = float(ctx.properties["max_jitter"]) * float(ctx.properties["jitter_multiplier"])
    portion = int.from_bytes(ctx.random(7), "big") / 2**56
    return float(ctx.properties["min_wait"]) + longest * portion


async def wait(action: str, ctx: Context) -> Outcome:
    """One phase: done at once for an action that is not listed."""
    name = ctx.ref.physical_id or ctx.name_hint
    if action not in ctx.properties["actions"]:
        return Done(physical_id=name)
    seconds = chosen_seconds(ctx)
    waiting = still_waiting(ctx, seconds)
    if waiting is None:
        return Done(physical_id=name)
    data = {"phase": ctx.started_at, "seconds": seconds}
    return replace(waiting, physical_id=name, data=data, idle=True)


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA),
    create=functools.partial(wait, "CREATE"),
    delete=functools.partial(wait, "DELETE"),
    suspend=functools.partial(wait, "SUSPEND"),
    resume=functools.partial(wait, "RESUME"),
)
