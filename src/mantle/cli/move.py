"""`mantle stack move|split|rename` and `mantle move`: resources change their stack or name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common
from mantle.cli.screen import Screen

if TYPE_CHECKING:
    from mantle.cli.client import Client

Yes = Annotated[
    bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask after the plan.")
]
PlanOnly = Annotated[
    bool, Parameter(negative="", help="Plan and keep it: `mantle move apply ID` does it later.")
]


def add_moves(app: App) -> None:
    """Hang the commands into the noun `stack`."""
    app.command(move)
    app.command(split)
    app.command(rename)
    app.command(rename_resource, name="rename-resource")


def build_move() -> App:
    """The noun with its verbs."""
    app = App(
        name="move",
        help="Moves that were planned: applied as they are, or refused. "
        "`mantle stack move`, `split` and `rename` make them.",
    )
    app.command(list_moves, name="list")
    app.command(show)
    app.command(apply)
    app.command(delete)
    return app


def move(
    source: str,
    resources: str,
    target: str,
    /,
    *,
    new_name: Annotated[
        str, Parameter(name="--as", help="What the resource is called there; for a single one.")
    ] = "",
    plan_only: PlanOnly = False,
    yes: Yes = False,
    common: Common = NOTHING,
) -> Exit:
    """Move resources to another stack. Nothing on the cloud is touched, both plans stay empty.

    A reference that crosses the cut becomes a parameter with the value of now. A group or a nested
    template goes with the stacks inside it, and with the files and types these need.

    Try:

        mantle stack move web db,volume data
        mantle stack move web workers jobs
        mantle stack move web db data --as database --plan-only

    Args:
        source: The stack they are in, by name or id.
        resources: Their names: a,b.
        target: The stack they go to.
    """
    names = _split(resources)
    if new_name and len(names) != 1:
        raise Stop(Exit.USAGE, "--as names one resource.", remedy="Move them one by one.")
    pairs = {name: new_name or name for name in names}
    body = {"kind": "move", "source": source, "target": target, "resources": pairs}
    return _go(common, body, plan_only=plan_only, yes=yes)


def split(
    source: str,
    /,
    *,
    resources: str,
    into: str,
    plan_only: PlanOnly = False,
    yes: Yes = False,
    common: Common = NOTHING,
) -> Exit:
    """Give some resources of a stack a stack of their own.

    Try:

        mantle stack split web --resources net,subnet --into network

    Args:
        source: The stack they are in, by name or id.
        resources: Their names: a,b.
        into: The new stack's name.
    """
    pairs = {name: name for name in _split(resources)}
    body = {"kind": "split", "source": source, "name": into, "resources": pairs}
    return _go(common, body, plan_only=plan_only, yes=yes)


def rename(
    old: str,
    new: str,
    /,
    *,
    plan_only: PlanOnly = False,
    yes: Yes = False,
    common: Common = NOTHING,
) -> Exit:
    """Give a stack another name. Its objects keep theirs.

    Try:

        mantle stack rename web shop
    """
    body = {"kind": "rename_stack", "source": old, "name": new}
    return _go(common, body, plan_only=plan_only, yes=yes)


def rename_resource(
    stack: str,
    resource: str,
    new: str,
    /,
    *,
    plan_only: PlanOnly = False,
    yes: Yes = False,
    common: Common = NOTHING,
) -> Exit:
    """Give a resource another name within its stack, and whoever reads it with it.

    Try:

        mantle stack rename-resource web db database
    """
    body = {"kind": "rename", "source": stack, "resources": {resource: new}}
    return _go(common, body, plan_only=plan_only, yes=yes)


def list_moves(*, common: Common = NOTHING) -> Exit:
    """The moves that were planned, the newest first.

    Try:

        mantle move list
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("moves")
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    rows = (
        (
            each["id"],
            each["kind"],
            each["source"],
            each["target"],
            ",".join(one["name"] for one in each["resources"]),
            each["status"],
            each["made_at"],
        )
        for each in answer["moves"]
    )
    screen.table(("id", "kind", "source", "target", "resources", "status", "planned"), rows)
    return Exit.OK


def show(move: str, /, *, common: Common = NOTHING) -> Exit:
    """What a move does, in full.

    Try:

        mantle move show 1f0c…
    """
    with common.client() as client:
        _tell(common.screen, client.get("moves", move))
    return Exit.OK


def apply(move: str, /, *, common: Common = NOTHING) -> Exit:
    """Do what was planned, precisely, or refuse and say what has changed.

    Try:

        mantle move apply 1f0c…
    """
    with common.client() as client:
        return _done(common.screen, client, move)


def delete(move: str, /, *, common: Common = NOTHING) -> Exit:
    """Forget a move; what it has done stays done.

    Try:

        mantle move delete 1f0c…
    """
    with common.client() as client:
        client.delete("moves", move)
    common.screen.say(f"Move {move} is gone.")
    return Exit.OK


def _go(common: Common, body: Mapping[str, Any], *, plan_only: bool, yes: bool) -> Exit:
    """Plan, show, ask, do."""
    screen = common.screen
    with common.client() as client:
        made = client.post("moves", body=body)
        if plan_only:
            _tell(screen, made)
            screen.say(f"Kept: do it with `mantle move apply {made['move']['id']}`.")
            return Exit.OK
        if not screen.json:
            _tell(screen, made)
        if not yes and screen.asks:
            answer = screen.out.input("\n[bold]Do this?[/bold] \\[y/N] ").strip().lower()
            if answer not in {"y", "yes"}:
                client.delete("moves", made["move"]["id"])
                raise Stop(Exit.DECLINED, "Nothing was changed.")
        return _done(screen, client, made["move"]["id"])


def _done(screen: Screen, client: "Client", move_id: str) -> Exit:
    done = client.post("moves", move_id, "apply", body={})
    screen.answer(done, "Done. Nothing on the cloud was touched.")
    return Exit.OK


def _tell(screen: Screen, made: Mapping[str, Any]) -> None:
    screen.answer(made, str(made["rendered"]).rstrip("\n"))


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
