"""Policy rules: what a project or the operator allows to be done to stacks."""

from dataclasses import dataclass
from enum import StrEnum

from mantle.model.ids import ProjectId

EVERYWHERE = ProjectId("")
"""The project of a rule that the operator set for all projects."""


class Effect(StrEnum):
    """What follows when a rule's expression is true."""

    DENY = "deny"
    """The change is refused; also when the rule cannot be evaluated."""
    WARN = "warn"
    """The plan says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One rule. Empty `actions` and `resource_types` mean all."""

    id: str
    project_id: ProjectId
    name: str
    effect: Effect
    expression: str
    """CEL over the variables of `plan.policy.VOCABULARY`; true means the rule applies."""
    actions: tuple[str, ...] = ()
    """The stack's action in small letters: create, update, delete, …"""
    resource_types: tuple[str, ...] = ()
    """Types, or beginnings of types that end in `*`."""
    description: str = ""
    """For whoever is refused: why the rule is, and what to do instead."""
    origin: str = ""
    """Where the expression is written: `rules.yaml:12`. Empty when it came without a file."""
    set_by: str = ""
    set_at: float = 0.0

    @property
    def scope(self) -> str:
        """Whose rule it is."""
        return "operator" if self.project_id == EVERYWHERE else "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for a change, as rules see them."""

    user_id: str = ""
    user_name: str = ""
    roles: tuple[str, ...] = ()


NOBODY = Asker()
"""Upkeep by Mantle itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVerdict:
    """A rule that applies to one step of a plan."""

    rule: str
    scope: str
    effect: Effect
    step: str
    resource: str
    resource_type: str
    reason: str
    """The rule's description, or why it could not be evaluated."""
    rule_place: str
    """`rules.yaml:12`, or `line 1 of the rule's expression`."""
    template_place: str = ""
    """`web.yaml:7:3`; empty when the template came as data."""

    @property
    def denies(self) -> bool:
        """Whether it refuses the plan."""
        return self.effect is Effect.DENY

    def __str__(self) -> str:
        word = "denied by" if self.denies else "warning of"
        place = f"{self.template_place}: " if self.template_place else ""
        return (
            f"{place}{self.step}: {word} {self.scope} rule {self.rule!r} ({self.rule_place}): "
            f"{self.reason}"
        )
