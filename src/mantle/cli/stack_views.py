"""`mantle stack`: commands that look. None of them changes anything."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common

if TYPE_CHECKING:
    from mantle.cli.client import Client


def add_views(app: App) -> None:
    """Put the looking verbs into the noun."""
    app.command(list_stacks, name="list")
    for verb in (show, events, resources, outputs, sinks):
        app.command(verb)


def list_stacks(
    *,
    deleted: Annotated[bool, Parameter(negative="")] = False,
    hidden: Annotated[bool, Parameter(negative="")] = False,
    common: Common = NOTHING,
) -> Exit:
    """List the project's stacks.

    Try:

        mantle stack list
        mantle stack list --json | jq -r '.stacks[].name'

    Args:
        deleted: Also those that were deleted.
        hidden: Also those whose tags the operator hides.
    """
    screen = common.screen
    with common.client() as client:
        wanted = {"show_deleted": deleted, "show_hidden": hidden}
        query: dict[str, Any] = {name: "true" for name, value in wanted.items() if value}
        answer = client.get("stacks", **query)
    if screen.json:
        screen.answer(answer)
    else:
        rows = (
            (stack["name"], stack["status"], _when(stack.get("created_at")), stack["id"])
            for stack in answer["stacks"]
        )
        screen.table(("name", "status", "created", "id"), rows)
    return Exit.OK


def show(name: str, /, *, common: Common = NOTHING) -> Exit:
    """Show one stack: its state and why, its settings and outputs.

    Try:

        mantle stack show web
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("stacks", name)
    stack = answer["stack"]
    shown = ("name", "id", "status", "reason", "description", "cloud", "tags", "parent_id")
    times = ("created_at", "updated_at", "deleted_at")
    facts = {key: stack[key] for key in shown if stack.get(key)}
    facts |= {key.removesuffix("_at"): _when(stack[key]) for key in times if stack.get(key)}
    for output in stack.get("outputs") or ():
        facts[f"output {output['name']}"] = _output(output)
    if screen.json:
        screen.answer(answer)
    else:
        screen.facts(facts)
    return Exit.OK


def events(
    name: str,
    /,
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    limit: int = 1000,
    depth: int = 5,
    common: Common = NOTHING,
) -> Exit:
    """What happened to a stack, oldest first.

    Try:

        mantle stack events web
        mantle stack events web --follow

    Args:
        name: Name or id.
        follow: Go on until the operation under way ends. With --json: one document a line.
        limit: At most this many past events.
        depth: How many levels of nested stacks to open.
    """
    screen = common.screen
    with common.client() as client:
        if follow:
            return _follow(common, client, name)
        answer = client.get("stacks", name, "events", limit=limit, nested_depth=depth)
    if screen.json:
        screen.answer(answer)
    else:
        heading = ("time", "stack", "resource", "state", "reason")
        screen.table(heading, (_event_row(event) for event in answer["events"]))
    return Exit.OK


def _follow(common: Common, client: "Client", name: str) -> Exit:
    for message in client.stream("stacks", name, "events", "stream", after=0, nested_depth=5):
        if message.event == "end":
            break
        if message.event != "event":
            continue
        if common.json:
            print(message.data, flush=True)  # noqa: T201 - one document a line
        else:
            common.screen.say("  ".join(map(str, _event_row(json.loads(message.data)))))
    return Exit.OK


def _event_row(event: dict[str, Any]) -> tuple[Any, ...]:
    from mantle.cli.tree import state_of  # noqa: PLC0415

    reason = event.get("reason") or ""
    return (_when(event["at"]), event["stack_name"], event["resource"], state_of(event), reason)


def resources(name: str, /, *, depth: int = 5, common: Common = NOTHING) -> Exit:
    """List a stack's resources, those of nested stacks too.

    Try:

        mantle stack resources web --depth 0

    Args:
        name: Name or id.
        depth: How many levels of nested stacks to open.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("stacks", name, "resources", nested_depth=depth)
    if screen.json:
        screen.answer(answer)
    else:
        heading = ("stack", "resource", "type", "status", "physical id")
        screen.table(
            heading,
            (
                (
                    row.get("stack_name"),
                    row["name"],
                    row["type"],
                    row["status"],
                    row.get("physical_id"),
                )
                for row in answer["resources"]
            ),
        )
    return Exit.OK


def outputs(name: str, output: str | None = None, /, *, common: Common = NOTHING) -> Exit:
    """A stack's outputs; with a name, the bare value of one, for scripts.

    While an operation is under way an output has its value as soon as what it needs is there.

    Try:

        mantle stack outputs web
        curl "$(mantle stack outputs web url)"

    Args:
        name: Name or id of the stack.
        output: One output.
    """
    screen = common.screen
    with common.client() as client:
        found = client.get("stacks", name)["stack"].get("outputs") or []
    if output is None:
        if screen.json:
            screen.answer({"outputs": found})
        else:
            screen.facts({one["name"]: _output(one) for one in found})
        return Exit.OK
    return _one(common, name, found, output)


def _output(one: Mapping[str, Any]) -> Any:
    """Its value, or why it has none."""
    if one.get("waits_for"):
        return f"(waits for {', '.join(one['waits_for'])})"
    return one.get("error") or one.get("value")


def _one(common: Common, name: str, found: list[dict[str, Any]], wanted: str) -> Exit:
    known = {one["name"]: one for one in found}
    if wanted not in known:
        raise Stop(
            Exit.NOT_FOUND,
            f"Stack {name!r} has no output {wanted!r}.",
            remedy=f"It has: {', '.join(sorted(known)) or 'none'}.",
        )
    one = known[wanted]
    if one.get("error"):
        raise Stop(Exit.FAILED, f"Output {wanted!r} has no value: {one['error']}")
    if one.get("waits_for"):
        raise Stop(
            Exit.FAILED,
            f"Output {wanted!r} has no value yet: it needs {', '.join(one['waits_for'])}.",
            remedy=f"`mantle stack events {name} --follow` says when the stack is done.",
        )
    value = one.get("value")
    common.screen.answer(one, value if isinstance(value, str) else json.dumps(value))
    return Exit.OK


def _when(at: Any) -> str:
    """A time as people in this time zone read it."""
    if not at:
        return ""
    from datetime import datetime  # noqa: PLC0415

    from mantle.cli.tree import seconds_of  # noqa: PLC0415

    seconds = seconds_of(at)
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def sinks(name: str, /, *, common: Common = NOTHING) -> Exit:
    """Show where a stack's events are sent (`event_sinks` of its environment), and how that goes.

    Try:

        mantle stack sinks web
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("stacks", name, "sinks")
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    columns = ("target", "delivered", "waiting", "dropped", "problem")
    screen.table(columns, ([str(sink[key]) for key in columns] for sink in answer["sinks"]))
    return Exit.OK
