"""`mantle drift`: what somebody changed beside Mantle, and what to do about it."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common


def build_drift() -> App:
    """The noun with its verbs."""
    app = App(name="drift", help="What is not as the last operation left it.")
    for verb in (show, check, policy, correct):
        app.command(verb)
    return app


def show(
    stack: str,
    /,
    *,
    history: Annotated[bool, Parameter(negative="", help="What differed before, too.")] = False,
    common: Common = NOTHING,
) -> Exit:
    """What differs, since when, and how old that knowledge is.

    Try:

        mantle drift show web
        mantle drift show web --history
    """
    with common.client() as client:
        answer = client.get("stacks", stack, "drift", history=str(history).lower())
    return _told(common, answer)


def check(stack: str, /, *, common: Common = NOTHING) -> Exit:
    """Look now: one list call for each type of object, however many there are.

    Try:

        mantle drift check web
    """
    with common.client() as client:
        answer = client.post("stacks", stack, "drift", "check", body={})
    return _told(common, answer)


def policy(
    stack: str,
    what: Literal["alert", "ignore", "correct"],
    /,
    *,
    resource: Annotated[str, Parameter(help="Only this one; default: the whole stack.")] = "",
    common: Common = NOTHING,
) -> Exit:
    """What becomes of drift: an event (alert), nothing (ignore), or an update (correct).

    Try:

        mantle drift policy web correct
        mantle drift policy web ignore --resource cache
    """
    with common.client() as client:
        body = {"policy": what, "resource": resource}
        client.put("stacks", stack, "drift", "policy", body=body)
    common.screen.say(f"Drift of {resource or stack}: {what}.")
    return Exit.OK


def correct(stack: str, /, *, common: Common = NOTHING) -> Exit:
    """Bring back what was left, by an update of the same template.

    Try:

        mantle drift correct web
    """
    with common.client() as client:
        answer = client.post("stacks", stack, "drift", "correct", body={})
    operation = answer["operation"]
    said = "Nothing drifts." if operation is None else f"Operation {operation['id']} corrects it."
    common.screen.answer(answer, said)
    return Exit.OK


def _told(common: Common, answer: dict[str, object]) -> Exit:
    screen = common.screen
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    screen.say(f"Looked at {answer['looked_at'] or 'never yet'}.")
    items = answer["drift"]
    assert isinstance(items, list)
    if items:
        headings = ("resource", "what", "left as", "is", "since", "ended")
        rows = (
            (
                item["resource"],
                item["path"],
                item["expected"],
                item["actual"],
                item["first_seen"],
                item["ending"] or "",
            )
            for item in items
        )
        screen.table(headings, rows)
    else:
        screen.say("Nothing drifts.")
    return Exit.OK
