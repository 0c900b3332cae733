"""`mantle demo`: from nothing to a load-balanced web application, and away again.

Everything goes through the same steps as a person's own commands: the plan is asked for and shown,
the creation is watched. Running it twice is fine: what stands is found and checked again, what a
crash left half done is watched to its end, what failed is deleted and made anew.
"""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import mantle
from mantle.cli.changes import find_stack, last_event, placed, see_through, show_plan
from mantle.cli.control_plane import (
    Plane,
    ensure_plane,
    find_plane,
    left_behind,
    stop_plane,
)
from mantle.cli.credentials import find_credentials
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import Manner, Source, places, source_body
from mantle.cli.screen import Screen

if TYPE_CHECKING:
    from mantle.cli.client import Client

NAME = "demo"
TEMPLATE = "examples/02-load-balanced-web/web.yaml"
MEMBERS_WANTED = 2
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.2
STANDING = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "CHECK_COMPLETE", "RESUME_COMPLETE"})
UNWATCHED = Manner(yes=True)


def demo(
    *,
    data_dir: Annotated[Path | None, Parameter(help="Default: ~/.local/share/mantle-demo")] = None,
    down: Annotated[bool, Parameter(negative="", help="Take it all away again.")] = False,
) -> Exit:
    """Run a load-balanced web application on this machine, with a control plane of its own.

    Try:

        mantle demo
        mantle demo --down
    """
    data = (data_dir or Path.home() / ".local" / "share" / "mantle-demo").absolute()
    screen = Screen()
    return _take_down(screen, data) if down else _bring_up(screen, data)


def _bring_up(screen: Screen, data: Path) -> Exit:
    template = _template()
    began = time.monotonic()
    plane, started = ensure_plane(data)
    verb = "started" if started else "found"
    screen.say(f"Control plane {verb}: {plane.url} (log: {_short(data / 'mantle.log')})\n")
    with _client(data) as client:
        stack = _stack(screen, client, template)
    url = next(one["value"] for one in stack["outputs"] if one["name"] == "url")
    members = _members(url)
    screen.say(f"\n{url} answers, so far from:")
    for name, count in sorted(members.items()):
        screen.say(f"  {count:>3} x {name}")
    screen.say(f"\nThat took {time.monotonic() - began:.0f} s. {_next_steps(data, url)}")
    return Exit.OK


def _template() -> Path:
    """The example in this checkout."""
    root = Path(mantle.__file__).parents[2]
    template = root / TEMPLATE
    if not template.is_file():
        raise Stop(
            Exit.USAGE,
            f"The demo's template {TEMPLATE} is not beside this installation.",
            remedy="Run `make demo` in a clone of Mantle's repository.",
        )
    return template


def _client(data: Path) -> "Client":
    from mantle.cli.client import Client  # noqa: PLC0415 - `--help` needs no HTTP

    environ = {"MANTLE_DATA_DIR": str(data), "XDG_CONFIG_HOME": str(data)}
    return Client(find_credentials(environ, data, None))


def _stack(screen: Screen, client: "Client", template: Path) -> dict[str, Any]:
    """The demo's stack, complete: found, watched to its end, or made."""
    stack = find_stack(client, NAME)
    if stack is not None and str(stack["status"]).endswith("IN_PROGRESS"):
        screen.say(f"Stack {NAME} is {stack['status']}: watching.")
        see_through(screen, client, {"stack": stack}, UNWATCHED, after=0, cancelled=True)
        stack = find_stack(client, NAME)
    if stack is not None and stack["status"] not in STANDING:
        screen.say(f"Stack {NAME} is {stack['status']}: deleting it first.")
        _delete(screen, client)
        stack = None
    if stack is None:
        _create(screen, client, template)
    else:
        screen.say(f"Stack {NAME} stands already.")
    found: dict[str, Any] = client.get("stacks", NAME)["stack"]
    return found


def _create(screen: Screen, client: "Client", template: Path) -> None:
    source = Source(template=template)
    show_plan(screen, client, "create", NAME, source)
    screen.say()
    gathered = source.gathered()
    body = {"stack_name": NAME, **source_body(source, gathered)}
    accepted = placed(lambda: client.post("stacks", body=body), places(gathered))
    see_through(screen, client, accepted, UNWATCHED, after=0)


def _delete(screen: Screen, client: "Client") -> None:
    after = last_event(client, NAME)
    see_through(screen, client, client.delete("stacks", NAME), UNWATCHED, after=after)


def _members(url: str) -> Counter[str]:
    """Ask until different members have answered; the first line of an answer names its member."""
    import httpx  # noqa: PLC0415

    seen: Counter[str] = Counter()
    last = "no answer"
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        try:
            response = httpx.get(url, timeout=5.0)
        except httpx.TransportError as error:
            last = str(error) or type(error).__name__
        else:
            last = f"status {response.status_code}"
            if response.status_code == 200:
                seen[(response.text.splitlines() or [""])[0]] += 1
            if len(seen) >= MEMBERS_WANTED and sum(seen.values()) >= 2 * MEMBERS_WANTED:
                return seen
        time.sleep(POLL_SECONDS)
    raise Stop(
        Exit.FAILED,
        f"{url} answered from {len(seen)} members within {ANSWER_SECONDS:.0f} s, "
        f"{MEMBERS_WANTED} were expected; last: {last}.",
        remedy="mantle stack resources demo shows what was made.",
    )


def _next_steps(data: Path, url: str) -> str:
    tries = (
        (f"curl {url}", "members take turns"),
        (f"export MANTLE_DATA_DIR={_short(data)}", "which control plane to talk to"),
        (f".venv/bin/mantle stack show {NAME}", ""),
        (f".venv/bin/mantle stack update {NAME} --existing -p members=4", "the plan first"),
        ('make openstack ARGS="stack list"', "the stock client, in its own environment"),
        ("make demo-down", "take it all away"),
    )
    width = max(len(command) for command, _ in tries)
    lines = [f"  {command:<{width}}   {why}".rstrip() for command, why in tries]
    return "\n".join(["What to try next:", "", *lines])


def _short(path: Path) -> str:
    """Relative to here when it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _take_down(screen: Screen, data: Path) -> Exit:
    plane = find_plane(data)
    if plane is None and not (data / "clouds.yaml").is_file():
        screen.say("No demo is there.")
        return Exit.OK
    # Servers outlive their control plane: one that crashed is started again to remove them.
    plane, _ = ensure_plane(data)
    try:
        with _client(data) as client:
            if find_stack(client, NAME) is not None:
                _delete(screen, client)
    finally:
        _stop(screen, plane, data)
    left = left_behind(data)
    if left:
        raise Stop(Exit.FAILED, "These processes are still there:\n  " + "\n  ".join(left))
    screen.say("The demo is gone: no process is left behind.")
    return Exit.OK


def _stop(screen: Screen, plane: Plane, data: Path) -> None:
    stop_plane(plane, data)
    screen.say("The control plane has stopped.")
