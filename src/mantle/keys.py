"""`mantle keys`: the keys that secrets in the database are sealed with, made and exchanged.

A key is exchanged in three steps, and whoever is killed between two of them only has to begin
again: it is in every process's key file (all can open), it is the first of the file (it seals), and
everything is sealed with it (nothing needs the older ones any more).
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mantle.cli.exits import Exit, Stop
from mantle.lib import key_file
from mantle.lib.key_file import LOOK_AGAIN_SECONDS, KeyFile, WrongKeyFile
from mantle.lib.sealing import new_key
from mantle.model.errors import MantleError
from mantle.store.database import Database
from mantle.store.keyring import check_keys, known_keys, note_keys, retired_keys
from mantle.store.migrate import check_revision
from mantle.store.rotation import rotate as seal_anew
from mantle.store.rotation import tidy, used_keys
from mantle.wiring import NO_KEYS, Options, database_of, today

PASSES = 5
"""How often everything is gone over, until engines write nothing with an older key any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One key, as it is listed."""

    id: str
    state: str
    """`seals`, `opens`, `stand-by` (sealed nothing yet), `retired` (for backups of before) or
    `missing` (not in the file)."""
    values: int
    """Sealed with it, in the database."""


def new(file: Path | None, options: Options) -> int:
    """Make a key: in a new key file, or as the last of a file that there is."""
    path = file or _path(options)
    key = new_key()
    try:
        key_file.make(path, key, today())
    except FileExistsError:
        try:
            key_file.read(path)
            key_file.add(path, key, today())
        except WrongKeyFile as error:
            raise Stop(Exit.FAILED, error.message, remedy=error.remedy) from error
        _say(f"Key {key.id} is in {path}, and seals nothing yet.")
        _say("Give every process on this database the file, then: mantle keys rotate")
        return Exit.OK
    except OSError as error:
        raise Stop(
            Exit.FAILED,
            f"The key file {path} cannot be made: {error.strerror}.",
            remedy="Name another place: mantle keys new FILE",
        ) from error
    _say(f"Key {key.id} is in the new key file {path}.")
    _say("Keep a copy of it apart from the database: without it the secrets in there are lost.")
    return Exit.OK


def show(options: Options, *, as_json: bool) -> int:
    """List the keys, and how many values each has sealed."""
    rows, plain = asyncio.run(_listed(options))
    if as_json:
        shown = [{"id": row.id, "state": row.state, "values": row.values} for row in rows]
        _say(json.dumps({"keys": shown, "plain": plain}, indent=2))
        return Exit.OK
    for row in rows:
        _say(f"{row.id}  {row.state:8}  {row.values} values")
    if plain:
        _say(f"{plain} values are not sealed: mantle keys rotate")
    return Exit.OK


def rotate(options: Options) -> int:
    """Seal everything with the newest key."""
    return asyncio.run(_rotate(options))


# --- what they do ----------------------------------------------------------------------------


def _path(options: Options) -> Path:
    if options.secrets_keys == NO_KEYS:
        raise Stop(
            Exit.USAGE,
            "--secrets-keys none: there is no key file.",
            remedy="Name one: mantle keys new FILE",
        )
    return options.secrets_keys or options.data_dir / "keys"


def _opened(options: Options) -> tuple[Database, KeyFile]:
    """The database, which must be this release's, and its keys."""
    path = _path(options)
    try:
        keys = KeyFile(path)
    except WrongKeyFile as error:
        raise MantleError(error.message, remedy=error.remedy) from error
    if options.database is None and not (options.data_dir / "mantle.sqlite").exists():
        raise MantleError(
            f"There is no database in {options.data_dir}.",
            remedy="Name its folder (--data-dir) or its address (--database).",
        )
    database = database_of(options, 30.0)
    try:
        check_revision(database)
        check_keys(database, keys, f"the key file {path}")
    except MantleError:
        database.close()
        raise
    database.seal_with(keys)
    return database, keys


async def _listed(options: Options) -> tuple[list[KeyRow], int]:
    database, keys = await asyncio.to_thread(_opened, options)
    try:
        known = await database.read(known_keys)
        retired = await database.read(retired_keys)
        used = await database.read(used_keys)
    finally:
        database.close()
    return rows_of(keys.ids, known, retired, used), used.get("", 0)


def rows_of(
    ids: Sequence[str], known: Sequence[str], retired: Sequence[str], used: Mapping[str, int]
) -> list[KeyRow]:
    """The file's keys in their order, then those that only the database knows."""
    states = {**dict.fromkeys(retired, "retired"), **dict.fromkeys(known, "opens")}
    rows = []
    for place, key_id in enumerate(ids):
        state = "seals" if place == 0 else states.get(key_id, "stand-by")
        rows.append(KeyRow(id=key_id, state=state, values=used.get(key_id, 0)))
    strange = [key_id for key_id in used if key_id and key_id not in ids]
    return rows + [KeyRow(id=each, state="missing", values=used[each]) for each in strange]


async def _rotate(options: Options) -> int:
    database, keys = await asyncio.to_thread(_opened, options)
    try:
        await _promote(database, keys)
        first = keys.ids[0]
        plain, failed = 0, list[str]()
        for attempt in range(PASSES):
            told = await seal_anew(database, keys, _progress)
            plain, failed = plain + told.plain, told.failed
            if not told.sealed and attempt:
                break
            # Processes that seal with the key before this one read the file again meanwhile.
            await asyncio.sleep(LOOK_AGAIN_SECONDS + 0.5)
        if plain:
            await asyncio.to_thread(tidy, database)
        used = await database.read(used_keys)
        left = [key_id for key_id in used if key_id and key_id != first]
        await database.write(note_keys, [first, *left])
    finally:
        database.close()
    return _told(first, left, used, failed)


def _told(first: str, left: Sequence[str], used: Mapping[str, int], failed: Sequence[str]) -> int:
    if failed:
        _say(f"{len(failed)} values do not open and were left as they are, among them:")
        for where in failed[:10]:
            _say(f"  {where}")
        _say("Restore them from a backup, or delete what they belong to.")
        return Exit.FAILED
    if left:
        _say(f"Values are still sealed with {', '.join(left)}: a process has an older key file.")
        _say("Give every process this key file, then run it again: mantle keys rotate")
        return Exit.FAILED
    _say(f"All {used.get(first, 0)} values are sealed with key {first}.")
    return Exit.OK


async def _promote(database: Database, keys: KeyFile) -> None:
    """Make the newest key the first: known to the database before it seals anything."""
    known = await database.read(known_keys)
    retired = await database.read(retired_keys)
    ids = keys.ids
    fresh = [key_id for key_id in ids[1:] if key_id not in (*known, *retired)]
    # Killed in between, the key is the newest that the database knows, and not yet the first.
    newest = fresh[-1] if fresh else next((each for each in known if each in ids), ids[0])
    if newest not in known:
        await database.write(note_keys, [newest, *known])
    if newest != ids[0]:
        key_file.put_first(keys.path, newest)
        keys.ring(now=True)
        _say(f"Key {newest} seals from now on.")


def _progress(table: str, sealed: int) -> None:
    _say(f"{table}: {sealed} values sealed")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command's answer
