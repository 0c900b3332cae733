"""`mantle stack`: commands that change a stack. Those that only look are in `stack_views.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import Common, Source, places, source_body
from mantle.cli.screen import Screen
from mantle.cli.stack_views import add_views

if TYPE_CHECKING:
    from mantle.cli.client import Client

NOTHING = Common()
NO_SOURCE = Source()


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a change is carried out and watched."""

    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask after the plan.")
    ] = False
    wait: Annotated[bool, Parameter(help="Watch until it ends (default), or return at once.")] = (
        True
    )


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings a stack keeps."""

    rollback: Annotated[
        bool | None, Parameter(help="On failure, return to the state before. Default: stay.")
    ] = None
    timeout: Annotated[int | None, Parameter(help="Minutes the operation may take.")] = None
    tag: Annotated[tuple[str, ...], Parameter(negative="", help="Repeatable.")] = ()

    def body(self) -> dict[str, Any]:
        """Only what was said."""
        said: dict[str, Any] = {}
        if self.rollback is not None:
            said["disable_rollback"] = not self.rollback
        if self.timeout is not None:
            said["timeout_minutes"] = self.timeout
        if self.tag:
            said["tags"] = list(self.tag)
        return said


AS_IT_IS = Settings()
USUAL = Manner()


def build_stack() -> App:
    """The noun with its verbs."""
    app = App(name="stack", help="Templates made real: plan, create, watch, change, delete.")
    for verb in (plan, create, update, delete, cancel):
        app.command(verb)
    add_views(app)
    return app


def plan(
    name: str, /, *, source: Source = NO_SOURCE, delete: bool = False, common: Common = NOTHING
) -> Exit:
    """Show what would be done, step by step, with the reasons. Changes nothing.

    A stack that exists is planned as an update, one that does not as a creation.

    Examples:
        mantle stack plan web -t web.yaml -p members=3

        mantle stack plan web --delete

    Args:
        name: The stack, existing or to be.
        delete: Plan its deletion.
    """
    screen = common.screen
    with common.client() as client:
        if delete:
            action = "delete"
        else:
            action = "update" if _find(client, name) else "create"
            if action == "create" and source.template is None:
                raise _no_template(name)
        made = _plan(screen, client, action, name, source)
    if screen.json:
        screen.answer(made)
    return Exit.OK


def create(
    name: str,
    /,
    *,
    source: Source = NO_SOURCE,
    settings: Settings = AS_IT_IS,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Create a stack from a template: shows the plan, asks, then watches it come up.

    Files the template names (get_file, nested templates, environments) are sent along.

    Examples:
        mantle stack create hello -t examples/01-hello-server/hello.yaml

        mantle stack create web -t web.yaml -e small.yaml -p members=3 --yes

        mantle stack create web -t web.yaml --json | jq -r .stack.id
    """
    if source.template is None:
        raise _no_template(name)
    screen = common.screen
    with common.client() as client:
        _agree(screen, client, "create", name, source, manner)
        gathered = source.gathered()
        body = {"stack_name": name, **source_body(source, gathered), **settings.body()}
        accepted = _locally_placed(lambda: client.post("stacks", body=body), places(gathered))
        return _see_through(screen, client, accepted, manner, after=0)


def update(
    name: str,
    /,
    *,
    source: Source = NO_SOURCE,
    existing: bool = False,
    clear_parameter: tuple[str, ...] = (),
    settings: Settings = AS_IT_IS,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Change a stack: shows what differs and why, asks, then watches.

    Examples:
        mantle stack update web -t web.yaml

        mantle stack update web --existing -p members=4

    Args:
        name: Name or id.
        existing: Keep template, files and parameters, except those given now.
        clear_parameter: With --existing: back to the default. Repeatable.
    """
    if source.template is None and not existing:
        raise Stop(
            Exit.USAGE,
            "An update needs the whole template (-t FILE), or --existing to keep the present one.",
        )
    screen = common.screen
    extra = {"existing": existing, "clear_parameters": list(clear_parameter)}
    with common.client() as client:
        _agree(screen, client, "update", name, source, manner, extra)
        gathered = source.gathered()
        body = {**source_body(source, gathered), **settings.body(), **extra}
        after = _last_event(client, name)
        accepted = _locally_placed(lambda: client.put("stacks", name, body=body), places(gathered))
        return _see_through(screen, client, accepted, manner, after=after)


def delete(name: str, /, *, manner: Manner = USUAL, common: Common = NOTHING) -> Exit:
    """Delete a stack and everything it made, in reverse order.

    Examples:
        mantle stack delete web

        mantle stack delete web --yes --no-wait
    """
    screen = common.screen
    with common.client() as client:
        _agree(screen, client, "delete", name, NO_SOURCE, manner)
        after = _last_event(client, name)
        accepted = client.delete("stacks", name)
        return _see_through(screen, client, accepted, manner, after=after)


def cancel(
    name: str, /, *, rollback: bool = True, manner: Manner = USUAL, common: Common = NOTHING
) -> Exit:
    """Cancel the operation under way. Steps that have begun run to their end.

    Examples:
        mantle stack cancel web

        mantle stack cancel web --no-rollback

    Args:
        name: Name or id.
        rollback: Return to the state before the operation, or stay where it stopped.
    """
    screen = common.screen
    with common.client() as client:
        after = _last_event(client, name)
        accepted = client.post("stacks", name, "cancel", body={"rollback": rollback}) or {}
        accepted.setdefault("stack", client.get("stacks", name)["stack"])
        outcome = _see_through(screen, client, accepted, manner, after=after, cancelled=True)
        return outcome


# --- the steps the verbs share ---------------------------------------------------------------


def _no_template(name: str) -> Stop:
    return Stop(
        Exit.USAGE,
        f"Stack {name!r} needs a template: -t FILE.",
        remedy="See `mantle stack --help`.",
    )


def _find(client: "Client", name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.get("stacks", name)["stack"]
    except Stop as stop:
        if stop.code is Exit.NOT_FOUND:
            return None
        raise
    return found


def _last_event(client: "Client", name: str) -> int:
    """The newest event's sequence, so that only what is new is watched."""
    events = client.get("stacks", name, "events", limit=1, sort_dir="desc")["events"]
    return max((int(event["sequence"]) for event in events), default=0)


def _plan(
    screen: Screen,
    client: "Client",
    action: str,
    name: str,
    source: Source,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Ask for a plan and show it."""
    gathered = source.gathered()
    body = {"action": action, "stack_name": name, **source_body(source, gathered), **(extra or {})}
    made: dict[str, Any] = _locally_placed(
        lambda: client.post("plans", body=body), places(gathered)
    )
    if screen.live:
        from mantle.cli.drawing import draw_plan  # noqa: PLC0415 - only people need colours

        screen.out.print(draw_plan(made["rendered"]))
    else:
        screen.say(made["rendered"].rstrip("\n"))
    return made


def _agree(
    screen: Screen,
    client: "Client",
    action: str,
    name: str,
    source: Source,
    manner: Manner,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Show the plan to whoever reads, and ask whoever can answer."""
    if screen.json:
        return
    _plan(screen, client, action, name, source, extra)
    if manner.yes or not screen.asks:
        return
    if screen.out.input("\n[bold]Do this?[/bold] \\[y/N] ").strip().lower() not in {"y", "yes"}:
        raise Stop(Exit.DECLINED, "Nothing was changed.")


def _locally_placed(call: Callable[[], Any], known: Mapping[str, Path]) -> Any:
    """Make the call; findings in files read here are printed with the lines themselves."""
    try:
        return call()
    except Stop as stop:
        stop.places = known
        raise


def _see_through(
    screen: Screen,
    client: "Client",
    accepted: Mapping[str, Any],
    manner: Manner,
    *,
    after: int,
    cancelled: bool = False,
) -> Exit:
    """Watch the operation that was accepted, and say how it ended."""
    from mantle.cli.follow import follow  # noqa: PLC0415 - only verbs that watch

    stack = accepted["stack"]
    if not manner.wait:
        screen.answer(accepted, f"{stack['name']} {stack['id']} accepted; the operation runs.")
        return Exit.OK
    try:
        stack = follow(screen, client, stack=stack, plan=accepted.get("plan") or {}, after=after)
    except KeyboardInterrupt:
        raise Stop(
            Exit.INTERRUPTED,
            "Stopped watching; the operation goes on.",
            remedy=f"Look again: mantle stack events {stack['name']} --follow. "
            f"End it: mantle stack cancel {stack['name']}.",
        ) from None
    return _ending(screen, stack, cancelled=cancelled)


def _ending(screen: Screen, stack: Mapping[str, Any], *, cancelled: bool) -> Exit:
    status, reason = str(stack["status"]), str(stack.get("reason") or "")
    screen.answer({"stack": stack})
    outputs = stack.get("outputs") or []
    if outputs and screen.live:
        from mantle.cli.drawing import draw_outputs  # noqa: PLC0415

        screen.say()
        screen.out.print(draw_outputs(outputs), end="")
    elif outputs:
        screen.facts({output["name"]: output.get("value") for output in outputs})
    well = status.endswith("_COMPLETE") and (cancelled or not status.startswith("ROLLBACK"))
    if well:
        return Exit.OK
    if not screen.json:
        raise Stop(
            Exit.FAILED,
            f"{stack['name']} ended {status}: {reason}",
            remedy=f"What happened, in order: mantle stack events {stack['name']}",
        )
    return Exit.FAILED
