"""`mantle plan`: plans that bind. Saved, compared, applied whole, in parts, or in waves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.changes import find_stack, last_event, placed, see_through
from mantle.cli.durations import seconds_of
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import (
    NO_SOURCE,
    NOTHING,
    USUAL,
    Common,
    Manner,
    Source,
    places,
    source_body,
)
from mantle.cli.screen import Screen

if TYPE_CHECKING:
    from mantle.cli.client import Client

Names = Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=False)]


def build_plan() -> App:
    """The noun with its verbs."""
    app = App(
        name="plan",
        help="Plans that bind: applying one does precisely what it says, or nothing.",
    )
    app.command(create)
    app.command(list_plans, name="list")
    app.command(show)
    app.command(diff)
    app.command(apply)
    app.command(go_on, name="continue")
    app.command(delete)
    return app


def create(
    name: str,
    /,
    *,
    source: Source = NO_SOURCE,
    existing: bool = False,
    delete: bool = False,
    rollback: bool = False,
    include: Names = (),
    exclude: Names = (),
    wave: Names = (),
    gate: str = "manual",
    waves: Path | None = None,
    lifetime: str | None = None,
    on: str = "",
    refresh: bool = False,
    common: Common = NOTHING,
) -> Exit:
    """Make a plan and keep it. Changes nothing.

    A stack that exists is planned as an update, one that does not as a creation.

    Try:

        mantle plan create web -t web.yaml -p members=3
        mantle plan create web -t web.yaml --wave 10% --gate health
        mantle plan create web -t web.yaml --wave layer
        mantle plan create web -t web.yaml --waves waves.yaml
        mantle plan create web --delete

    Args:
        name: The stack, existing or to be.
        existing: Keep template, files and parameters, except those given now.
        delete: Plan its deletion.
        rollback: Plan the way back from an update that failed.
        include: Only these resources, with what they need: a,b. Repeatable.
        exclude: Not these resources, nor what needs them: a,b. Repeatable.
        wave: 10% (repeated until all is done), layer, or names a,b. Repeatable.
        gate: Behind each --wave: manual (a person says go on), health (a check), or none.
        waves: A YAML file with a list of {resources, percent, layer, gate}.
        lifetime: The plan expires after so long: 30m, 8h (default 24h).
        on: For a new stack: the cloud to build it on.
        refresh: Look at the cloud first, and plan to bring back what was changed beside Mantle.
    """
    screen = common.screen
    body: dict[str, Any] = {
        "save": True,
        "include": _split(include),
        "exclude": _split(exclude),
        "waves": _waves(wave, gate, waves),
    }
    if lifetime is not None:
        body["lifetime_seconds"] = seconds_of(lifetime)
    with common.client() as client:
        if delete or rollback:
            action = "delete" if delete else "rollback"
        else:
            action = "update" if find_stack(client, name) else "create"
            if not source.given and not (existing and action == "update"):
                raise Stop(Exit.USAGE, f"Stack {name!r} needs a template: -t FILE.")
        gathered = source.gathered()
        body |= {"action": action, "stack_name": name, **source_body(source, gathered)}
        if action == "create" and on:
            body["cloud"] = on
        if existing:
            body["existing"] = True
        if refresh:
            body["converge"] = True
        made = placed(lambda: client.post("plans", body=body), places(gathered))
    return show_saved(screen, made)


def show_saved(screen: Screen, made: dict[str, Any]) -> Exit:
    """A plan in full. One that a policy rule denies is no success."""
    if screen.json:
        screen.answer(made)
    elif screen.live:
        from mantle.cli.drawing import draw_plan  # noqa: PLC0415 - only people need colours

        screen.out.print(draw_plan(made["rendered"]))
    else:
        screen.say(made["rendered"].rstrip("\n"))
    denied = any(one["effect"] == "deny" for one in made["plan"].get("verdicts", ()))
    return Exit.REFUSED if denied else Exit.OK


def list_plans(*, stack: str | None = None, common: Common = NOTHING) -> Exit:
    """List saved plans, newest first.

    Try:

        mantle plan list
        mantle plan list --stack web

    Args:
        stack: Only this stack's: name or id.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("plans", **({"stack": stack} if stack else {}))
    if screen.json:
        screen.answer(answer)
    else:
        rows = (
            (
                one["id"],
                one["stack_name"],
                one["action"],
                one["status"],
                f"{len(one['done'])}/{one['steps']}",
                one["expires_at"],
            )
            for one in answer["plans"]
        )
        screen.table(("id", "stack", "action", "status", "done", "expires"), rows)
    return Exit.OK


def show(plan: str, /, *, common: Common = NOTHING) -> Exit:
    """Show a plan: its steps, waves, quota, and how far it is.

    Try:

        mantle plan show 5d6a…

    Args:
        plan: The plan's id.
    """
    with common.client() as client:
        made = client.get("plans", plan)
    show_saved(common.screen, made)
    return Exit.OK


def diff(plan: str, /, *, common: Common = NOTHING) -> Exit:
    """Compare a plan with what is there now: could it be applied in this moment?

    Try:

        mantle plan diff 5d6a…

    Args:
        plan: The plan's id.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("plans", plan, "diff")
    if screen.json:
        screen.answer(answer)
    elif answer["applicable"]:
        screen.say("nothing that this plan touches or uses has moved")
    else:
        for line in answer["moved"]:
            screen.say(line)
    return Exit.OK if answer["applicable"] else Exit.CONFLICT


def apply(
    plan: str,
    /,
    *,
    include: Names = (),
    exclude: Names = (),
    request_id: str = "",
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Do precisely what a plan says, or nothing; then watch. A plan in waves begins its next one.

    Try:

        mantle plan apply 5d6a…
        mantle plan apply 5d6a… --include web,db
        mantle plan apply 5d6a… --exclude cache

    Args:
        plan: The plan's id.
        include: Only these resources, with what they need; the rest stays pending. a,b
        exclude: Not these resources, nor what needs them; they stay pending. a,b
        request_id: The same id again is answered like the first time.
    """
    screen = common.screen
    body = {
        "include": _split(include),
        "exclude": _split(exclude),
        "request_id": request_id,
    }
    with common.client() as client:
        before = client.get("plans", plan)
        if screen.asks and not manner.yes:
            show_saved(screen, before)
            if screen.out.input("\n[bold]Do this?[/bold] \\[y/N] ").strip().lower() not in {
                "y",
                "yes",
            }:
                raise Stop(Exit.DECLINED, "Nothing was changed.")
        after = _last(client, before)
        accepted = client.post("plans", plan, "apply", body=body)
        for name, why in accepted["added"].items():
            screen.say(f"with {name}, which {why} needs")
        for name, why in accepted["left_out"].items():
            screen.say(f"without {name}: {why}")
        return see_through(screen, client, accepted, manner, after=after)


def _last(client: "Client", made: dict[str, Any]) -> int:
    """Where the stack's events stand; 0 for a stack that is not there yet."""
    saved = made.get("saved") or {}
    try:
        return last_event(client, str(saved.get("stack_id") or made["plan"]["stack_id"]))
    except Stop as stop:
        if stop.code is Exit.NOT_FOUND:
            return 0
        raise


def go_on(plan: str, /, *, common: Common = NOTHING) -> Exit:
    """Open the gate a plan waits at: its next wave begins.

    Try:

        mantle plan continue 5d6a…

    Args:
        plan: The plan's id.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.post("plans", plan, "continue", body={})
    saved = answer["saved"]
    screen.answer(answer, f"plan {plan} goes on with wave {saved['wave'] + 1}")
    return Exit.OK


def delete(plan: str, /, *, common: Common = NOTHING) -> Exit:
    """Throw a plan away. What it has done stays done.

    Try:

        mantle plan delete 5d6a…

    Args:
        plan: The plan's id.
    """
    with common.client() as client:
        client.delete("plans", plan)
    common.screen.answer({"deleted": plan}, f"plan {plan} is deleted")
    return Exit.OK


def _split(texts: tuple[str, ...]) -> list[str]:
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def _waves(given: tuple[str, ...], gate: str, file: Path | None) -> list[dict[str, Any]]:
    if file is not None and given:
        raise Stop(Exit.USAGE, "Give --wave or --waves, not both.")
    if gate not in {"manual", "health", "none"}:
        raise Stop(Exit.USAGE, f"--gate {gate!r} is none of manual, health, none.")
    if file is not None:
        return _waves_in(file)
    found: list[dict[str, Any]] = []
    for text in given:
        if text == "layer":
            found.append({"layer": True, "gate": gate})
        elif text.endswith("%"):
            try:
                found.append({"percent": float(text[:-1]), "gate": gate})
            except ValueError:
                raise Stop(Exit.USAGE, f"--wave {text!r} is no share: write 10%.") from None
        else:
            found.append({"resources": _split((text,)), "gate": gate})
    return found


def _waves_in(file: Path) -> list[dict[str, Any]]:
    import yaml  # noqa: PLC0415 - only where a file is read

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(Exit.USAGE, f"Cannot read {file}: {error}") from None
    except yaml.YAMLError as error:
        raise Stop(Exit.INVALID, f"{file} is not YAML: {error}") from None
    listed = data.get("waves") if isinstance(data, dict) else data
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Stop(
            Exit.INVALID,
            f"{file} holds no list of waves.",
            remedy="Write, for example: [{percent: 10, gate: health}, {resources: [db]}].",
        )
    return [{str(key): value for key, value in one.items()} for one in listed]
