"""Asks the policy rules about a plan: which of them deny or warn of which step.

A rule sees one step at a time, over the variables of `VOCABULARY`. A value known only later is
absent from `before` and `after`, and its name stands in `unknown`; a rule that passes must pass
with the value absent and with it present but null, so that neither `has(after.x)` nor
`after.x == "y"` lets something through that nobody knows yet. A `deny` rule that cannot be
evaluated denies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mantle.lib.expressions import BadExpression, Expression, NoAnswer, Values, Vocabulary
from mantle.model.graph import ResourceDefinition
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.policies import Asker, Effect, PolicyRule, PolicyVerdict
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.values import Unknown, Value

VARIABLES: Mapping[str, tuple[str, str]] = {
    "action": ("text", "the stack's action: create, update, delete, rollback, check, move …"),
    "change": ("text", "what the step does: create, update, replace, delete, check, leave …"),
    "replacement": ("truth", "whether the step makes or removes one side of a replacement"),
    "resource": ("map", "name, type, resolved_type, physical_id"),
    "before": ("map", "the resource's properties as they are; empty for a new one"),
    "after": ("map", "its properties as they will be; empty for one that goes"),
    "changed": ("texts", "paths of the properties that change"),
    "unknown": ("texts", "names and paths of properties whose value is known only later"),
    "stack": ("map", "name, id, cloud, project_id, tags, nested (whether it is inside another)"),
    "tags": ("texts", "the stack's tags"),
    "user": ("map", "id, name, roles of who asks"),
    "now": ("time", "when the plan is made, UTC"),
}
"""Name to kind and meaning; docs/reference/policies.md says the same."""

VOCABULARY = Vocabulary({name: kind for name, (kind, _) in VARIABLES.items()})

MOST_SECONDS = 10.0
"""That the rules may take over one plan; what is not evaluated by then counts as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything the rules are asked about."""

    plan: Plan
    stack: StackRecord
    rows: Sequence[ResourceRecord]
    after: Mapping[str, Mapping[str, Value]]
    """The wanted properties by resource name, of what is created or updated."""
    definitions: Mapping[str, ResourceDefinition]
    asker: Asker
    now: float


def judge_plan(
    rules: Sequence[PolicyRule],
    question: Question,
    seconds: Callable[[], float] = lambda: 0.0,
    only: Callable[[Step], bool] = lambda _: True,
) -> tuple[PolicyVerdict, ...]:
    """Every rule that denies or warns of a step, in the order of steps.

    `seconds` is a clock that bounds the whole (`MOST_SECONDS`); `only` chooses steps.
    """
    action = str(question.plan.action).lower()
    ready = [Ready.of(rule) for rule in rules if not rule.actions or action in rule.actions]
    if not ready:
        return ()
    rows = {row.id: row for row in question.rows}
    replaced = {step.replaces for step in question.plan.steps if step.replaces}
    found: list[PolicyVerdict] = []
    end = seconds() + MOST_SECONDS
    for step in question.plan.steps:
        row = rows.get(step.replaces or step.resource_id)
        resolved = _resolved_type(step, row, question.definitions)
        asked = [one for one in ready if one.concerns(step.resource_type, resolved)]
        if not asked or not only(step):
            continue
        both = _both(question, step, row, resolved, step.resource_id in replaced)
        for one in asked:
            reason = (
                f"the rules took more than {MOST_SECONDS:.0f} s, so this one was not evaluated"
                if seconds() > end
                else one.applies(both)
            )
            if reason is not None:
                found.append(one.verdict(str(step.key), step.resource, step.resource_type, reason))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule, compiled or known to be broken."""

    rule: PolicyRule
    expression: Expression | None
    fault: str = ""

    @staticmethod
    def of(rule: PolicyRule) -> "Ready":
        """Compile it."""
        try:
            return Ready(rule, VOCABULARY.compile(rule.expression))
        except BadExpression as error:
            return Ready(rule, None, str(error))

    def concerns(self, *types: str) -> bool:
        """Whether the rule is about one of these types."""
        if not self.rule.resource_types:
            return True
        return any(
            pattern == name or (pattern.endswith("*") and name.startswith(pattern[:-1]))
            for pattern in self.rule.resource_types
            for name in types
        )

    def applies(self, both: Sequence[tuple[Values, tuple[str, ...]]]) -> str | None:
        """Why the rule applies; None when it does not."""
        if self.expression is None:
            return f"the rule cannot be evaluated: {self.fault}"
        for values, unknown in both:
            try:
                if self.expression.holds(values):
                    return self.rule.description or f"{self.rule.expression.strip()[:200]}"
            except NoAnswer as error:
                late = f" (known only later: {', '.join(unknown[:5])})" if unknown else ""
                return f"the rule cannot be evaluated: {error}{late}"
        return None

    def verdict(self, step: str, resource: str, resource_type: str, reason: str) -> PolicyVerdict:
        """What the rule says of a step, for that reason."""
        rule = self.rule
        return PolicyVerdict(
            rule=rule.name,
            scope=rule.scope,
            effect=rule.effect,
            step=step,
            resource=resource,
            resource_type=resource_type,
            reason=reason,
            rule_place=rule.origin or "line 1 of its expression",
        )


def _resolved_type(
    step: Step, row: ResourceRecord | None, definitions: Mapping[str, ResourceDefinition]
) -> str:
    definition = definitions.get(step.resource)
    if step.kind in {StepKind.CREATE, StepKind.UPDATE} and definition is not None:
        return definition.resolved_type
    return row.resolved_type if row is not None else step.resource_type


def _both(
    question: Question, step: Step, row: ResourceRecord | None, resolved: str, replaced: bool
) -> list[tuple[Values, tuple[str, ...]]]:
    """The step's variables: with unknown values absent and, if there are any, with them null."""
    stack, asker = question.stack, question.asker
    forward = step.kind in {StepKind.CREATE, StepKind.UPDATE}
    wanted = question.after.get(step.resource, {}) if forward else {}
    unknown: list[str] = []
    after = _known(wanted, "", unknown, absent=True)
    data = {
        "action": str(question.plan.action).lower(),
        "change": "replace" if step.kind is StepKind.CREATE and step.replaces else str(step.kind),
        "replacement": bool(step.replaces) or replaced,
        "resource": {
            "name": step.resource,
            "type": step.resource_type,
            "resolved_type": resolved,
            "physical_id": (row.physical_id or "") if row is not None else "",
        },
        "before": dict(row.properties) if row is not None else {},
        "after": after,
        "changed": [change.path for change in step.changes],
        "unknown": unknown,
        **circumstances(stack, asker, question.now),
    }
    names = tuple(unknown)
    both = [(VOCABULARY.values(data), names)]
    if unknown:
        null = {**data, "after": _known(wanted, "", [], absent=False)}
        both.append((VOCABULARY.values(null), names))
    return both


def circumstances(stack: StackRecord, asker: Asker, now: float) -> dict[str, Any]:
    """The variables that are the same for every step."""
    return {
        "stack": {
            "name": stack.name,
            "id": stack.id,
            "cloud": stack.cloud,
            "project_id": stack.project_id,
            "tags": list(stack.tags),
            "nested": stack.parent_id is not None,
        },
        "tags": list(stack.tags),
        "user": {"id": asker.user_id, "name": asker.user_name, "roles": list(asker.roles)},
        "now": datetime.fromtimestamp(now, UTC),
    }


class _Absent:
    """Stands for a value that nobody knows yet."""


_ABSENT = _Absent()


def _known(wanted: Mapping[str, Value], path: str, unknown: list[str], *, absent: bool) -> Any:
    """The map without what is unknown, or with null in its place; `unknown` gets the names.

    A list with an unknown item is unknown whole: its length must not lie.
    """
    kept: dict[str, Any] = {}
    for name, value in wanted.items():
        here = f"{path}.{name}" if path else str(name)
        before = len(unknown)
        shown = _known_part(value, here, unknown, absent=absent)
        if isinstance(shown, _Absent):
            unknown.append(here)
            if not absent:
                kept[name] = None
        else:
            kept[name] = shown
            if not path and len(unknown) > before:
                unknown.append(here)
    return kept


def _known_part(value: Value, path: str, unknown: list[str], *, absent: bool) -> Any:
    if isinstance(value, Unknown):
        return _ABSENT
    if isinstance(value, Mapping):
        return _known(value, path, unknown, absent=absent)
    if isinstance(value, list | tuple):
        inside: list[str] = []
        items = [_known_part(item, f"{path}[]", inside, absent=absent) for item in value]
        if any(isinstance(item, _Absent) for item in items):
            return _ABSENT
        unknown.extend(inside)
        return items
    return value


def denials(verdicts: Iterable[PolicyVerdict]) -> list[PolicyVerdict]:
    """Those that refuse the plan."""
    return [verdict for verdict in verdicts if verdict.effect is Effect.DENY]
