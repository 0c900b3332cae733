"""Policy rules: set, shown, tried out, taken away."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mantle.access.caller import Caller
from mantle.lib.expressions import BadExpression, NoAnswer
from mantle.model.errors import Findings, LimitExceeded, NotFound
from mantle.model.ids import ProjectId
from mantle.model.policies import EVERYWHERE, Effect, PolicyRule
from mantle.model.status import Action
from mantle.plan.moving_rules import MOVE
from mantle.plan.policy import VARIABLES, VOCABULARY
from mantle.stacks.control import Control
from mantle.store import policies as policy_rows
from mantle.store.database import Connection

MOST_RULES = 100
"""Of one scope."""

LONGEST_TEXT = 1000
MOST_PARTS = 50
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]{0,99}")
_TYPE = re.compile(r"[A-Za-z0-9_.:/-]{1,255}\*?|\*")
ACTIONS = tuple(sorted([*(str(action).lower() for action in Action), MOVE]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRequest:
    """A rule as a caller gives it."""

    name: str
    effect: str
    expression: str
    actions: tuple[str, ...] = ()
    resource_types: tuple[str, ...] = ()
    description: str = ""
    origin: str = ""
    everywhere: bool = False


async def list_rules(control: Control, caller: Caller) -> list[PolicyRule]:
    """The rules that hold in the caller's project: the operator's, then the project's."""
    return await control.database.read(policy_rows.applicable, caller.project_id)


async def find_rule(
    control: Control, caller: Caller, name: str, *, everywhere: bool = False
) -> PolicyRule:
    """One rule."""
    rule = await control.database.read(policy_rows.get, _scope(caller, everywhere), name)
    if rule is None:
        raise _absent(name)
    return rule


async def set_rule(control: Control, caller: Caller, request: RuleRequest) -> PolicyRule:
    """Store the rule, or put it in place of the one of that name; raises `Invalid`."""
    rule = checked(request, caller, control.new_id(), control.clock.now())

    def write(connection: Connection) -> PolicyRule:
        known = policy_rows.get(connection, rule.project_id, rule.name)
        if known is None and policy_rows.count(connection, rule.project_id) >= MOST_RULES:
            raise LimitExceeded(
                f"There are {MOST_RULES} {rule.scope} rules already.",
                remedy="Delete some, or say several things in one expression.",
            )
        return policy_rows.put(connection, rule)

    return await control.database.write(write)


async def delete_rule(
    control: Control, caller: Caller, name: str, *, everywhere: bool = False
) -> None:
    """Take the rule away."""
    if not await control.database.write(policy_rows.remove, _scope(caller, everywhere), name):
        raise _absent(name)


def checked(request: RuleRequest, caller: Caller, rule_id: str, now: float) -> PolicyRule:
    """The rule, or everything that is wrong with it at once."""
    findings = Findings()
    if not _NAME.fullmatch(request.name):
        findings.add(
            "rule-name",
            f"{request.name[:200]!r} is no name for a rule.",
            ("name",),
            remedy="Begin with a letter; then letters, digits, `_`, `.` and `-`, 100 at most.",
        )
    if request.effect not in set(Effect):
        findings.add(
            "rule-effect", f"The effect is {request.effect[:200]!r}.", ("effect",),
            remedy="Use deny or warn.",
        )  # fmt: skip
    for action in request.actions[:MOST_PARTS]:
        if action not in ACTIONS:
            findings.add(
                "rule-action", f"There is no action {action[:200]!r}.", ("actions",),
                remedy=f"There are {', '.join(ACTIONS)}.",
            )  # fmt: skip
    for pattern in request.resource_types[:MOST_PARTS]:
        if not _TYPE.fullmatch(pattern):
            findings.add(
                "rule-type", f"{pattern[:200]!r} is no resource type.", ("resource_types",),
                remedy="Give a type such as OS::Nova::Server, or a beginning such as OS::Nova::*.",
            )  # fmt: skip
    for part, given in (("actions", request.actions), ("resource_types", request.resource_types)):
        if len(given) > MOST_PARTS:
            findings.add("rule-size", f"{len(given)} {part}; {MOST_PARTS} are allowed.", (part,))
    for part, text in (("description", request.description), ("origin", request.origin)):
        if len(text) > LONGEST_TEXT:
            findings.add(
                "rule-size", f"{len(text)} characters; {LONGEST_TEXT} are allowed.", (part,)
            )
    if not request.expression.strip():
        findings.add("rule-expression", "The expression is empty.", ("expression",))
    else:
        check_expression(request.expression, findings)
    findings.raise_if_any()
    return PolicyRule(
        id=rule_id,
        project_id=_scope(caller, request.everywhere),
        name=request.name,
        effect=Effect(request.effect),
        expression=request.expression,
        actions=request.actions,
        resource_types=request.resource_types,
        description=request.description,
        origin=request.origin,
        set_by=caller.user_name,
        set_at=now,
    )


def check_expression(text: str, findings: Findings) -> None:
    """Everything the compiler has against it, each with line and column."""
    try:
        VOCABULARY.compile(text)
    except BadExpression as error:
        for fault in error.faults:
            findings.add(
                "rule-expression",
                f"{fault}.",
                ("expression",),
                remedy=f"The variables are {', '.join(VARIABLES)}."
                if "undeclared" in fault.message
                else "",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an expression says of given values: whether it holds, or why nobody can tell."""

    applies: bool | None
    reason: str = ""


def try_expression(expression: str, values: Mapping[str, Any]) -> Trial:
    """Evaluate it over values as someone gives them; what is not given is empty."""
    findings = Findings()
    check_expression(expression, findings)
    for name in values:
        if name not in VARIABLES:
            findings.add(
                "rule-variable",
                f"There is no variable {str(name)[:200]!r}.",
                ("context",),
                remedy=f"There are {', '.join(VARIABLES)}.",
            )
    findings.raise_if_any()
    empty: dict[str, Any] = {
        "text": "",
        "truth": False,
        "texts": [],
        "map": {},
        "time": datetime.fromtimestamp(0, UTC),
    }
    data = {name: values.get(name, empty[kind]) for name, (kind, _) in VARIABLES.items()}
    if isinstance(data["now"], str):
        try:
            data["now"] = datetime.fromisoformat(data["now"])
        except ValueError:
            return Trial(applies=None, reason=f"now is {data['now'][:100]!r}, not a time")
    try:
        return Trial(applies=VOCABULARY.compile(expression).holds(VOCABULARY.values(data)))
    except (NoAnswer, RuntimeError, TypeError, ValueError) as error:
        return Trial(applies=None, reason=str(error)[:LONGEST_TEXT])


def _scope(caller: Caller, everywhere: bool) -> ProjectId:
    return EVERYWHERE if everywhere else caller.project_id


def _absent(name: str) -> NotFound:
    return NotFound(
        f"The Policy ({name[:200]}) could not be found.", remedy="See `mantle policy list`."
    )
