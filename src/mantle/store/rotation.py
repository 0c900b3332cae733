"""Sealing everything anew with the first key: what older keys sealed, and what was never sealed.

Each batch is a transaction of its own, and changes a value only if it is still the one that was
read, so that engines go on meanwhile. What is done is recognised by the key it bears: killed at any
moment, the next run begins again and goes over what is done without touching it. Versions of rows
do not grow by it, as nothing that anyone can see changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    Text,
    and_,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from mantle.lib.sealing import (
    ID_BYTES,
    MARK,
    TEXT_MARK,
    Sealer,
    Unopened,
    as_text,
    from_text,
    is_sealed,
    key_id_of,
)
from mantle.store.database import Database
from mantle.store.sealed import SEALED, SealedColumns, confidential, place
from mantle.store.tables.base import SealedText

BATCH = 200
"""Rows in one transaction."""

HEAD_LENGTH = len(MARK) + ID_BYTES


@dataclass(slots=True)
class Told:
    """What came of a run."""

    sealed: int = 0
    """Values sealed anew."""
    plain: int = 0
    """Of these, values that were never sealed before."""
    failed: list[str] = field(default_factory=list)
    """Places of values that do not open; they stay as they are."""


@dataclass(frozen=True, slots=True)
class _Raw:
    """One column read and written as it is stored."""

    sealed: SealedColumns
    name: str

    @property
    def is_text(self) -> bool:
        return isinstance(self.sealed.table.c[self.name].type, SealedText)

    @property
    def kind(self) -> Text | LargeBinary:
        return Text() if self.is_text else LargeBinary()

    @property
    def plain(self) -> ColumnElement[Any]:
        return type_coerce(self.sealed.table.c[self.name], self.kind)

    @property
    def column(self) -> ColumnElement[Any]:
        return self.plain.label(self.name)

    def start(self, head: bytes) -> Any:
        """How a value with this head begins here. Twelve characters of base64 are nine bytes."""
        return as_text(head)[: len(TEXT_MARK) + 12] if self.is_text else head

    @property
    def head_length(self) -> int:
        """As much as tells the key. Sixteen characters of base64 are twelve bytes."""
        return len(TEXT_MARK) + 16 if self.is_text else HEAD_LENGTH

    def id_in(self, start: Any) -> str:
        """The key of a value by its first bytes or characters; "" when it is plain."""
        sealed = self.bytes_of(start)
        return "" if sealed is None else key_id_of(sealed)

    def bytes_of(self, stored: Any) -> bytes | None:
        """Sealed bytes; None when it is plain."""
        if self.is_text:
            return from_text(stored, self.name) if stored.startswith(TEXT_MARK) else None
        data = bytes(stored)
        return data if is_sealed(data) else None

    def plain_of(self, stored: Any) -> bytes:
        """What was never sealed, as bytes."""
        return str(stored).encode() if self.is_text else bytes(stored)


async def rotate(
    database: Database, sealer: Sealer, told: Callable[[str, int], None] = lambda _, __: None
) -> Told:
    """Seal everything with the first key; `told` hears of each batch (table, values sealed).

    Run it again until it seals nothing: what an engine wrote behind it with an older key is found
    then.
    """
    answer = Told()
    for sealed in SEALED:
        after: Any = None
        while True:
            batch = await database.write(_batch, sealed, after, sealer)
            answer.sealed += batch.sealed
            answer.plain += batch.plain
            answer.failed += batch.failed
            if batch.sealed:
                told(sealed.table.name, batch.sealed)
            after = batch.last
            if after is None:
                break
    return answer


def tidy(database: Database) -> None:
    """Take what was plain out of the file as well; only SQLite keeps it, in pages nobody uses.

    The one thing here that others wait for: seconds for a large database.
    """
    if database.engine.dialect.name != "sqlite":
        return
    raw = database.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.close()
    finally:
        raw.close()


@dataclass(slots=True)
class _Batch(Told):
    last: Any = None
    """The key of the last row; None when there are no more."""


def _batch(connection: Connection, sealed: SealedColumns, after: Any, sealer: Sealer) -> _Batch:
    answer = _Batch()
    (key,) = sealed.table.primary_key.columns
    query = _chosen(sealed, sealer.ids[0])
    if after is not None:
        query = query.where(key > after)
    rows = connection.execute(query.order_by(key).limit(BATCH)).all()
    wanted = rows
    if sealed.stack is not None and rows:
        secret = confidential(connection, {getattr(row, sealed.stack) for row in rows})
        wanted = [row for row in rows if getattr(row, sealed.stack) in secret or _any(sealed, row)]
    for row in wanted:
        _seal(connection, sealed, row, answer, sealer)
    if len(rows) == BATCH:
        answer.last = getattr(rows[-1], key.name)
    return answer


def _chosen(sealed: SealedColumns, first: str) -> Select[Any]:
    """Rows with a value that the first key has not sealed."""
    names = {column.name for column in sealed.table.primary_key.columns} | set(sealed.named)
    if sealed.stack is not None:
        names.add(sealed.stack)
    raw = [_Raw(sealed, name) for name in sealed.columns]
    query = select(
        *(sealed.table.c[name] for name in sorted(names)), *(each.column for each in raw)
    )
    for name, value in (sealed.only or {}).items():
        query = query.where(sealed.table.c[name] == value)
    return query.where(or_(*(_stale(each, first) for each in raw)))


def _stale(raw: _Raw, first: str) -> ColumnElement[bool]:
    """Not empty, and not sealed with the first key."""
    start = raw.start(MARK + bytes.fromhex(first))
    length = len(start)
    head = func.substr(raw.plain, 1, length)
    return and_(func.length(raw.plain) > 2, head != type_coerce(start, raw.kind))


def _any(sealed: SealedColumns, row: Row[Any]) -> bool:
    """Whether something of the row is sealed already."""
    values = ((_Raw(sealed, name), getattr(row, name)) for name in sealed.columns)
    return any(value is not None and raw.bytes_of(value) is not None for raw, value in values)


def _seal(
    connection: Connection, sealed: SealedColumns, row: Row[Any], answer: Told, sealer: Sealer
) -> None:
    named = row._mapping  # noqa: SLF001 - its public name in SQLAlchemy
    table = sealed.table
    values: dict[str, Any] = {}
    plain_ones = 0
    same: list[ColumnElement[bool]] = [key == named[key.name] for key in table.primary_key.columns]
    for name in sealed.columns:
        raw, stored = _Raw(sealed, name), named[name]
        if not stored or len(stored) <= 2:
            continue
        where = place(table.name, name, named)
        try:
            closed = raw.bytes_of(stored)
            if closed is not None and key_id_of(closed) == sealer.ids[0]:
                continue
            plain = raw.plain_of(stored) if closed is None else sealer.open(closed, where)
        except Unopened:
            answer.failed.append(where)
            continue
        made = (sealer.seal_same if sealed.same else sealer.seal)(plain, where)
        values[name] = type_coerce(as_text(made) if raw.is_text else made, raw.kind)
        same.append(raw.plain == type_coerce(stored, raw.kind))
        plain_ones += closed is None
    if values and connection.execute(update(table).where(*same).values(values)).rowcount:
        answer.sealed += len(values)
        answer.plain += plain_ones


# --- counting --------------------------------------------------------------------------------


def used_keys(connection: Connection) -> dict[str, int]:
    """How many values each key has sealed; under "" how many are plain that are always sealed."""
    found: dict[str, int] = {}
    for sealed in SEALED:
        for name in sealed.columns:
            raw = _Raw(sealed, name)
            head = func.substr(raw.plain, 1, raw.head_length)
            query = select(head, func.count()).where(func.length(raw.plain) > 2).group_by(head)
            for key, value in (sealed.only or {}).items():
                query = query.where(sealed.table.c[key] == value)
            for start, times in connection.execute(query):
                key_id = raw.id_in(start)
                if key_id or sealed.stack is None:
                    found[key_id] = found.get(key_id, 0) + times
    return found
