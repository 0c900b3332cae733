"""`mantle stack protect|unprotect|ttl|guard`: what guards a stack."""

from typing import Any

from cyclopts import App

from mantle.cli.durations import seconds_of
from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, Common
from mantle.cli.screen import Screen


def add_guards(app: App) -> None:
    """Put the verbs under `mantle stack`."""
    for verb in (protect, unprotect, ttl, guard):
        app.command(verb)


def protect(name: str, /, *, why: str = "", common: Common = NOTHING) -> Exit:
    """Refuse the stack's deletion, and that of the stacks inside it, until `unprotect`.

    Updates go on; to keep single resources from being destroyed by one, give them the metadata
    `mantle:prevent_destroy: true` in the template.

    Try:

        mantle stack protect web --why "serves customers"

    Args:
        name: Name or id.
        why: Told to whoever tries to delete it.
    """
    return _set(common, name, "protection", {"protected": True, "why": why})


def unprotect(name: str, /, *, common: Common = NOTHING) -> Exit:
    """Allow the stack's deletion again.

    Try:

        mantle stack unprotect web
    """
    return _set(common, name, "protection", {"protected": False})


def ttl(
    name: str,
    length: str | None = None,
    /,
    *,
    never: bool = False,
    warn: tuple[str, ...] = (),
    common: Common = NOTHING,
) -> Exit:
    """Let a stack live so long from now; then it is deleted like by `mantle stack delete`.

    Setting it again extends it. A protected stack stays, and an event says so.

    Try:

        mantle stack ttl trial 8h
        mantle stack ttl trial 2d --warn 6h --warn 30m
        mantle stack ttl trial --never

    Args:
        name: Name or id.
        length: 90s, 30m, 8h, 2d, 1h30m.
        never: It lives until someone deletes it.
        warn: An event comes so long before the end; repeatable. Default: 1h and 10m.
    """
    if (length is None) is not never:
        raise Stop(Exit.USAGE, "Say how long (8h), or --never.")
    body: dict[str, Any] = {"ttl_seconds": None if length is None else seconds_of(length)}
    if warn:
        body["warn_seconds"] = [seconds_of(one) for one in warn]
    return _set(common, name, "lifetime", body)


def guard(name: str, /, *, common: Common = NOTHING) -> Exit:
    """Show whether the stack is protected, and when it ends.

    Try:

        mantle stack guard web
    """
    with common.client() as client:
        answer = client.get("stacks", name, "guard")
    return _show(common.screen, answer)


def _set(common: Common, name: str, what: str, body: dict[str, Any]) -> Exit:
    with common.client() as client:
        answer = client.put("stacks", name, what, body=body)
    return _show(common.screen, answer)


def _show(screen: Screen, answer: dict[str, Any]) -> Exit:
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    found = answer["guard"]
    screen.facts(
        {
            "protected": "yes" if found["protected"] else "no",
            "why": found["why"] or None,
            "set by": found["set_by"] or None,
            "expires at": found["expires_at"] or "never",
        }
    )
    return Exit.OK
