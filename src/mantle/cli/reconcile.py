"""`mantle reconcile`: after a restore, what the world did meanwhile, and leave to go on."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, USUAL, Common, Manner

Ids = Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=False)]


def build_reconcile() -> App:
    """The noun with its verbs."""
    app = App(
        name="reconcile",
        help="After a restore: what the world did since the backup, and leave to go on.",
    )
    app.command(plan)
    app.command(apply)
    return app


def plan(*, common: Common = NOTHING) -> Exit:
    """Compare everything that was restored with the clouds; changes nothing.

    Operations that were under way, resources that vanished or changed, objects that were made after
    the backup: each with what `mantle reconcile apply` would do, and what else can be chosen.

    Try:

        mantle reconcile plan --cloud mantle-admin
    """
    screen = common.screen
    with common.client() as client:
        found = client.post("reconcile", "plan", body={})
    screen.answer(found, found["rendered"])
    return Exit.OK


def apply(
    *,
    correct: Ids = (),
    cancel: Ids = (),
    adopt: Ids = (),
    resume: Ids = (),
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Let a restored Mantle work again, and do what the plan says, or what you choose instead.

    The machine that the backup is from must be stopped for good: two would both write to the
    clouds, and neither knows of the other.

    Try:

        mantle reconcile apply
        mantle reconcile apply --correct drift:6e1c… --adopt all

    Args:
        correct: Bring back what this stack has lost: an item's id, or all. Repeatable.
        cancel: End this operation instead of going on with it: an item's id, or all. Repeatable.
        resume: Go on with this sweep: an item's id, or all. Repeatable.
        adopt: Have a new stack take this object over: an item's id, or all. Repeatable.
    """
    screen = common.screen
    chosen = {"correct": correct, "cancel": cancel, "adopt": adopt, "resume": resume}
    body: dict[str, Any] = {name: list(ids) for name, ids in chosen.items()}
    with common.client() as client:
        found = client.post("reconcile", "plan", body={})
        screen.say(found["rendered"])
        if not manner.yes and screen.asks:
            answer = screen.out.input("\n[bold]Go on like this?[/bold] \\[y/N] ").strip().lower()
            if answer not in {"y", "yes"}:
                raise Stop(Exit.DECLINED, "Nothing was changed; Mantle is still held.")
        done = client.post("reconcile", "apply", body={**body, "digest": found["digest"]})
    if screen.json:
        screen.answer(done)
    else:
        screen.say("\nMantle works again.")
        for one in done["outcomes"]:
            where = f" -> stack {one['stack_name']}" if one["stack_name"] else ""
            begun = f" (operation {one['operation_id']})" if one["operation_id"] else ""
            why = f": refused: {one['refused']}" if one["refused"] else ""
            screen.say(f"  {one['name']}: {one['deed']}{where}{begun}{why}")
    return Exit.FAILED if any(one["refused"] for one in done["outcomes"]) else Exit.OK
