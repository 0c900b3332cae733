"""A plan as text for people and as JSON for machines.

In JSON, a value known only later is `{"unknown": ["web"]}`. A real map of exactly that shape is
wrapped as `{"literal": {…}}`, so that reading a plan back gives the same plan.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from mantle.model.ids import OperationId, PlanId, ResourceId, StackId, StepKey, Token
from mantle.model.plan import Change, Plan, Step, StepKind
from mantle.model.policies import Effect, PolicyVerdict
from mantle.model.status import Action
from mantle.model.values import Unknown, Value
from mantle.plan.masking import MASKED

REPLACE = "replace"
RENEW = "replace, old first"

SIGNS: Mapping[str, tuple[str, str]] = {
    StepKind.CREATE: ("+", "create"),
    StepKind.ADOPT: ("=", "take over what is there"),
    StepKind.UPDATE: ("~", "change in place"),
    REPLACE: ("+/-", "make a new one, then delete the old"),
    RENEW: ("-/+", "delete the old one, then make a new one"),
    StepKind.DELETE: ("-", "delete"),
    StepKind.FORGET: ("x", "leave the stack, keep the object"),
    StepKind.CHECK: ("?", "check"),
    StepKind.SUSPEND: ("<", "suspend"),
    StepKind.RESUME: (">", "resume"),
    StepKind.SNAPSHOT: ("s", "take a snapshot"),
    StepKind.RESTORE: ("r", "put back what a snapshot kept"),
    StepKind.KEEP: (" ", "leave alone"),
}
"""What stands before a step, and what the legend says of it. The order is that of the counts."""

TEXT_LINES = 8
"""Lines of a long text that are shown; the plan's JSON has all of them."""


def render(plan: Plan) -> str:
    """The plan for people: every step with its reason, and a line that counts them."""
    heading = f"Plan for stack {plan.stack_name} ({plan.action.lower()})"
    said = ["\n".join(f"  !   {verdict}" for verdict in plan.verdicts)] if plan.verdicts else []
    if plan.is_empty:
        return f"{heading}\n\n{_counts(plan)}\n"
    shown = {_sign_of(step): None for step in plan.steps}
    legend = [f"  {SIGNS[sign][0]:<4}{SIGNS[sign][1]}" for sign in SIGNS if sign in shown]
    blocks = ["\n".join(_step_lines(step)) for step in plan.steps]
    return "\n\n".join([heading, "\n".join(legend), *blocks, *said, _counts(plan)]) + "\n"


def _sign_of(step: Step) -> str:
    if step.kind is StepKind.CREATE and step.replaces:
        return RENEW if step.old_first else REPLACE
    return str(step.kind)


def _step_lines(step: Step) -> Iterator[str]:
    yield f"  {SIGNS[_sign_of(step)][0]:<4}{step.resource}  ({step.resource_type})"
    yield f"        {step.reason}"
    if step.old_first:
        yield f"        the old one goes first: {step.old_first}"
    for change in step.changes:
        fresh = step.kind is StepKind.CREATE and change.before is None
        yield from (f"        {line}" for line in _change_lines(change, fresh=fresh))
    if step.requires:
        yield f"        after {_names(step.requires)}"


def _names(requires: tuple[StepKey, ...]) -> str:
    shown = ", ".join(requires[:6])
    return shown if len(requires) <= 6 else f"{shown} and {len(requires) - 6} more"


def _change_lines(change: Change, *, fresh: bool) -> Iterator[str]:
    suffix = "  (needs a new one)" if change.forces_replacement and not fresh else ""
    if _is_long(change.after) or _is_long(change.before):
        yield f"{change.path}:{suffix}"
        yield from _text_lines(change, fresh=fresh)
    elif fresh:
        yield f"{change.path}: {_value(change.after)}"
    else:
        yield f"{change.path}: {_value(change.before)} -> {_value(change.after)}{suffix}"


def _is_long(value: Value) -> bool:
    return isinstance(value, str) and "\n" in value


def _text_lines(change: Change, *, fresh: bool) -> Iterator[str]:
    """A text of several lines: how it begins, or the lines that differ."""
    after = _lines_of(change.after)
    if fresh:
        lines = after
    else:
        diff = unified_diff(_lines_of(change.before), after, n=1, lineterm="")
        lines = list(diff)[2:]
    yield from (f"| {line}".rstrip() for line in lines[:TEXT_LINES])
    if len(lines) > TEXT_LINES:
        left = len(lines) - TEXT_LINES
        yield f"| … {left} more {'line' if left == 1 else 'lines'}"


def _lines_of(value: Value) -> list[str]:
    if value is None:
        return []
    return value.splitlines() if isinstance(value, str) else [_value(value)]


def _value(value: Value) -> str:
    if isinstance(value, Unknown):
        return f"(known after {', '.join(value.after)})"
    if value == MASKED:
        return MASKED
    return json.dumps(_without_nulls(value), ensure_ascii=False, default=_inside)


def _without_nulls(value: Value) -> Value:
    """Without the fields of maps that nobody gave: a schema fills them with null."""
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value


def _inside(value: object) -> str:
    """An unknown in the midst of a map or list."""
    if isinstance(value, Unknown):
        return f"({value})"
    raise TypeError(f"a plan holds a {type(value).__name__}, which is no JSON")


def _counts(plan: Plan) -> str:
    """What is done, counted by resource: a replacement counts once."""
    replaced = {step.replaces for step in plan.steps if step.replaces}
    counted = Counter(
        _sign_of(step)
        for step in plan.steps
        if not (step.kind is StepKind.DELETE and step.resource_id in replaced)
    )
    if not counted:
        same = len(plan.unchanged)
        return f"Nothing to do: {same} {'resource is' if same == 1 else 'resources are'} as wanted."
    parts = [f"{counted[sign]} to {sign}" for sign in SIGNS if counted[sign]]
    return f"{', '.join(parts)}, {len(plan.unchanged)} unchanged."


# --- JSON ------------------------------------------------------------------------------------


def plan_json(plan: Plan) -> dict[str, Any]:
    """The whole plan as JSON data."""
    return {
        "id": plan.id,
        "stack_id": plan.stack_id,
        "stack_name": plan.stack_name,
        "action": str(plan.action),
        "steps": [_step_json(step) for step in plan.steps],
        "unchanged": list(plan.unchanged),
        "based_on": dict(plan.based_on),
        "made_at": plan.made_at,
        "expires_at": plan.expires_at,
        "verdicts": [verdict_json(verdict) for verdict in plan.verdicts],
        "part_of": plan.part_of,
        "whole": plan.whole,
        "within": None if plan.within is None else list(plan.within),
        "corrects": plan.corrects,
    }


def verdict_json(verdict: PolicyVerdict) -> dict[str, str]:
    """What a policy rule says of a step."""
    return {name: str(getattr(verdict, name)) for name in PolicyVerdict.__dataclass_fields__}


def verdict_of(data: Mapping[str, str]) -> PolicyVerdict:
    """The verdict that `verdict_json` wrote."""
    return PolicyVerdict(**{**data, "effect": Effect(data["effect"])})  # type: ignore[arg-type]


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "key": step.key,
        "kind": str(step.kind),
        "resource": step.resource,
        "resource_type": step.resource_type,
        "resource_id": step.resource_id,
        "token": step.token,
        "reason": step.reason,
        "requires": list(step.requires),
        "changes": [
            {
                "path": change.path,
                "before": _encoded(change.before),
                "after": _encoded(change.after),
                "forces_replacement": change.forces_replacement,
            }
            for change in step.changes
        ],
        "replaces": step.replaces,
        "old_first": step.old_first,
        "unknown_after": list(step.unknown_after),
        "timeout_seconds": step.timeout_seconds,
        "digest": step.digest,
    }


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """The plan that `plan_json` wrote."""
    return Plan(
        id=PlanId(data["id"]),
        stack_id=StackId(data["stack_id"]),
        stack_name=data["stack_name"],
        action=Action(data["action"]),
        steps=tuple(_step(step) for step in data["steps"]),
        unchanged=tuple(data["unchanged"]),
        based_on=dict(data["based_on"]),
        made_at=data["made_at"],
        expires_at=data["expires_at"],
        verdicts=tuple(verdict_of(one) for one in data.get("verdicts", ())),
        part_of=PlanId(data["part_of"]) if data.get("part_of") else None,
        whole=data.get("whole", True),
        within=None if data.get("within") is None else tuple(data["within"]),
        corrects=OperationId(data["corrects"]) if data.get("corrects") else None,
    )


def _step(data: Mapping[str, Any]) -> Step:
    return Step(
        key=StepKey(data["key"]),
        kind=StepKind(data["kind"]),
        resource=data["resource"],
        resource_type=data["resource_type"],
        resource_id=ResourceId(data["resource_id"]),
        token=Token(data["token"]),
        reason=data["reason"],
        requires=tuple(StepKey(key) for key in data["requires"]),
        changes=tuple(
            Change(
                path=change["path"],
                before=_decoded(change["before"]),
                after=_decoded(change["after"]),
                forces_replacement=change["forces_replacement"],
            )
            for change in data["changes"]
        ),
        replaces=ResourceId(data["replaces"]) if data["replaces"] else None,
        old_first=data.get("old_first", ""),
        unknown_after=tuple(data["unknown_after"]),
        timeout_seconds=data["timeout_seconds"],
        digest=data["digest"],
    )


def _encoded(value: Value) -> Any:
    if isinstance(value, Unknown):
        return {"unknown": list(value.after)}
    if isinstance(value, Mapping):
        coded = {key: _encoded(part) for key, part in value.items()}
        return {"literal": coded} if coded.keys() in RESERVED else coded
    if isinstance(value, list | tuple):
        return [_encoded(part) for part in value]
    return value


def _decoded(data: Any) -> Value:
    if isinstance(data, dict):
        if data.keys() == {"unknown"}:
            return Unknown(tuple(data["unknown"]))
        inside = data["literal"] if data.keys() == {"literal"} else data
        return {key: _decoded(part) for key, part in inside.items()}
    if isinstance(data, list):
        return [_decoded(part) for part in data]
    return data


RESERVED = ({"unknown"}, {"literal"})
"""Maps with just such a key mean something in a plan's JSON."""
