"""What is known of scheduled backups: when the last one was, and who takes the next.

One row among the settings. Times are the database's, so that several engines agree.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from mantle.store.tables.stacks import settings

NAME = "backup_schedule"


class Taken(msgspec.Struct, kw_only=True, frozen=True):
    """How scheduled backups went."""

    claimed_at: float | None = None
    """An engine is at it since then."""
    succeeded_at: float | None = None
    file: str = ""
    size: int = 0
    """Bytes of the last one."""
    seconds: float = 0.0
    """That it took."""
    failed_at: float | None = None
    """None when the last attempt went well."""
    why: str = ""
    failures: int = 0
    """Since there are backups."""


def taken(connection: Connection) -> Taken:
    """As it stands."""
    value = connection.scalar(select(settings.c.value).where(settings.c.name == NAME))
    return Taken() if value is None else msgspec.json.decode(value, type=Taken)


def claim(
    connection: Connection, now: float, every_seconds: float, again_seconds: float, lease: float
) -> bool:
    """Make the backup that is due this engine's; false when none is, or another is at it."""
    known = taken(connection)
    if known.claimed_at is not None and now - known.claimed_at < lease:
        return False
    due_at = (known.succeeded_at or 0.0) + every_seconds
    if known.failed_at is not None:
        due_at = max(due_at, known.failed_at + again_seconds)
    if now < due_at:
        return False
    _store(connection, msgspec.structs.replace(known, claimed_at=now))
    return True


def succeeded(connection: Connection, now: float, file: str, size: int, seconds: float) -> None:
    """The one that was claimed is on the disk."""
    values: dict[str, Any] = {"file": file, "size": size, "seconds": round(seconds, 3)}
    known = msgspec.structs.replace(
        taken(connection), claimed_at=None, succeeded_at=now, failed_at=None, why="", **values
    )
    _store(connection, known)


def failed(connection: Connection, now: float, why: str) -> None:
    """The one that was claimed came to nothing."""
    known = taken(connection)
    more = known.failures + 1
    _store(
        connection,
        msgspec.structs.replace(known, claimed_at=None, failed_at=now, why=why, failures=more),
    )


def _store(connection: Connection, known: Taken) -> None:
    value = msgspec.json.encode(known).decode()
    done = connection.execute(update(settings).where(settings.c.name == NAME).values(value=value))
    if not done.rowcount:
        connection.execute(insert(settings), {"name": NAME, "value": value})
