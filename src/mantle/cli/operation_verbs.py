"""`mantle operation retry|skip|take-over|cancel`: free an operation that is stuck."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common


def add_verbs(app: App) -> None:
    """Hang the commands into the noun."""
    app.command(retry)
    app.command(skip)
    app.command(take_over, name="take-over")
    app.command(cancel)


Why = Annotated[str, Parameter(help="Kept with who and when; `operation explain` shows it.")]


def retry(
    operation: str, step: str | None = None, /, *, why: Why = "", common: Common = NOTHING
) -> Exit:
    """Begin a step again, or go on with an operation that failed or was cancelled.

    The step keeps its row and token, so what its first try left in the cloud is found, not doubled.
    Of an operation that has ended, one step or, without STEP, everything that failed; only the last
    operation of a stack can go on.

    Try:

        mantle operation retry 5e0b…
        mantle operation retry 5e0b… "create web" --why "the quota was raised"

    Args:
        operation: Its id.
        step: As `mantle operation explain` names it, or the resource's name.
    """
    return _ask(common, operation, "retry", {"step": step or "", "why": why})


def skip(operation: str, step: str, /, *, why: Why = "", common: Common = NOTHING) -> Exit:
    """Go on without a step. What it was to do stays undone, and its resource says so.

    What is removed only after the step is spared with it. Steps that need a value of what was never
    made fail. The next update of the stack does what was left out; a stack whose deletion left
    something out stays.

    Try:

        mantle operation skip 5e0b… "delete volume" --why "still attached to a machine by hand"

    Args:
        operation: Its id.
        step: As `mantle operation explain` names it, or the resource's name.
    """
    return _ask(common, operation, "skip", {"step": step, "why": why})


def take_over(
    operation: str, step: str | None = None, /, *, why: Why = "", common: Common = NOTHING
) -> Exit:
    """Fence off the engine that performs an operation, and go on with it. For administrators.

    Nothing is lost or doubled: the rows say how far it came, and a write of the former holder is
    refused. Naming a step whose work a stack inside does takes that one's operation over as well.

    Try:

        mantle operation take-over 5e0b… --why "its host hangs"

    Args:
        operation: Its id.
        step: The step it is done for.
    """
    return _ask(common, operation, "take-over", {"step": step or "", "why": why})


def cancel(
    operation: str,
    step: str | None = None,
    /,
    *,
    why: Why = "",
    go_on: Annotated[
        bool,
        Parameter(
            name="--continue",
            negative="",
            help="Of a step: those that do not need it are done all the same.",
        ),
    ] = False,
    rollback: Annotated[
        bool, Parameter(negative="", help="Of the operation: return to what was before.")
    ] = False,
    now: Annotated[
        bool, Parameter(negative="", help="Of the operation: stop the steps under way as well.")
    ] = False,
    common: Common = NOTHING,
) -> Exit:
    """Stop a step, which then fails; or an operation: nothing more is begun.

    Try:

        mantle operation cancel 5e0b… "create web" --continue
        mantle operation cancel 5e0b… --now

    Args:
        operation: Its id.
        step: As `mantle operation explain` names it, or the resource's name.
    """
    body = {"step": step or "", "why": why, "go_on": go_on, "rollback": rollback, "now": now}
    return _ask(common, operation, "cancel", body)


def _ask(common: Common, operation: str, verb: str, body: dict[str, Any]) -> Exit:
    screen = common.screen
    with common.client() as client:
        answer = client.post("operations", operation, verb, body=body)
    asked = answer["intervention"]
    what = f"{verb} of {asked['step']!r}" if asked["step"] else f"{verb} of the operation"
    came = asked["outcome"] or "the engine comes to it"
    screen.answer(answer, f"{what}: {came}. It was {asked['before'].rstrip('.')}.")
    screen.say(f"See: mantle operation explain {operation}")
    return Exit.OK
