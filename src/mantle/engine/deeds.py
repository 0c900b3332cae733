"""What a step of a plan is to the engine: its action, its phase, its end, and how long it waits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mantle.engine.again import AGAIN
from mantle.model.keys import ACCOUNT
from mantle.model.plan import StepKind
from mantle.model.status import Action
from mantle.plan.adoption import ADOPTED, ADOPTS, NAMED
from mantle.plan.judge import RENEW
from mantle.resources.kit import Phase, ResourceType, not_asked
from mantle.store.journal import Entry

if TYPE_CHECKING:
    from mantle.engine.walk import Walk

ACTIONS: Mapping[StepKind, Action] = {
    StepKind.CREATE: Action.CREATE,
    StepKind.ADOPT: Action.ADOPT,
    StepKind.UPDATE: Action.UPDATE,
    StepKind.DELETE: Action.DELETE,
    StepKind.FORGET: Action.DELETE,
    StepKind.CHECK: Action.CHECK,
    StepKind.SUSPEND: Action.SUSPEND,
    StepKind.RESUME: Action.RESUME,
    StepKind.SNAPSHOT: Action.SNAPSHOT,
    StepKind.RESTORE: Action.RESTORE,
}

PHASES: Mapping[StepKind, Callable[[ResourceType], Phase]] = {
    StepKind.CREATE: lambda kind: kind.create,
    StepKind.ADOPT: lambda kind: kind.check,
    StepKind.UPDATE: lambda kind: kind.update,
    StepKind.DELETE: lambda kind: kind.delete,
    StepKind.FORGET: lambda _: not_asked,
    StepKind.CHECK: lambda kind: kind.check,
    StepKind.SUSPEND: lambda kind: kind.suspend,
    StepKind.RESUME: lambda kind: kind.resume,
    StepKind.SNAPSHOT: lambda kind: kind.snapshot,
    StepKind.RESTORE: lambda kind: kind.restore,
}
"""What a kind of step calls of its type; a step that keeps calls nothing."""

FORWARD = {StepKind.CREATE, StepKind.ADOPT, StepKind.UPDATE}
"""Steps that bring a resource to what the template says."""

ROUND = "round"
OWN_NOTES = ("digest", "before", ADOPTS, ADOPTED, NAMED, AGAIN, RENEW, ROUND, ACCOUNT)
"""What the engine keeps in a row's data beside the type's own notes: the hash of a nested stack's
definition, the properties before an update that has not ended well, how often a create was begun
again, and why the next plan is to make another."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A step's end: a failure has a reason."""

    failure: str | None = None
    interrupted: bool = False
    surprise: bool = False
    """An update that its exact values forbid in place; the next plan replaces."""


class NeedsAnother(Exception):
    """An update has found that its values ask for another resource; the text says why."""


class Interrupted(Exception):
    """Somebody does not want to wait any longer: give up this wait."""


def name_it_has(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    """An adopted object keeps the name that its maker gave it, when the template gives none."""
    shown = (attributes or {}).get("show")
    name = shown.get("name") if isinstance(shown, Mapping) else None
    return {NAMED: name} if isinstance(name, str) else {}


def doubtful(
    good: Mapping[str, Any], tried: Mapping[str, Any], after: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What the object may have before an update, so that nothing half done passes for done.

    An earlier update that ended badly may have changed a property or not. So each that differs from
    what was good last or from what was tried last counts as changed.
    """
    if good == tried:
        return tried
    return {
        name: tried.get(name) if good.get(name) == after.get(name) else good.get(name)
        for name in {**good, **tried}
    }


def backoff(first: float, most: float, tries: int, jitter: float) -> float:
    """Seconds until try number `tries`; `jitter` is 0 to 1 and spreads them over a half."""
    return float(min(first * 2.0 ** (tries - 1), most) * (0.75 + jitter / 2))


def name_hint(stack: str, resource: str, token: str, limit: int) -> str:
    """The physical name: `{stack}-{resource}-{12 characters}`, cut in the middle to the limit.

    Heat keeps the first two characters, a hyphen and the tail of a name that is too long.
    """
    name = f"{stack}-{resource}-{token.replace('-', '')[-12:]}"
    return name if len(name) <= limit else f"{name[:2]}-{name[-(limit - 3) :]}"


def entry_of(walk: "Walk") -> Entry:
    """An empty entry of this walk's operation."""
    return Entry(
        operation_id=walk.operation.id, epoch=walk.operation.epoch, steps_done=walk.done_count
    )
