"""Stacks and their sources."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, StackId
from mantle.model.records import StackRecord
from mantle.store.rows import stack_of, stack_values
from mantle.store.sealed import confidential, mark_confidential, open_json, place
from mantle.store.tables.base import Placed, sealer_of
from mantle.store.tables.plans import saved_plans
from mantle.store.tables.snapshots import snapshots
from mantle.store.tables.stacks import sources, stacks

SORTABLE = {
    "stack_name": stacks.c.name,
    "name": stacks.c.name,
    "stack_status": stacks.c.status,
    "status": stacks.c.status,
    "creation_time": stacks.c.created_at,
    "created_at": stacks.c.created_at,
    "updated_time": stacks.c.updated_at,
    "updated_at": stacks.c.updated_at,
    "id": stacks.c.id,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackQuery:
    """What a listing asks for. Empty filters let everything pass; unknown sort keys are ignored."""

    limit: int | None = None
    marker: str | None = None
    sort_keys: tuple[str, ...] = ()
    sort_dir: str = "desc"
    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    """User names."""
    owner_id: str | None = None
    """The parent stack's id: lists its children."""
    tags: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    not_tags_any: tuple[str, ...] = ()
    show_deleted: bool = False
    show_nested: bool = False
    show_hidden: bool = False
    """With the stacks whose tags the operator hides (`hidden_stack_tags`)."""


# Asked with every request, and so built once.
_LOOSE = select(sources.c.loose).where(sources.c.id == bindparam("wanted"))
_DOCUMENT = select(sources.c.document).where(sources.c.id == bindparam("wanted"))
_SAVE = update(stacks).where(stacks.c.id == bindparam("row_id"))
_LIVE_ROOTS = (stacks.c.deleted_at.is_(None), stacks.c.parent_id.is_(None))
_BY_NAME = select(stacks).where(
    stacks.c.project_id == bindparam("project"), stacks.c.name == bindparam("named"), *_LIVE_ROOTS
)
_COUNT = select(func.count()).where(stacks.c.project_id == bindparam("project"), *_LIVE_ROOTS)


def add_source(connection: Connection, source: TemplateSource, now: float) -> str:
    """Store a source once; its id is the hash of its content.

    A keyed hash where sources are sealed: a plain one would tell who guesses a password right.
    """
    document = msgspec.to_builtins(source)
    plain = msgspec.json.encode(document, order="sorted")
    sealer = sealer_of(connection.dialect)
    source_id = hashlib.sha256(plain).hexdigest() if sealer is None else sealer.name(plain)
    known = connection.execute(_LOOSE, {"wanted": source_id}).first()
    if known is not None and known.loose:
        # Whoever is about to forget it meets this.
        kept = {"loose": None, "loose_at": None}
        connection.execute(update(sources).where(sources.c.id == source_id).values(kept))
    if known is None:
        stored = Placed(document, place("sources", "document", {"id": source_id}))
        connection.execute(
            insert(sources), {"id": source_id, "document": stored, "created_at": now}
        )
    return source_id


def load_source(connection: Connection, source_id: str) -> TemplateSource:
    """The source stored under this id."""
    document = connection.scalars(_DOCUMENT, {"wanted": source_id}).one()
    return _source_of(document, source_id)


def find_source(connection: Connection, source_id: str) -> TemplateSource | None:
    """The source stored under this id, if it still is."""
    document = connection.scalars(_DOCUMENT, {"wanted": source_id}).first()
    return None if document is None else _source_of(document, source_id)


def _source_of(document: Any, source_id: str) -> TemplateSource:
    plain = open_json(document, place("sources", "document", {"id": source_id}))
    return msgspec.convert(plain, TemplateSource)


def let_go_of_sources(connection: Connection, source_ids: Sequence[str | None]) -> None:
    """Something has ceased to name these; those that nothing names any more go in a while.

    Not at once: who has just read the row that named one is about to read it, and who names it
    anew at this moment has not committed yet (see `retention.purge_sources`).
    """
    chosen = sources.c.id.in_({item for item in source_ids if item})
    connection.execute(update(sources).where(chosen, unnamed()).values(loose=True))


def unnamed() -> ColumnElement[bool]:
    """Whether no stack, no saved plan and no snapshot names a source."""
    mine = sources.c.id
    return ~or_(
        exists().where(or_(stacks.c.source_id == mine, stacks.c.previous_source_id == mine)),
        exists().where(or_(saved_plans.c.source_id == mine, saved_plans.c.base_source_id == mine)),
        exists().where(snapshots.c.source_id == mine),
    )


def add(connection: Connection, stack: StackRecord) -> None:
    """Store a new stack; one that holds a secret makes all of its tree confidential."""
    _mark(connection, stack)
    connection.execute(insert(stacks), stack_values(stack, sealed=_is_sealed(connection, stack)))


def save(connection: Connection, stack: StackRecord) -> None:
    """Store every column of a known stack. What was confidential stays so: others may know why."""
    values = stack_values(stack, sealed=_is_sealed(connection, stack))
    if not values["confidential"]:
        del values["confidential"]
    connection.execute(_SAVE, {"row_id": values.pop("id")} | values)
    _mark(connection, stack)


def _mark(connection: Connection, stack: StackRecord) -> None:
    if stack.confidential and stack.root_id != stack.id:
        mark_confidential(connection, stack.root_id)


def _is_sealed(connection: Connection, stack: StackRecord) -> bool:
    """Asked only where there is something to seal."""
    if stack.confidential:
        return True
    told = bool(stack.outputs or stack.output_errors)
    return told and stack.id in confidential(connection, [stack.id])


_GET = select(stacks).where(stacks.c.id == bindparam("wanted"))


def get(connection: Connection, stack_id: StackId | str) -> StackRecord | None:
    """By id, deleted ones included."""
    row = connection.execute(_GET, {"wanted": stack_id}).first()
    return stack_of(row) if row else None


def live_by_name(connection: Connection, project_id: ProjectId, name: str) -> StackRecord | None:
    """The live root stack of this name in the project."""
    row = connection.execute(_BY_NAME, {"project": project_id, "named": name}).first()
    return stack_of(row) if row else None


def children(connection: Connection, stack_id: StackId) -> list[StackRecord]:
    """Live child stacks of one stack."""
    query = select(stacks).where(stacks.c.parent_id == stack_id, stacks.c.deleted_at.is_(None))
    return [stack_of(row) for row in connection.execute(query)]


def below(connection: Connection, stack: StackRecord) -> list[StackRecord]:
    """The stack and every live one inside it, each behind the one it is in."""
    query = select(stacks).where(stacks.c.root_id == stack.root_id, stacks.c.deleted_at.is_(None))
    inside: dict[StackId | None, list[StackRecord]] = {}
    for row in connection.execute(query.order_by(stacks.c.created_at, stacks.c.id)):
        each = stack_of(row)
        inside.setdefault(each.parent_id, []).append(each)
    found = [stack]
    for each in found:
        found += inside.get(each.id, ())
    return found


def count_live(connection: Connection, project_id: ProjectId) -> int:
    """Live root stacks of a project, for its quota."""
    return connection.scalar(_COUNT, {"project": project_id}) or 0


def listing(
    connection: Connection, project_id: ProjectId | None, query: StackQuery
) -> list[StackRecord]:
    """Stacks of a project (None: of all), filtered, sorted and paged; newest first by default."""
    statement = _filtered(select(stacks), project_id, query)
    keys = [SORTABLE[key] for key in query.sort_keys if key in SORTABLE] or [stacks.c.created_at]
    ascending = query.sort_dir == "asc"
    order = [*keys, stacks.c.id]
    statement = statement.order_by(*(key.asc() if ascending else key.desc() for key in order))
    if query.marker and (last := get(connection, query.marker)):
        values = stack_values(last, sealed=False)
        statement = statement.where(_after(order, values, ascending=ascending))
    if query.limit is not None:
        statement = statement.limit(query.limit)
    return [stack_of(row) for row in connection.execute(statement)]


def count(connection: Connection, project_id: ProjectId | None, query: StackQuery) -> int:
    """How many the listing would hold without paging."""
    return connection.scalar(_filtered(select(func.count()), project_id, query)) or 0


def _after(order: list[Any], values: dict[str, Any], *, ascending: bool) -> Any:
    """Rows behind the marker in a many-column order; spelled out, as nulls do not compare.

    The first column's bound is said once more by itself: with it an index is entered where the page
    begins, and without it every page before is read again.
    """
    choices = []
    for position, key in enumerate(order):
        value = values[key.name]
        if value is None:
            continue
        beyond = key > value if ascending else key < value
        choices.append(and_(*(same == values[same.name] for same in order[:position]), beyond))
    first, value = order[0], values[order[0].name]
    if value is None:
        return or_(*choices)
    return and_(first >= value if ascending else first <= value, or_(*choices))


def _filtered(
    statement: Select[Any], project_id: ProjectId | None, query: StackQuery
) -> Select[Any]:
    conditions: list[Any] = []
    if project_id is not None:
        conditions.append(stacks.c.project_id == project_id)
    if not query.show_deleted:
        conditions.append(stacks.c.deleted_at.is_(None))
    if query.owner_id is not None:
        conditions.append(stacks.c.parent_id == query.owner_id)
    elif not query.show_nested:
        conditions.append(stacks.c.parent_id.is_(None))
    for column, wanted in (
        (stacks.c.id, query.ids),
        (stacks.c.name, query.names),
        (stacks.c.status, query.statuses),
        (stacks.c.action, query.actions),
        (stacks.c.owner_name, query.owners),
    ):
        if wanted:
            conditions.append(column.in_(wanted))

    def tagged(tag: str) -> Any:
        return stacks.c.tags.contains(f",{tag},", autoescape=True)

    conditions += [tagged(tag) for tag in query.tags]
    if query.tags_any:
        conditions.append(or_(*(tagged(tag) for tag in query.tags_any)))
    if query.not_tags:
        conditions.append(~and_(*(tagged(tag) for tag in query.not_tags)))
    conditions += [~tagged(tag) for tag in query.not_tags_any]
    return statement.select_from(stacks).where(*conditions)
