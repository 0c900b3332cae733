"""What single projects may have, where it is not what all may have."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from mantle.model.ids import ProjectId
from mantle.store.tables.limits import project_limits as limits
from mantle.store.tables.snapshots import snapshots
from mantle.store.tables.stacks import operations, resources, stacks

LIVE = ("queued", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLimit:
    """One limit of one project. -1 is no limit."""

    name: str
    value: int
    set_by: str
    set_at: float
    """Seconds since the epoch."""


# Asked with every request, and so built once.
_VALUE = select(limits.c.value).where(
    limits.c.project_id == bindparam("project"), limits.c.name == bindparam("named")
)
_LIVE_OPERATIONS = select(func.count()).where(
    operations.c.project_id == bindparam("project"),
    operations.c.parent_id.is_(None),
    operations.c.status.in_(LIVE),
)


def of_project(connection: Connection, project_id: ProjectId) -> dict[str, ProjectLimit]:
    """Those that are set for it, by name."""
    columns = (limits.c.name, limits.c.value, limits.c.set_by, limits.c.set_at)
    query = select(*columns).where(limits.c.project_id == project_id)
    return {row.name: ProjectLimit(**row._mapping) for row in connection.execute(query)}  # noqa: SLF001 - its public name


def value_of(connection: Connection, project_id: ProjectId, name: str, usual: int) -> int:
    """What the project may have of it."""
    own = connection.scalar(_VALUE, {"project": project_id, "named": name})
    return usual if own is None else int(own)


def put(connection: Connection, project_id: ProjectId, limit: ProjectLimit) -> None:
    """Set it, in place of what was set before."""
    drop(connection, project_id, limit.name)
    values = {name: getattr(limit, name) for name in ProjectLimit.__dataclass_fields__}
    connection.execute(insert(limits), {**values, "project_id": project_id})


def drop(connection: Connection, project_id: ProjectId, name: str) -> bool:
    """Back to what all may have; false when nothing was set."""
    done = connection.execute(
        delete(limits).where(limits.c.project_id == project_id, limits.c.name == name)
    )
    return bool(done.rowcount)


def live_operations(connection: Connection, project_id: ProjectId) -> int:
    """Operations that people have asked for and that have not ended; not those inside them."""
    return connection.scalar(_LIVE_OPERATIONS, {"project": project_id}) or 0


def largest_tree(connection: Connection, project_id: ProjectId) -> int:
    """Resources of the project's largest stack, with all that is nested in it."""
    counts = (
        select(func.count().label("many"))
        .select_from(resources.join(stacks, resources.c.stack_id == stacks.c.id))
        .where(stacks.c.project_id == project_id, stacks.c.deleted_at.is_(None))
        .group_by(stacks.c.root_id)
        .subquery()
    )
    return connection.scalar(select(func.max(counts.c.many))) or 0


def most_snapshots(connection: Connection, project_id: ProjectId) -> int:
    """Snapshots of the project's stack that has most."""
    counts = (
        select(func.count().label("many"))
        .select_from(snapshots.join(stacks, snapshots.c.stack_id == stacks.c.id))
        .where(stacks.c.project_id == project_id)
        .group_by(snapshots.c.stack_id)
        .subquery()
    )
    return connection.scalar(select(func.max(counts.c.many))) or 0
