"""OS::Heat::TestResource: waits, fails and is replaced on demand; for tests and demonstrations."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.schema import Kind, TypeFacts
from mantle.resources.heat.waiting import still_waiting
from mantle.resources.kit import Context, Done, Failed, Outcome, ResourceType, Wait
from mantle.resources.schemas import boolean, mapping, not_offered, number, schema, string

ACTIONS = ("create", "update", "delete", "suspend", "resume")

SCHEMA = schema(
    "OS::Heat::TestResource",
    "Stores a text, and waits, fails or is replaced as it is told.",
    {
        "value": string("The text.", default="test_string", update=True),
        "fail": boolean("Fail the create or update.", default=False, update=True),
        "update_replace": boolean(
            "Replace the resource when its value changes.", default=False, update=True
        ),
        "update_replace_value": string("A text; changing it replaces the resource."),
        "wait_secs": number(
            "Seconds to wait after an action; -1 waits for ever.", default=0, update=True
        ),
        "action_wait_secs": mapping(
            "Seconds to wait after single actions; wait_secs is for the others.",
            {each: number(f"Seconds to wait after a {each}.", update=True) for each in ACTIONS},
            update=True,
        ),
        "attr_wait_secs": number(
            "Seconds that reading the attributes takes.", default=0, update=True
        ),
        "constraint_prop_secs": number(
            "Seconds that checking this property takes.", default=0, update=True
        ),
        "client_name": string("A client to poll while waiting.", default="", update=True),
        "entity_name": string("What of that client to poll.", default="", update=True),
    },
    {"output": (Kind.ANY, "The text that was stored.")},
    since="5.0.0",
)

OUT_OF_REACH = {
    "constraint_prop_secs": "checking a template never waits here. Leave it at 0.",
    "client_name": "there are no clients of other services to poll. Leave it out.",
    "entity_name": "there are no clients of other services to poll. Leave it out.",
}


def replace_when(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """A changed value replaces it when update_replace says so."""
    if after.get("update_replace") is True and before.get("value") != after.get("value"):
        return "value changes and update_replace is true"
    return None


def _wait(ctx: Context, action: str) -> Wait | None:
    """The wait of one action; an update that leaves the value alone takes no time."""
    own = ctx.properties.get("action_wait_secs") or {}
    seconds = own.get(action)
    if seconds is None:
        seconds = 0 if action in {"suspend", "resume"} else ctx.properties.get("wait_secs") or 0
    return still_waiting(ctx, float(seconds))


async def create(ctx: Context) -> Outcome:
    """Store the value, wait, then fail if told to."""
    stored = {} if ctx.properties.get("fail") else {"value": ctx.properties.get("value")}
    data = {**ctx.ref.data, **stored}
    name = ctx.ref.physical_id or (ctx.name_hint if stored else None)
    waiting = _wait(ctx, "update" if ctx.before else "create")
    if waiting is not None:
        return replace(waiting, physical_id=name, data=data)
    if ctx.properties.get("fail"):
        return Failed(
            reason=f"Test Resource failed {ctx.ref.name}",
            remedy="Set its property fail to false, then update the stack.",
        )
    return Done(physical_id=name, data=data)


async def update(ctx: Context) -> Outcome:
    """As create; without a new value there is nothing to wait for or to fail at."""
    if ctx.before.get("value") == ctx.properties.get("value"):
        return Done(physical_id=ctx.ref.physical_id or ctx.name_hint)
    return await create(ctx)


async def delete(ctx: Context) -> Outcome:
    """Wait, then be gone."""
    return _wait(ctx, "delete") or Done()


async def suspend(ctx: Context) -> Outcome:
    """Wait as long as action_wait_secs says."""
    return _wait(ctx, "suspend") or Done()


async def resume(ctx: Context) -> Outcome:
    """Wait as long as action_wait_secs says."""
    return _wait(ctx, "resume") or Done()


async def check(ctx: Context) -> Outcome:
    """It was created."""
    if ctx.ref.physical_id is None:
        return Failed(reason="Resource not created", remedy="Update the stack.")
    return Done()


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """The stored value, after attr_wait_secs."""
    seconds = ctx.properties.get("attr_wait_secs") or 0
    if seconds:
        await asyncio.sleep(seconds)
    return {"output": ctx.ref.data.get("value")}


TYPE = ResourceType(
    facts=TypeFacts(
        schema=SCHEMA,
        check_properties=not_offered(OUT_OF_REACH, {"constraint_prop_secs": (0,)}),
        replace_when=replace_when,
    ),
    create=create,
    update=update,
    delete=delete,
    check=check,
    suspend=suspend,
    resume=resume,
    attributes=attributes,
)
