"""Makes steps. A step's key reads as what it does: `create web`, `delete web`."""

from collections.abc import Iterable

from mantle.model.graph import ResourceDefinition
from mantle.model.ids import ResourceId, StepKey, Token
from mantle.model.plan import Change, Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.values import unknowns_in


def step_key(kind: StepKind, resource: str, among: ResourceId | None = None) -> StepKey:
    """The step's name. `among` tells apart several rows of one resource that meet the same end."""
    return StepKey(f"{kind} {resource}" if among is None else f"{kind} {resource} #{among}")


def create(
    definition: ResourceDefinition,
    *,
    row_id: ResourceId,
    token: Token,
    reason: str,
    requires: Iterable[StepKey],
    changes: tuple[Change, ...],
    replaces: ResourceId | None,
    digest: str,
    timeout_seconds: float,
) -> Step:
    """Make the resource; the row and its token exist before anything is called."""
    return Step(
        key=step_key(StepKind.CREATE, definition.name),
        kind=StepKind.CREATE,
        resource=definition.name,
        resource_type=definition.type,
        resource_id=row_id,
        token=token,
        reason=reason,
        requires=tuple(requires),
        changes=changes,
        replaces=replaces,
        unknown_after=waits_for(changes),
        timeout_seconds=timeout_seconds,
        digest=digest,
    )


def update(
    definition: ResourceDefinition,
    row: ResourceRecord,
    *,
    reason: str,
    requires: Iterable[StepKey],
    changes: tuple[Change, ...],
    digest: str,
    timeout_seconds: float,
) -> Step:
    """Change the row's resource in place."""
    return Step(
        key=step_key(StepKind.UPDATE, definition.name),
        kind=StepKind.UPDATE,
        resource=definition.name,
        resource_type=definition.type,
        resource_id=row.id,
        token=row.token,
        reason=reason,
        requires=tuple(requires),
        changes=changes,
        unknown_after=waits_for(changes),
        timeout_seconds=timeout_seconds,
        digest=digest,
    )


def adopt(
    definition: ResourceDefinition,
    row: ResourceRecord,
    *,
    reason: str,
    requires: Iterable[StepKey],
    digest: str,
    timeout_seconds: float,
) -> Step:
    """Take over the object that the row names."""
    return Step(
        key=step_key(StepKind.ADOPT, definition.name),
        kind=StepKind.ADOPT,
        resource=definition.name,
        resource_type=definition.type,
        resource_id=row.id,
        token=row.token,
        reason=reason,
        requires=tuple(requires),
        timeout_seconds=timeout_seconds,
        digest=digest,
    )


def restore(
    definition: ResourceDefinition,
    before: Step | None,
    row: ResourceRecord | None,
    requires: Iterable[StepKey],
    *,
    timeout_seconds: float,
) -> Step:
    """Put back what a snapshot kept, into the row that the step before makes, or into this one."""
    if before is not None:
        row_id, token, requires = before.resource_id, before.token, (before.key,)
    else:
        assert row is not None, "there is a step or a row"
        row_id, token = row.id, row.token
    return Step(
        key=step_key(StepKind.RESTORE, definition.name),
        kind=StepKind.RESTORE,
        resource=definition.name,
        resource_type=definition.type,
        resource_id=row_id,
        token=token,
        reason="the snapshot kept what it held",
        requires=tuple(requires),
        timeout_seconds=timeout_seconds,
    )


def on_row(
    kind: StepKind,
    row: ResourceRecord,
    *,
    key: StepKey,
    reason: str,
    requires: Iterable[StepKey],
    timeout_seconds: float,
) -> Step:
    """A deed that needs no template: delete, forget, check, suspend, resume, snapshot."""
    return Step(
        key=key,
        kind=kind,
        resource=row.name,
        resource_type=row.type,
        resource_id=row.id,
        token=row.token,
        reason=reason,
        requires=tuple(requires),
        timeout_seconds=timeout_seconds,
    )


def waits_for(changes: Iterable[Change]) -> tuple[str, ...]:
    """The resources that must exist before all the new values are known; sorted."""
    return tuple(
        sorted(
            {
                name
                for change in changes
                for unknown in unknowns_in(change.after)
                for name in unknown.after
            }
        )
    )
