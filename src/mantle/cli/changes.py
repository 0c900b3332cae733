"""The steps every change has: show the plan, ask, send it, watch it, say how it ended."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import Manner, Source, places, source_body
from mantle.cli.screen import Screen

if TYPE_CHECKING:
    from mantle.cli.client import Client


def find_stack(client: "Client", name: str) -> dict[str, Any] | None:
    """The stack, or None."""
    try:
        found: dict[str, Any] = client.get("stacks", name)["stack"]
    except Stop as stop:
        if stop.code is Exit.NOT_FOUND:
            return None
        raise
    return found


def last_event(client: "Client", name: str) -> int:
    """The newest event's sequence, so that only what is new is watched."""
    events = client.get("stacks", name, "events", limit=1, sort_dir="desc")["events"]
    return max((int(event["sequence"]) for event in events), default=0)


def show_plan(
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
    made: dict[str, Any] = placed(lambda: client.post("plans", body=body), places(gathered))
    if screen.live:
        from mantle.cli.drawing import draw_plan  # noqa: PLC0415 - only people need colours

        screen.out.print(draw_plan(made["rendered"]))
    else:
        screen.say(made["rendered"].rstrip("\n"))
    return made


def agree(
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
    show_plan(screen, client, action, name, source, extra)
    if manner.yes or not screen.asks:
        return
    if screen.out.input("\n[bold]Do this?[/bold] \\[y/N] ").strip().lower() not in {"y", "yes"}:
        raise Stop(Exit.DECLINED, "Nothing was changed.")


def placed(call: Callable[[], Any], known: Mapping[str, Path]) -> Any:
    """Make the call; findings in files read here are printed with the lines themselves."""
    try:
        return call()
    except Stop as stop:
        stop.places = known
        raise


def see_through(
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
    outputs = [] if status.startswith("DELETE") else stack.get("outputs") or []
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
