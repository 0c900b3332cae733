"""A saved plan as text for people: the plan, and what is beside it."""

from collections.abc import Mapping
from typing import Any

from mantle.model.plan import StepKind
from mantle.model.saved import Gate, PlanStatus, SavedPlan
from mantle.plan.render import render


def render_saved(saved: SavedPlan, now: float) -> str:
    """The plan; what is known when; waves; quota; and how far it is."""
    parts = [render(saved.plan).rstrip("\n"), *_late(saved), *_waves(saved), *_quota(saved)]
    parts += [
        f"Inside {name}:\n" + "\n".join(f"    {line}" for line in text.rstrip().splitlines())
        for name, text in saved.notes.get("nested", {}).items()
    ]
    if saved.notes.get("rollback") and not saved.waves:
        parts.append("If a step fails, the stack returns to what it was, as its setting says.")
    return "\n\n".join([*parts, _state(saved, now)]) + "\n"


def _late(saved: SavedPlan) -> list[str]:
    """Values nobody knows yet, with the step that makes them known; the order of replacements."""
    lines = [
        f"  {step.resource}: {', '.join(step.unknown_after)}"
        for step in saved.plan.steps
        if step.unknown_after
    ]
    found = ["Known only after these are made:\n" + "\n".join(lines[:20])] if lines else []
    replaced = [
        step.resource for step in saved.plan.steps if step.kind is StepKind.CREATE and step.replaces
    ]
    if replaced:
        found.append(f"Replaced, in this order: {', '.join(replaced[:50])}")
    return found


def _waves(saved: SavedPlan) -> list[str]:
    if not saved.waves:
        return []
    lines = []
    for number, wave in enumerate(saved.waves):
        mark = "done" if set(wave.steps) <= set(saved.done) else ""
        mark = mark or ("next" if number == saved.wave else "")
        steps = ", ".join(wave.steps[:6])
        more = f" and {len(wave.steps) - 6} more" if len(wave.steps) > 6 else ""
        last = number == len(saved.waves) - 1
        gate = "" if wave.gate is Gate.NONE or last else f"; then a {wave.gate} gate"
        lines.append(f"  {number + 1}. {steps}{more}{gate}{f'  ({mark})' if mark else ''}")
    return ["Waves:\n" + "\n".join(lines)]


def _quota(saved: SavedPlan) -> list[str]:
    quota: list[Mapping[str, Any]] = saved.notes.get("quota", [])
    if not quota:
        return []
    lines = []
    for one in quota:
        left = "not known" if one["left"] is None else f"{one['left']} of {one['limit']}"
        frees = f", frees {one['frees']} afterwards" if one["frees"] else ""
        lines.append(
            f"  {one['what']}: needs {one['needs']}{frees}; left {left}"
            + ("  (SHORT)" if one["verdict"] == "short" else "")
        )
    return ["Quota:\n" + "\n".join(lines)]


def _state(saved: SavedPlan, now: float) -> str:
    reason = f": {saved.reason}" if saved.reason else ""
    text = f"Plan {saved.id} is {saved.status}{reason}."
    if saved.status in {PlanStatus.OPEN, PlanStatus.PARTIAL}:
        minutes = max(0, round((saved.expires_at - now) / 60))
        text += (
            f" Apply it with `mantle plan apply {saved.id}`, within "
            f"{minutes // 60} h {minutes % 60} min."
        )
    if saved.status is PlanStatus.WAITING:
        text += f" Go on with `mantle plan continue {saved.id}`."
    return text
