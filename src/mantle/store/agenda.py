"""What a person has chosen in a reconciliation and what is not begun yet: one row.

It is written in the transaction that ends the hold, and each item is struck out once its operation
was accepted. Whoever does it may be killed at any moment: what is left is still there, for
`mantle reconcile apply` to go on with.
"""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert, select

from mantle.plan.reconciling import Deed, Item
from mantle.store.tables.stacks import settings

NAME = "reconciling"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One item, and what is to be done about it."""

    item: Item
    deed: Deed


class Agenda(msgspec.Struct, frozen=True, kw_only=True):
    """All that is left; `adopting` is the name of the stacks that take objects over."""

    backup: str
    taken_at: float
    adopting: str
    left: tuple[Entry, ...]


def agenda(connection: Connection) -> Agenda | None:
    """What is left, while there is anything."""
    value = connection.scalar(select(settings.c.value).where(settings.c.name == NAME))
    return None if value is None else msgspec.json.decode(value, type=Agenda)


def keep(connection: Connection, wanted: Agenda | None) -> None:
    """Write it; nothing is kept of an empty one."""
    connection.execute(delete(settings).where(settings.c.name == NAME))
    if wanted is not None and wanted.left:
        value = msgspec.json.encode(wanted).decode()
        connection.execute(insert(settings), {"name": NAME, "value": value})


def strike(connection: Connection, ids: Collection[str]) -> None:
    """These were begun, or refused."""
    found = agenda(connection)
    if found is not None:
        left = tuple(each for each in found.left if each.item.id not in ids)
        keep(connection, msgspec.structs.replace(found, left=left))
