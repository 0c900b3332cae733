"""`mantle sweep`: one verb over many servers, looked at, applied, stopped and watched."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cyclopts import App

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, USUAL, Common, Manner
from mantle.cli.screen import Screen

if TYPE_CHECKING:
    from mantle.cli.client import Client

SHOWN = 20
"""Servers of a plan that are shown to a person; the rest is counted."""
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.5
ENDED = {"complete", "failed", "cancelled"}


def build_sweep() -> App:
    """The noun with its verbs."""
    app = App(name="sweep", help="One verb over many servers: what was planned, and how it went.")
    app.command(list_sweeps, name="list")
    app.command(show)
    app.command(apply)
    app.command(cancel)
    return app


def list_sweeps(*, common: Common = NOTHING) -> Exit:
    """List the project's sweeps; the newest first.

    Try:

        mantle sweep list
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("sweeps")
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    keys = ("id", "verb", "status", "total", "done", "failed", "skipped", "by", "created_at")
    screen.table(keys, ([sweep[key] for key in keys] for sweep in answer["sweeps"]))
    return Exit.OK


def show(sweep: str, /, *, common: Common = NOTHING) -> Exit:
    """Show a sweep, with the outcome of each server.

    Try:

        mantle sweep show 5e0b…

    Args:
        sweep: Its id.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("sweeps", sweep)
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    found = answer["sweep"]
    keys = ("id", "verb", "flavor", "host", "status", "reason", "by", "created_at", "ended_at")
    screen.facts({key: found[key] for key in keys if found[key]})
    columns = ("name", "cloud", "state", "reason", "id")
    screen.table(columns, ([server[key] for key in columns] for server in answer["servers"]))
    return Exit.OK


def apply(sweep: str, /, *, manner: Manner = USUAL, common: Common = NOTHING) -> Exit:
    """Carry out a sweep that was planned. What moved since then is left alone.

    Try:

        mantle server power off 'web-*' --plan
        mantle sweep apply 5e0b…

    Args:
        sweep: Its id.
    """
    with common.client() as client:
        return carry_out(common.screen, client, sweep, wait=manner.wait)


def cancel(sweep: str, /, *, common: Common = NOTHING) -> Exit:
    """Begin no further server; those under way come to their end.

    Try:

        mantle sweep cancel 5e0b…

    Args:
        sweep: Its id.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.post("sweeps", sweep, "cancel", body={})
    screen.answer(answer, f"{sweep} is {answer['sweep']['status']}.")
    return Exit.OK


# --- what `mantle server …` uses too ---------------------------------------------------------


def show_planned(screen: Screen, planned: Mapping[str, Any]) -> None:
    """What would be done, to which servers."""
    sweep, servers = planned["sweep"], planned["servers"]
    what = f"{sweep['verb']} {sweep['flavor'] or sweep['host']}".strip()
    clouds = Counter(server["cloud"] for server in servers)
    where = ", ".join(f"{count} on {name}" for name, count in sorted(clouds.items()))
    screen.say(f"Plan: {what}, {sweep['total']} servers ({where})")
    keys = ("name", "cloud", "status", "flavor", "host", "stack")
    shown = servers[:SHOWN] if screen.live else servers
    screen.table(keys, ([server[key] for key in keys] for server in shown))
    if len(shown) < len(servers):
        screen.say(f"… and {len(servers) - len(shown)} more: mantle sweep show {sweep['id']}")
    screen.say(
        f"{sweep['parallel']} side by side; stops when more than {sweep['failures_allowed']} fail."
    )


def carry_out(screen: Screen, client: "Client", sweep_id: str, *, wait: bool) -> Exit:
    """Apply it, and watch it to its end."""
    answer = client.post("sweeps", sweep_id, "apply", body={})
    if not wait:
        screen.answer(answer, f"{sweep_id} accepted; it runs.")
        return Exit.OK
    try:
        _watch(screen, client, sweep_id, answer["sweep"]["total"])
    except KeyboardInterrupt:
        raise Stop(
            Exit.INTERRUPTED,
            "Stopped watching; the sweep goes on.",
            remedy=f"Look again: mantle sweep show {sweep_id}. Stop it: mantle sweep cancel "
            f"{sweep_id}.",
        ) from None
    answer = client.get("sweeps", sweep_id)
    sweep = answer["sweep"]
    if screen.json:
        screen.answer(answer)
    else:
        screen.say(f"{sweep['verb']} {sweep['status']}: {sweep['reason']}")
    return Exit.OK if sweep["status"] == "complete" else Exit.FAILED


def _watch(screen: Screen, client: "Client", sweep_id: str, total: int) -> None:
    if not screen.live:
        for message in _messages(client, sweep_id):
            for server in message["servers"]:
                if server["state"] in {"pending", "acting"}:
                    continue
                reason = f"  {server['reason']}" if server["reason"] else ""
                screen.say(f"{server['name']}  {server['state']}{reason}")
        return
    from rich.progress import (  # noqa: PLC0415 - pipes and JSON do not need it
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen.out) as progress:
        task = progress.add_task("servers", total=total)
        for message in _messages(client, sweep_id):
            sweep = message["sweep"]
            ended = sweep["done"] + sweep["failed"] + sweep["skipped"]
            said = f"{sweep['done']} done, {sweep['failed']} failed, {sweep['skipped']} left alone"
            progress.update(task, completed=ended, description=said)
            for server in message["servers"]:
                if server["state"] == "failed":
                    progress.console.print(f"{server['name']}: {server['reason']}", markup=False)


def _messages(client: "Client", sweep_id: str) -> Iterator[dict[str, Any]]:
    """What the stream tells, opened again behind the last message when it breaks off."""
    after, lost_at = 0, None
    while True:
        try:
            for message in client.stream("sweeps", sweep_id, "stream", after=after):
                lost_at = None
                if message.event not in {"progress", "end"}:
                    continue
                after = int(message.id or after)
                data: dict[str, Any] = json.loads(message.data)
                yield data
                if data["sweep"]["status"] in ENDED:
                    return
        except Stop as stop:
            if stop.code is not Exit.UNREACHABLE:
                raise
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > PATIENCE_SECONDS:
                raise
        time.sleep(PAUSE_SECONDS)
