"""The hold of a database that was restored: until somebody has looked, nothing goes on.

A row among the settings. While it is there no operation can be claimed (`operations.claim`), and
none is accepted; every engine waits for its end.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Update, delete, insert, select, update

from mantle.model.errors import Conflict
from mantle.model.status import OperationStatus
from mantle.store import backups, incarnation
from mantle.store.tables.stacks import engines, operations, settings

NAME = "restored"

_HELD = select(settings.c.value).where(settings.c.name == NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Which backup the database is from."""

    backup: str
    """Its id."""
    taken_at: float
    restored_at: float
    product: str
    """The version that made it."""
    operations: int
    """That were under way then."""


def held(connection: Connection) -> Hold | None:
    """The hold, while there is one."""
    value = connection.scalar(_HELD)
    return None if value is None else msgspec.json.decode(value, type=Hold)


def refuse_held(connection: Connection) -> None:
    """Raise `Conflict` while there is one."""
    if held(connection) is not None:
        raise Conflict(
            "This Mantle was restored from a backup, and nobody has compared it with the clouds "
            "yet: nothing can be changed until then.",
            remedy="An administrator runs: mantle reconcile plan, then mantle reconcile apply.",
        )


def release(connection: Connection) -> Hold | None:
    """End it; the answer is what ended, None when somebody else was first.

    What is under way gets a new epoch again: an attempt that was begun meanwhile claimed nothing,
    and the durable engine would take a second one under its name for done.
    """
    found = held(connection)
    done = connection.execute(delete(settings).where(settings.c.name == NAME))
    connection.execute(_back())
    return found if done.rowcount else None


def _back() -> Update:
    live = operations.c.status.in_((OperationStatus.QUEUED, OperationStatus.RUNNING))
    return (
        update(operations)
        .where(live)
        .values(epoch=operations.c.epoch + 1, engine="", status=OperationStatus.QUEUED)
    )


def hold(connection: Connection, found: Hold) -> Hold:
    """Begin it, in the transaction that fills the database.

    Operations that were under way belong to nobody, with a new epoch: whatever the durable engine
    remembers of an earlier attempt claims nothing. Engines of then are gone.
    """
    count = connection.execute(_back()).rowcount
    gone = update(engines).where(engines.c.stopped_at.is_(None))
    connection.execute(gone.values(stopped_at=found.restored_at))
    incarnation.begin(connection, f"{found.backup}-{found.restored_at!r}")
    values: dict[str, Any] = {each: getattr(found, each) for each in found.__slots__}
    values["operations"] = count
    # A backup may be of a database that was held itself, or in the midst of a reconciliation
    # (`store/agenda.py`); whose schedule it was is over.
    earlier = settings.c.name.in_((NAME, backups.NAME, "reconciling"))
    connection.execute(delete(settings).where(earlier))
    connection.execute(
        insert(settings),
        {"name": NAME, "value": msgspec.json.encode(values).decode()},
    )
    return Hold(**values)
