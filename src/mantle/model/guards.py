"""What guards a stack beside its template: protection from deletion, and the end of its life."""

from dataclasses import dataclass

from mantle.model.ids import ProjectId, StackId


@dataclass(frozen=True, slots=True, kw_only=True)
class StackGuard:
    """The guard of one root stack. It covers the stacks inside it."""

    stack_id: StackId
    project_id: ProjectId
    protected: bool = False
    """Deleting is refused until someone takes this back."""
    why: str = ""
    set_by: str = ""
    expires_at: float | None = None
    """Seconds since the epoch: from then on the stack is deleted."""
    leads: tuple[float, ...] = ()
    """Seconds before the end at which an event warns, longest first."""
    warned: tuple[float, ...] = ()
    """Leads that have been warned of."""
    quiet_until: float = 0.0
    """After a refused deletion: when to try again."""
    version: int = 0
    """Grows with every write, so that of several engines one acts."""
