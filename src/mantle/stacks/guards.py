"""Protection from deletion, and a stack's time to live."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from mantle.access.caller import Caller
from mantle.model.errors import Conflict, MantleError, NotSupported
from mantle.model.guards import StackGuard
from mantle.model.records import StackRecord
from mantle.plan.lifetime import LEADS, MOST_LEADS, spoken
from mantle.stacks.control import Control
from mantle.store import events as event_rows
from mantle.store import guards as guard_rows
from mantle.store.database import Connection

LONGEST_SECONDS = 10 * 365 * 86_400.0
"""The longest life that can be set."""

RIVALS = 20
"""Writes of others that are waited out before giving up; each is a moment."""


async def show_guard(control: Control, stack: StackRecord) -> StackGuard:
    """What guards the stack; for a nested one, its root's."""
    return await control.database.read(guard_rows.get, stack.root_id, stack.project_id)


async def protect_stack(
    control: Control, caller: Caller, stack: StackRecord, *, protected: bool, why: str = ""
) -> StackGuard:
    """Refuse its deletion from now on, or take that back. Saying it again changes nothing."""
    _root_only(stack)
    word = "is protected from deletion" if protected else "is no longer protected from deletion"

    def changed(guard: StackGuard) -> StackGuard:
        text = why[:1000] if protected else ""
        return replace(guard, protected=protected, why=text, set_by=caller.user_name)

    return await _change(control, stack, changed, f"Stack {word}{f': {why}' if why else ''}")


async def set_ttl(
    control: Control,
    caller: Caller,
    stack: StackRecord,
    seconds: float | None,
    leads: Sequence[float] | None = None,
) -> StackGuard:
    """Let the stack live so long from now; None: as long as nobody deletes it.

    Extending is setting it again: warnings begin anew.
    """
    _root_only(stack)
    now = control.clock.now()
    expires_at = None if seconds is None else now + checked_ttl(seconds)
    asked = LEADS if leads is None else checked_leads(leads)

    def changed(guard: StackGuard) -> StackGuard:
        kept = tuple(lead for lead in asked if seconds is not None and lead < seconds)
        return replace(
            guard,
            expires_at=expires_at,
            leads=kept,
            warned=(),
            quiet_until=0.0,
            set_by=caller.user_name,
        )

    text = (
        "Stack lives until it is deleted"
        if seconds is None
        else f"Stack is to be deleted in {spoken(seconds)}"
    )
    guard = await _change(control, stack, changed, text)
    control.machine.nudges.nudge("upkeep")
    return guard


def checked_ttl(seconds: float) -> float:
    """A usable length of life, or why it is none."""
    if not math.isfinite(seconds) or not 1 <= seconds <= LONGEST_SECONDS:
        raise MantleError(
            f"A time to live of {seconds} s is not possible.",
            remedy=f"Give 1 s to {LONGEST_SECONDS:.0f} s (ten years).",
        )
    return seconds


def checked_leads(leads: Sequence[float]) -> tuple[float, ...]:
    """Usable leads, longest first, or why they are none."""
    bad = [lead for lead in leads if not math.isfinite(lead) or not 0 < lead <= LONGEST_SECONDS]
    if bad or len(leads) > MOST_LEADS:
        raise MantleError(
            f"Warnings cannot come {bad or list(leads)} s before the end.",
            remedy=f"Give at most {MOST_LEADS} lengths of time above 0.",
        )
    return tuple(sorted(set(leads), reverse=True))


def fresh_guard(
    stack: StackRecord, caller: Caller, *, protected: bool, ttl_seconds: float | None
) -> StackGuard | None:
    """The guard a stack is created with; None when it has none."""
    if not protected and ttl_seconds is None:
        return None
    if ttl_seconds is not None:
        checked_ttl(ttl_seconds)
    return StackGuard(
        stack_id=stack.id,
        project_id=stack.project_id,
        protected=protected,
        set_by=caller.user_name,
        expires_at=None if ttl_seconds is None else stack.created_at + ttl_seconds,
        leads=tuple(lead for lead in LEADS if ttl_seconds is not None and lead < ttl_seconds),
    )


def refuse_protected(connection: Connection, stack: StackRecord) -> None:
    """Raise `Conflict` when the stack, or the one it is part of, is protected."""
    guard = guard_rows.get(connection, stack.root_id, stack.project_id)
    if not guard.protected:
        return
    which = f"Stack {stack.name!r}" if stack.parent_id is None else "The stack it is part of"
    raise Conflict(
        f"{which} is protected from deletion"
        f"{f' by {guard.set_by}' if guard.set_by else ''}{f': {guard.why}' if guard.why else '.'}",
        remedy="Take the protection back first: mantle stack unprotect.",
        fault="StackProtected",
    )


def _root_only(stack: StackRecord) -> None:
    if stack.parent_id is not None:
        raise NotSupported(
            f"Stack {stack.name!r} is part of another; it is guarded with that one.",
            remedy=f"Name the root stack, {stack.root_id}.",
        )


async def _change(
    control: Control,
    stack: StackRecord,
    change: Callable[[StackGuard], StackGuard],
    said: str,
) -> StackGuard:
    """Write the changed guard and an event that tells of it."""
    event = control.machine.stack_event(stack, None, stack.action, stack.status, said)

    def write(connection: Connection) -> StackGuard | None:
        before = guard_rows.get(connection, stack.id, stack.project_id)
        after = change(before)
        if not guard_rows.save(connection, after):
            return None
        event_rows.add(connection, [event])
        return replace(after, version=before.version + 1)

    for _ in range(RIVALS):
        done = await control.database.write(write)
        if done is not None:
            control.machine.nudges.nudge(stack.id)
            return done
    raise Conflict(f"The guard of stack {stack.name!r} is being changed by others.")
