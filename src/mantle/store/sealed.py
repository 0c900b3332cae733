"""What is sealed in the database, where each value belongs, and how it is opened there.

`SEALED` is the one table of it: readers and writers of rows make their places by it, and
`store/rotation.py` finds by it what is to be sealed anew. Documents of which there is one for each
request or operation are always sealed. Those of which there is one for each resource are sealed
when the tree of stacks they belong to is *confidential*: it holds a secret anywhere
(`plan/confidential.py`), so that what flows from there through it is sealed too, in whatever form.
A tree of which that is not known counts as confidential; the mark is on its root, and stays.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select, update

from mantle.lib.sealing import Unopened, Why
from mantle.model.errors import MantleError
from mantle.model.ids import StackId
from mantle.store.tables.base import Closed, Placed, decode, sealer_of
from mantle.store.tables.drift import drift_findings
from mantle.store.tables.moves import moves
from mantle.store.tables.plans import saved_plans
from mantle.store.tables.secrets import secrets
from mantle.store.tables.sinks import event_sinks
from mantle.store.tables.snapshots import snapshots
from mantle.store.tables.software import software_configs, software_deployments
from mantle.store.tables.stacks import plans, resources, settings, signals, sources, stacks
from mantle.store.tables.trusts import trusts


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumns:
    """Columns of one table that are sealed alike."""

    table: Table
    columns: tuple[str, ...]
    named: tuple[str, ...]
    """The columns that say where a value belongs; none of them changes without it being sealed
    anew."""
    stack: str | None = None
    """The column with the stack's id, where only confidential stacks' values are sealed."""
    only: Mapping[str, str] | None = None
    """Only rows with these values."""
    same: bool = False
    """Equal values look equal."""


SEALED: tuple[SealedColumns, ...] = (
    SealedColumns(table=sources, columns=("document",), named=("id",)),
    SealedColumns(
        table=stacks, columns=("outputs", "output_errors"), named=("project_id", "id"), stack="id"
    ),
    SealedColumns(
        table=resources,
        columns=("properties", "attributes", "data", "metadata"),
        named=("stack_id", "id", "name"),
        stack="stack_id",
    ),
    SealedColumns(table=plans, columns=("document",), named=("project_id", "stack_id", "id")),
    SealedColumns(
        table=saved_plans,
        columns=("document", "notes", "options"),
        named=("project_id", "stack_id", "id"),
    ),
    SealedColumns(table=moves, columns=("document", "request"), named=("project_id", "id")),
    SealedColumns(table=snapshots, columns=("data",), named=("stack_id", "id")),
    SealedColumns(table=signals, columns=("body",), named=("resource_id", "id")),
    SealedColumns(
        table=drift_findings,
        columns=("expected", "actual"),
        named=("resource_id", "path"),
        stack="stack_id",
    ),
    SealedColumns(
        table=software_configs,
        columns=("config", "inputs", "options"),
        named=("project_id", "id"),
    ),
    SealedColumns(
        table=software_deployments,
        columns=("input_values", "output_values"),
        named=("project_id", "id"),
    ),
    SealedColumns(table=secrets, columns=("payload",), named=("project_id", "id")),
    SealedColumns(table=event_sinks, columns=("target", "problem"), named=("stack_id",), same=True),
    SealedColumns(table=trusts, columns=("trust_id",), named=("project_id", "user_id", "cloud")),
    SealedColumns(
        table=settings, columns=("value",), named=("name",), only={"name": "signing_key"}
    ),
)

_BY_TABLE = {each.table.name: each for each in SEALED}


class Locked(MantleError):
    """A sealed value does not open. Says which and why; nothing of what is in it."""

    fault = "ServiceUnavailable"


def place(table: str, column: str, named: Mapping[Any, Any]) -> str:
    """Where a value belongs, by the row's own columns."""
    return "/".join((table, *(str(named[name]) for name in _BY_TABLE[table].named), column))


def placed(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """A row's values, those that are sealed in their places; empty ones hold nothing to seal."""
    sealed = _BY_TABLE[table]
    for column in sealed.columns:
        value = values.get(column)
        if value:
            values[column] = Placed(value, place(table, column, values), sealed.same)
    return values


def opened(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """A row's values as they were before they were sealed; raises `Locked`."""
    for column in _BY_TABLE[table].columns:
        value = values.get(column)
        if type(value) is Closed:
            values[column] = open_json(value, place(table, column, values))
    return values


def open_json(value: Any, where: str) -> Any:
    """A JSON column's value, opened if it is sealed."""
    return decode(_open(value, where)) if type(value) is Closed else value


def open_text(value: Any, where: str) -> str:
    """A text column's value, opened if it is sealed."""
    return _open(value, where).decode() if type(value) is Closed else value


def _open(value: Closed, where: str) -> bytes:
    if value.sealer is None:
        raise Locked(
            f"{where} is sealed, and this process has no keys.",
            remedy="Start it with the key file of this database: --secrets-keys FILE.",
        )
    try:
        return value.sealer.open(value.sealed, where)
    except Unopened as error:
        raise locked(error, value.sealer.ids) from None


def locked(error: Unopened, ids: Collection[str]) -> Locked:
    """What to tell of a value that does not open."""
    if error.why is Why.NO_KEY:
        return Locked(
            f"{error.place} was sealed with key {error.key_id}, which this process does not have; "
            f"it has {', '.join(ids)}.",
            remedy="Put that key into the key file of every process (--secrets-keys FILE); it is "
            "read again within seconds.",
        )
    what = "is damaged" if error.why is Why.MALFORMED else "was altered, or belongs elsewhere"
    return Locked(
        f"{error.place} cannot be opened: what is stored there {what}.",
        remedy="Somebody wrote to the database beside Mantle, or it is broken. Restore the row "
        "from a backup. Other stacks are not concerned.",
        fault="HTTPInternalServerError",
    )


class SealedMap(Mapping[str, Any]):
    """A sealed map that is opened when it is looked into, and stored again as it is if not.

    For what every listing reads of every stack and few look at: one that does not open then
    concerns nobody else.
    """

    def __init__(self, closed: Closed, where: str) -> None:
        self.closed = closed
        self.where = where
        self._opened: dict[str, Any] | None = None

    def _there(self) -> dict[str, Any]:
        if self._opened is None:
            self._opened = dict(open_json(self.closed, self.where))
        return self._opened

    def __getitem__(self, key: str) -> Any:
        return self._there()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._there())

    def __len__(self) -> int:
        return len(self._there())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SealedMap) and other.closed.sealed == self.closed.sealed:
            return True
        return isinstance(other, Mapping) and self._there() == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SealedMap({self.where})"


# --- which stacks are confidential -----------------------------------------------------------


_root = stacks.alias("root")
_OPEN = (
    select(stacks.c.id)
    .join(_root, _root.c.id == stacks.c.root_id)
    .where(
        stacks.c.id.in_(bindparam("ids", expanding=True)),
        _root.c.confidential.is_(False),
    )
)


def confidential(connection: Connection, stack_ids: Collection[StackId | str]) -> set[str]:
    """Those of the stacks whose values are to be sealed; one that is not known is."""
    if sealer_of(connection.dialect) is None:
        return set()
    asked = [str(each) for each in stack_ids]
    return set(asked).difference(connection.scalars(_OPEN, {"ids": asked}))


def mark_confidential(connection: Connection, root_id: StackId) -> None:
    """From now on everything of this tree is sealed that is written."""
    chosen = (stacks.c.id == root_id) & stacks.c.confidential.is_(False)
    connection.execute(update(stacks).where(chosen).values(confidential=True))
