"""`/v2/policies`: rules about what may be done to stacks, in CEL."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mantle.access.caller import Caller
from mantle.access.policy import enforce
from mantle.api.door import JSON_DEPTH, depth_exceeds
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import when
from mantle.model.errors import MantleError
from mantle.model.policies import PolicyRule
from mantle.stacks.policies import (
    RuleRequest,
    delete_rule,
    find_rule,
    list_rules,
    set_rule,
    try_expression,
)

Scope = Literal["project", "operator"]


class RuleBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A rule. Empty `actions` and `resource_types` mean all; a type may end in `*`."""

    effect: str
    expression: str
    actions: list[str] = []
    resource_types: list[str] = []
    description: str = ""
    origin: str = ""
    """Where the expression is written, for messages: `rules.yaml:12`."""
    scope: Scope = "project"


class TrialBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An expression and values for its variables; what is not given is empty."""

    expression: str
    context: dict[str, Any] = {}


class Rule(msgspec.Struct, kw_only=True):
    """A rule as it is stored."""

    name: str
    scope: str
    effect: str
    expression: str
    actions: list[str]
    resource_types: list[str]
    description: str
    origin: str
    set_by: str
    set_at: str | None


class RuleAnswer(msgspec.Struct, kw_only=True):
    """One rule."""

    policy: Rule


class RulesAnswer(msgspec.Struct, kw_only=True):
    """The rules that hold in the project: the operator's, then its own."""

    policies: list[Rule]


class TrialAnswer(msgspec.Struct, kw_only=True):
    """Whether the expression holds; null when it cannot be evaluated, with the reason."""

    applies: Annotated[bool | None, msgspec.Meta(description="null: cannot be evaluated")]
    reason: str


class PoliciesController(Controller):
    """Rules of the token's project, and the operator's."""

    path = "/policies"
    tags = ["policies"]

    @get("/", summary="List policy rules")
    async def index(self, control: GivenControl, caller: GivenCaller) -> RulesAnswer:
        """All that hold in this project."""
        enforce(caller, "policies:index")
        return RulesAnswer(policies=[_shape(rule) for rule in await list_rules(control, caller)])

    @post("/test", status_code=200, summary="Try an expression")
    async def test(self, caller: GivenCaller, data: JSONBody[TrialBody]) -> TrialAnswer:
        """Nothing is stored."""
        enforce(caller, "policies:test")
        if depth_exceeds([data.context], JSON_DEPTH):
            raise MantleError(f"The context nests deeper than {JSON_DEPTH} levels.")
        trial = try_expression(data.expression, data.context)
        return TrialAnswer(applies=trial.applies, reason=trial.reason)

    @get("/{name:str}", summary="Show a policy rule")
    async def show(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name: FromPath[str],
        operator: FromQuery[bool] = False,
    ) -> RuleAnswer:
        """Of the project, or with `operator=true` the operator's."""
        enforce(caller, "policies:show")
        rule = await find_rule(control, caller, name, everywhere=operator)
        return RuleAnswer(policy=_shape(rule))

    @put("/{name:str}", summary="Set a policy rule")
    async def set(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name: FromPath[str],
        data: JSONBody[RuleBody],
    ) -> RuleAnswer:
        """Compiled and checked first; one of that name is replaced. Operator rules need admin."""
        _enforce(caller, "policies:set", operator=data.scope == "operator")
        request = RuleRequest(
            name=name,
            effect=data.effect,
            expression=data.expression,
            actions=tuple(data.actions),
            resource_types=tuple(data.resource_types),
            description=data.description,
            origin=data.origin,
            everywhere=data.scope == "operator",
        )
        return RuleAnswer(policy=_shape(await set_rule(control, caller, request)))

    @delete("/{name:str}", status_code=204, summary="Delete a policy rule")
    async def delete(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name: FromPath[str],
        operator: FromQuery[bool] = False,
    ) -> None:
        """It no longer holds from the next plan on."""
        _enforce(caller, "policies:delete", operator=operator)
        await delete_rule(control, caller, name, everywhere=operator)


def _enforce(caller: Caller, deed: str, *, operator: bool) -> None:
    enforce(caller, deed)
    if operator:
        enforce(caller, "policies:operator")


def _shape(rule: PolicyRule) -> Rule:
    return Rule(
        name=rule.name,
        scope=rule.scope,
        effect=rule.effect.value,
        expression=rule.expression,
        actions=list(rule.actions),
        resource_types=list(rule.resource_types),
        description=rule.description,
        origin=rule.origin,
        set_by=rule.set_by,
        set_at=when(rule.set_at),
    )
