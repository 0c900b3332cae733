"""Which keys a database's secrets are sealed with: known before anything else of it is touched.

The ids of the keys stand in the settings, in plain text: an id is a hash of its key. A process
whose ring lacks one of them could neither read what is there nor be read by the others, and is
refused at its start. A key that is new to the database is written there before it seals anything.
"""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, insert, inspect, select, update

from mantle.lib.sealing import Sealer
from mantle.model.errors import MantleError
from mantle.store.database import Database
from mantle.store.tables.stacks import settings
from mantle.store.transactions import Patience, look

NAME = "sealing_keys"
RETIRED = "retired_keys"
"""Those that have sealed once, and nothing that is there now."""


class WrongKeys(MantleError):
    """The key ring is not this database's."""


def known_keys(connection: Connection) -> tuple[str, ...]:
    """The keys that values may be sealed with; the newest first."""
    return _read(connection, NAME)


def retired_keys(connection: Connection) -> tuple[str, ...]:
    """The keys that are needed for backups of before only."""
    return _read(connection, RETIRED)


def note_keys(connection: Connection, ids: Sequence[str]) -> None:
    """From now on these, and no others: those that were are retired."""
    before = {*known_keys(connection), *retired_keys(connection)}
    _write(connection, NAME, ids)
    _write(connection, RETIRED, sorted(before.difference(ids)))


def _read(connection: Connection, name: str) -> tuple[str, ...]:
    stored = connection.scalar(select(settings.c.value).where(settings.c.name == name))
    return tuple(json.loads(stored)) if stored else ()


def _write(connection: Connection, name: str, ids: Sequence[str]) -> None:
    value = json.dumps(list(ids))
    mine = settings.c.name == name
    if connection.scalar(select(settings.c.value).where(mine)) is None:
        connection.execute(insert(settings), {"name": name, "value": value})
    else:
        connection.execute(update(settings).where(mine).values(value=value))


def check_keys(database: Database, sealer: Sealer | None, where: str) -> None:
    """Refuse a ring that lacks a key of this database. Reads only; nothing need be there yet.

    `where` says what the ring is from, for the message.
    """
    known = look(database.engine, _known_if_there, Patience(seconds=30.0))
    _refuse(known, sealer.ids if sealer else (), where)


def use_keys(connection: Connection, sealer: Sealer, where: str) -> None:
    """Write down the ring's first key, if it is new, before it seals anything."""
    known = known_keys(connection)
    ids = sealer.ids
    _refuse(known, ids, where)
    if ids[0] not in known:
        note_keys(connection, (ids[0], *known))


def _known_if_there(connection: Connection) -> tuple[str, ...]:
    if not inspect(connection).has_table(settings.name):
        return ()
    return known_keys(connection)


def _refuse(known: Collection[str], ids: Collection[str], where: str) -> None:
    missing = [each for each in known if each not in ids]
    if not missing:
        return
    has = f"{where} has {', '.join(ids)}" if ids else f"{where}: no key was given"
    raise WrongKeys(
        f"Secrets in this database are sealed with key {', '.join(missing)}; {has}. "
        "Nothing was touched.",
        remedy="Give the key file of this database: --secrets-keys FILE, or restore it from its "
        "copy. Without that key nobody can read those secrets.",
    )
