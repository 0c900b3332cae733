"""`mantle operation`: what Mantle is doing, and why it takes so long."""

from typing import Any

from cyclopts import App

from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common


def build_operation() -> App:
    """The noun with its verbs."""
    app = App(name="operation", help="The executions of plans: which there are, and why they wait.")
    app.command(listing, name="list")
    app.command(explain)
    return app


def listing(stack: str | None = None, /, *, common: Common = NOTHING) -> Exit:
    """The operations of a stack, or of the project; the newest first.

    Try:

        mantle operation list web

    Args:
        stack: Name or id.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("operations", **({} if stack is None else {"stack": stack}))
    if screen.json:
        screen.answer(answer)
    else:
        headings = ("id", "action", "status", "steps", "begun", "reason")
        screen.table(headings, (_row(each) for each in answer["operations"]))
    return Exit.OK


def _row(each: dict[str, Any]) -> tuple[Any, ...]:
    steps = f"{each['steps_done']}/{each['steps_total']}"
    reason = each["reason"]
    begun = each["started_at"] or ""
    return (each["id"], each["action"], each["status"], steps, begun, reason)


def explain(operation: str, /, *, common: Common = NOTHING) -> Exit:
    """Who holds an operation, what each step waits for and since when, and what happens next.

    Try:

        mantle operation explain 5e0b…

    Args:
        operation: The id that `stack create`, `update` and the others print, or that `list` shows.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("operations", operation, "explain")
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    known, engine = answer["operation"], answer["engine"]
    facts = {
        "operation": f"{known['action']} {known['status']}, "
        f"{known['steps_done']} of {known['steps_total']} steps",
        "held by": f"{engine['id']} on {engine['host']}, heard of {engine['beat_at']}"
        if engine
        else "no engine",
        "next": answer["next"],
    }
    screen.facts(facts)
    for trouble in answer["troubles"]:
        screen.say(f"! {trouble['kind']}: {trouble['remedy']}")
    open_steps = [step for step in answer["steps"] if step["state"] != "done"]
    if open_steps:
        headings = ("step", "state", "since", "what")
        screen.table(headings, (_step(step) for step in open_steps))
    return Exit.OK


def _step(step: dict[str, Any]) -> tuple[Any, ...]:
    behind = f"behind {', '.join(step['waits_for'])}" if step["waits_for"] else step["said"]
    return (step["key"], step["state"], step["since"] or "", behind)
