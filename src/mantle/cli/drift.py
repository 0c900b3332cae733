"""`mantle drift`: what somebody changed beside Mantle, and what to do about it."""

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from mantle.cli.durations import seconds_of, spoken
from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common

Names = Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=False)]

PAGE = 200
"""Findings asked for at once with --all."""


def build_drift() -> App:
    """The noun with its verbs."""
    app = App(name="drift", help="What is not as the last operation left it.")
    app.command(list_drift, name="list")
    for verb in (show, check, policy, accept, correct):
        app.command(verb)
    return app


def list_drift(
    *,
    all: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 - the option's name
    stack: str | None = None,
    resource: str | None = None,
    type: Names = (),  # noqa: A002 - the option's name
    path: Names = (),
    show: Literal["open", "ended", "all"] = "open",
    since: str | None = None,
    limit: int = 50,
    marker: int | None = None,
    common: Common = NOTHING,
) -> Exit:
    """What differs anywhere in the project, the newest first, in pages.

    Try:

        mantle drift list
        mantle drift list --all --type OS::Nova::Server
        mantle drift list --stack web --show ended --since 1d

    Args:
        all: Every page, not only the first.
        stack: Only this one and the stacks inside it: name or id.
        resource: Only resources of this name.
        type: Only resources of this type. Repeatable.
        path: Only this field: name, status, @object (missing). Repeatable.
        show: What differs now (open), what did before (ended), or both (all).
        since: Seen within so long: 30m, 8h, 2d.
        limit: Findings on a page.
        marker: Go on behind this one: the last page's next_marker.
    """
    wanted: dict[str, Any] = {"show": show, "limit": PAGE if all else limit}
    given = {"stack": stack, "resource": resource, "marker": marker}
    wanted |= {name: value for name, value in given.items() if value is not None}
    wanted |= {"resource_type": list(type), "path": list(path)}
    if since is not None:
        wanted["since_seconds"] = seconds_of(since)
    with common.client() as client:
        answer = client.get("drift", **wanted)
        page = answer
        while all and page["next_marker"] is not None:
            page = client.get("drift", **{**wanted, "marker": page["next_marker"]})
            answer["drift"] += page["drift"]
        answer["next_marker"] = page["next_marker"]
    screen = common.screen
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    counts = ", ".join(f"{one['stack_name']} {one['count']}" for one in answer["stacks"])
    screen.say(f"{answer['total']} in all{': ' if counts else ''}{counts}.")
    _table(common, answer["drift"], stacks=True)
    if answer["next_marker"] is not None:
        screen.say(f"More: --marker {answer['next_marker']}, or --all.")
    return Exit.OK


def show(
    stack: str,
    /,
    *,
    history: Annotated[bool, Parameter(negative="", help="What differed before, too.")] = False,
    common: Common = NOTHING,
) -> Exit:
    """What differs, also in the stacks inside, since when, and how old that knowledge is.

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
    what: Literal["alert", "ignore", "accept", "correct", "default"] | None = None,
    /,
    *,
    resource: Annotated[str, Parameter(help="Only this one; default: the whole stack.")] = "",
    common: Common = NOTHING,
) -> Exit:
    """What becomes of drift. Without a word: what is chosen, and who says so.

    alert: it is told. ignore: it is not. accept: the template follows the cloud. correct: an
    update brings back what was.

    A template can say it of a resource in its metadata: `mantle:drift: correct`. What is chosen
    here goes before that; `default` takes the choice back. Stacks inside follow the one above.

    Try:

        mantle drift policy web
        mantle drift policy web correct
        mantle drift policy web ignore --resource cache
        mantle drift policy web default --resource cache
    """
    screen = common.screen
    with common.client() as client:
        if what is None:
            answer = client.get("stacks", stack, "drift", "policy")
        elif what == "default":
            client.delete("stacks", stack, "drift", "policy", resource=resource)
        else:
            body = {"policy": what, "resource": resource}
            client.put("stacks", stack, "drift", "policy", body=body)
    if what is not None:
        screen.say(f"Drift of {resource or stack}: {what}.")
    elif screen.json:
        screen.answer(answer)
    else:
        rows = (
            (one["resource"] or "(the stack)", one["policy"], one["source"])
            for one in answer["policies"]
        )
        screen.table(("of", "policy", "said by"), rows)
    return Exit.OK


def accept(
    stack: str,
    /,
    *,
    resource: Annotated[str, Parameter(help="Only this one; default: all that drifts.")] = "",
    common: Common = NOTHING,
) -> Exit:
    """Bring the template to what is there: nothing is done to the cloud, the next plan is empty.

    A value that is written in the template is changed where it stands; one that a parameter gives
    changes the parameter. What functions compute, and what is missing, is refused with the reason.

    Try:

        mantle drift accept web
        mantle drift accept web --resource cache
    """
    screen = common.screen
    with common.client() as client:
        answer = client.post("stacks", stack, "drift", "accept", body={}, resource=resource)
    if screen.json:
        screen.answer(answer)
    elif not answer["accepted"] and not answer["refused"]:
        screen.say("Nothing drifts.")
    else:
        rows = [
            (one["resource"], one["path"], verdict, one["place"] or one["reason"])
            for verdict in ("accepted", "refused")
            for one in answer[verdict]
        ]
        screen.table(("resource", "what", "verdict", "where, or why"), rows)
    return Exit.REFUSED if answer["refused"] else Exit.OK


def correct(
    stack: str,
    /,
    *,
    resource: Annotated[str, Parameter(help="Only this one; default: all that drifts.")] = "",
    common: Common = NOTHING,
) -> Exit:
    """Bring back what was left, by an update of what drifts and nothing else.

    What is missing or broken is made anew, with whatever needs it.

    Try:

        mantle drift correct web
        mantle drift correct web --resource db
    """
    with common.client() as client:
        answer = client.post("stacks", stack, "drift", "correct", body={}, resource=resource)
    operation = answer["operation"]
    said = "Nothing drifts." if operation is None else f"Operation {operation['id']} corrects it."
    common.screen.answer(answer, said)
    return Exit.OK


def _told(common: Common, answer: dict[str, Any]) -> Exit:
    screen = common.screen
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    age = answer["age_seconds"]
    looked = "never yet, not whole" if age is None else f"{spoken(age)} ago"
    screen.say(f"Looked at {answer['looked_at'] or ''} ({looked}).".replace("  ", " "))
    for missed in answer["not_looked"]:
        since = missed["not_looked_since"] or "ever"
        screen.say(f"Not looked at {missed['resource_type']} since {since}: {missed['reason']}")
    if answer["drift"]:
        _table(common, answer["drift"], stacks=False)
    else:
        screen.say("Nothing drifts.")
    return Exit.OK


def _table(common: Common, items: list[dict[str, Any]], *, stacks: bool) -> None:
    if not items:
        return
    headings = ("resource", "what", "left as", "is", "since", "seen", "policy", "ended", "note")
    rows = []
    for item in items:
        place = "/".join(part for part in (item["within"], item["resource"]) if part)
        missing = item["kind"] == "missing"
        rows.append(
            (
                *((item["stack_name"],) if stacks else ()),
                place,
                "missing" if missing else item["path"],
                item["expected"],
                "-" if missing else item["actual"],
                item["first_seen"],
                f"{spoken(item['age_seconds'])} ago",
                item["policy"],
                item["ending"] or "",
                item["note"],
            )
        )
    common.screen.table((*(("stack",) if stacks else ()), *headings), rows)
