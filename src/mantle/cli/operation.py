"""`mantle operation`: what Mantle is doing, and why it takes so long."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit
from mantle.cli.operation_verbs import add_verbs
from mantle.cli.options import NOTHING, Common

LIVE = {"queued", "running"}


def build_operation() -> App:
    """The noun with its verbs."""
    app = App(
        name="operation",
        help="The executions of plans: which there are, why they wait, and how to free them.",
    )
    app.command(listing, name="list")
    app.command(explain)
    add_verbs(app)
    return app


def listing(
    stack: str | None = None,
    /,
    *,
    stuck: Annotated[
        bool, Parameter(negative="", help="Only those that the watchdog says cannot go on.")
    ] = False,
    all_projects: Annotated[
        bool, Parameter(negative="", help="Those of every project; for administrators.")
    ] = False,
    request: Annotated[
        str | None, Parameter(help="Only those that this request led to: req-…")
    ] = None,
    common: Common = NOTHING,
) -> Exit:
    """The operations of a stack, or of the project; the newest first.

    Try:

        mantle operation list web
        mantle operation list --stuck
        mantle operation list --request req-0b6c…

    Args:
        stack: Name or id.
    """
    screen = common.screen
    asked = {} if stack is None else {"stack": stack}
    if stuck:
        asked["stuck"] = "true"
    if all_projects:
        asked["all_projects"] = "true"
    if request is not None:
        asked["request_id"] = request
    with common.client() as client:
        answer = client.get("operations", **asked)
    if screen.json:
        screen.answer(answer)
    else:
        headings = ("id", "action", "status", "steps", "begun", "stuck" if stuck else "reason")
        screen.table(headings, (_row(each) for each in answer["operations"]))
    return Exit.OK


def _row(each: dict[str, Any]) -> tuple[Any, ...]:
    steps = f"{each['steps_done']}/{each['steps_total']}"
    reason = "; ".join(each.get("stuck") or ()) or each["reason"]
    begun = each["started_at"] or ""
    return (each["id"], each["action"], each["status"], steps, begun, reason)


def explain(operation: str, /, *, common: Common = NOTHING) -> Exit:
    """Who holds an operation, what each step waits for and since when, and what happens next.

    With every step come the verbs that may be used on it: `mantle operation retry`, `skip` and
    `cancel` take the operation and the step.

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
    known = answer["operation"]
    facts = {
        "operation": f"{known['action']} {known['status']}, "
        f"{known['steps_done']} of {known['steps_total']} steps",
        "held by" if known["status"] in LIVE else "held last by": _holder(answer["engine"]),
        "next": answer["next"],
        "verbs": ", ".join(answer.get("verbs") or ()) or None,
    }
    screen.facts(facts)
    for trouble in answer["troubles"]:
        screen.say(f"! {trouble['kind']}: {trouble['remedy']}")
    open_steps = [step for step in answer["steps"] if step["state"] != "done"]
    if open_steps:
        headings = ("step", "state", "since", "what", "next look", "verbs")
        screen.table(headings, (_step(step) for step in open_steps))
    for each in answer.get("interventions") or ():
        what = each["step"] or "the operation"
        came = each["outcome"] or "not done yet"
        why = f" ({each['why']})" if each["why"] else ""
        screen.say(f"{each['asked_at']}  {each['by']}: {each['verb']} {what}{why}: {came}")
    return Exit.OK


def _holder(engine: dict[str, Any] | None) -> str:
    if engine is None:
        return "no engine"
    age = engine.get("lease_age_seconds")
    heard = "not heard of" if age is None else f"heard of {age:.0f} s ago"
    return f"{engine['id']} on {engine['host']} (epoch {engine.get('epoch', '?')}), {heard}"


def _step(step: dict[str, Any]) -> tuple[Any, ...]:
    said = f"behind {', '.join(step['waits_for'])}" if step["waits_for"] else step["said"]
    if step.get("errors"):
        said += f"; refused {step['errors']} times, last at {step['error_at']}"
    elif step.get("calls"):
        said += f"; asked {step['calls']} times"
    if step.get("inner"):
        said += f"; done by operation {step['inner']}"
    verbs = ", ".join(step.get("verbs") or ())
    looks = step.get("next_look_at") or ""
    return (step["key"], step["state"], step["since"] or "", said, looks, verbs)
