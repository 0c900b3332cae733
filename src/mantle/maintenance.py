"""`mantle backup …`: commands that work on the database itself, whether a server runs or not."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.screen import Screen
from mantle.config import ServerOptions, backup_dir_of, configure, options_of
from mantle.model.errors import Conflict, MantleError, NotFound

if TYPE_CHECKING:
    from mantle.backups.check import Listed, Verified
    from mantle.backups.sealing import BackupKey
    from mantle.config import Configuration

NOTHING = ServerOptions()

LACKING = {
    "clouds.yaml": "The backup holds no clouds.yaml: put the old one at {path}, or new passwords "
    "of admin and demo are made at the next start.",
    "keys": "The backup holds no key file: put the old one at {path}, as secrets in the database "
    "are sealed with it. (Nothing is to be done where the old Mantle sealed nothing.)",
}
"""What is told of files that only an encrypted backup holds."""

AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Answer one JSON document.")]
KeyPath = Annotated[
    Path | None,
    Parameter(help="The key file it was encrypted with. Default: --backup-key-file."),
]


def build_backup(checked: Callable[[Callable[..., int]], Callable[..., int]]) -> App:
    """The noun with its verbs."""
    app = App(
        name="backup",
        help="Everything Mantle knows, in one file: taken while it works, restored elsewhere.",
    )
    for command, name in ((create, "create"), (listing, "list"), (verify, "verify")):
        app.command(checked(command), name=name)
    app.command(checked(restore), name="restore")
    return app


def create(
    options: ServerOptions = NOTHING,
    *,
    to: Annotated[
        Path | None, Parameter(help="The folder it goes to. Default: --backup-dir.")
    ] = None,
    encrypt_with: Annotated[
        Path | None,
        Parameter(help="A file with a passphrase or random bytes. Default: --backup-key-file."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Take a backup of both databases as of one moment, while the control plane works.

    Encrypted ones also hold the keys and passwords of the data folder; without --encrypt-with
    these stay where they are. Either holds what is secret in the database: keep it as such.

    Try:

        mantle backup create
        mantle backup create --to /mnt/backups --encrypt-with /etc/mantle/backup.key
    """
    from mantle.backups.create import create_backup  # noqa: PLC0415 - the server
    from mantle.lib.ids import random_bytes  # noqa: PLC0415

    found = configure(options)
    served = options_of(found)
    folder = to.absolute() if to else backup_dir_of(found, served.data_dir)
    with _refusals():
        key = _key(encrypt_with, found)
        made = create_backup(served.places, folder, key, now=time.time(), random=random_bytes)
    answer = {
        "path": str(made.path),
        "id": made.id,
        "taken_at": _when(made.taken_at),
        "bytes": made.size,
        "rows": made.rows,
        "encrypted": key is not None,
    }
    how = "encrypted" if key else "not encrypted"
    text = f"{made.path}\n{made.rows:,} rows, {made.size:,} bytes, {how}"
    Screen(json=as_json).answer(answer, text)
    return Exit.OK


def listing(
    options: ServerOptions = NOTHING,
    *,
    to: Annotated[Path | None, Parameter(help="The folder. Default: --backup-dir.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the backups of a folder, the newest first, and what is wrong with any.

    It follows their structure only; `mantle backup verify` looks at every byte.

    Try:

        mantle backup list --to /mnt/backups
    """
    from mantle.backups.check import list_backups  # noqa: PLC0415 - the server

    found = configure(options)
    folder = to.absolute() if to else backup_dir_of(found, options_of(found).data_dir)
    backups = list_backups(folder)
    screen = Screen(json=as_json)
    screen.answer({"folder": str(folder), "backups": [_listed(each) for each in backups]})
    if not as_json:
        screen.table(
            ("taken", "bytes", "encrypted", "state", "file"),
            (
                (
                    _when(each.taken_at) or "-",
                    f"{each.size:,}",
                    {True: "yes", False: "no", None: "-"}[each.encrypted],
                    each.state.value,
                    each.path.name,
                )
                for each in backups
            ),
        )
        for each in backups:
            if each.why:
                screen.say(f"{each.path.name}: {each.why}")
    return Exit.OK


def verify(
    archive: Path,
    /,
    options: ServerOptions = NOTHING,
    *,
    key_file: KeyPath = None,
    as_json: AsJson = False,
) -> int:
    """Read a backup from its first byte to its last; the first damage is told with its offset.

    An encrypted one can be verified without its key, but for what it holds.

    Try:

        mantle backup verify /mnt/backups/mantle-20261121T113400Z-1f3c9a2b.mantle-backup

    Args:
        archive: The file.
    """
    from mantle.backups.check import verify_backup  # noqa: PLC0415 - the server

    found = configure(options)
    with _refusals():
        verified = verify_backup(archive, _key(key_file, found))
    Screen(json=as_json).answer(_verified(verified), "\n".join(_told(verified)))
    return Exit.OK


def restore(
    archive: Path,
    /,
    options: ServerOptions = NOTHING,
    *,
    key_file: KeyPath = None,
    as_json: AsJson = False,
) -> int:
    """Put a backup into an empty database and an empty data folder, of either kind.

    All of it is verified first, and compared with the backup before it counts. What then starts
    from it waits: nothing is performed or corrected until an administrator has seen
    `mantle reconcile plan` and said `mantle reconcile apply`. Stop the old machine for good before.

    Try:

        mantle backup restore b.mantle-backup --data-dir /var/lib/mantle --key-file backup.key
        mantle backup restore b.mantle-backup --database postgresql://mantle@db/mantle

    Args:
        archive: The file.
    """
    from mantle.backups.restore import restore_backup  # noqa: PLC0415 - the server
    from mantle.wiring import lock  # noqa: PLC0415

    found = configure(options)
    served = options_of(found)
    with _refusals(), contextlib.ExitStack() as stack:
        key = _key(key_file, found)
        if served.database is None:
            stack.enter_context(lock(served.data_dir))
        restored = restore_backup(archive, served.places, key, now=time.time())
    answer = {
        "taken_at": _when(restored.manifest.taken_at),
        "product": restored.manifest.product,
        "revision": restored.revision,
        "tables": restored.tables,
        "rows": restored.rows,
        "operations_under_way": restored.hold.operations,
        "files": list(restored.files),
        "missing_files": list(restored.missing),
    }
    lines = [
        f"Restored into {served.places.told}: {restored.rows:,} rows of {restored.tables} tables.",
        f"As of {answer['taken_at']}; {restored.hold.operations} operations were under way.",
        *(LACKING[name].format(path=served.places.path_of(name)) for name in restored.missing),
        "Be sure that the machine it is from is stopped for good: both would write to the clouds.",
        "Start Mantle, then: mantle reconcile plan",
    ]
    Screen(json=as_json).answer(answer, "\n".join(lines))
    return Exit.OK


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """A refusal is a sentence and an exit code."""
    from mantle.backups.frames import Damaged  # noqa: PLC0415 - the server

    try:
        yield
    except Damaged as error:
        raise Stop(Exit.INVALID, error.message, remedy=error.remedy) from error
    except NotFound as error:
        raise Stop(Exit.NOT_FOUND, error.message, remedy=error.remedy) from error
    except Conflict as error:
        raise Stop(Exit.CONFLICT, error.message, remedy=error.remedy) from error
    except MantleError as error:
        raise Stop(Exit.FAILED, error.message, remedy=error.remedy) from error


def _key(given: Path | None, found: "Configuration") -> "BackupKey | None":
    from mantle.backups.sealing import read_key  # noqa: PLC0415 - the server

    path = given or found["backup_key_file"]
    if path is None:
        return None
    if path.exists() and path.stat().st_mode & 0o077 and os.name == "posix":
        print(  # noqa: T201 - a warning beside the answer
            f"mantle backup: warning: {path} can be read by others; chmod 600 it.",
            file=sys.stderr,
        )
    return read_key(path)


def _when(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _listed(each: "Listed") -> dict[str, Any]:
    return {
        "path": str(each.path),
        "state": each.state.value,
        "bytes": each.size,
        "taken_at": _when(each.taken_at) or None,
        "encrypted": each.encrypted,
        "why": each.why,
    }


def _verified(found: "Verified") -> dict[str, Any]:
    answer: dict[str, Any] = {
        "path": str(found.path),
        "id": found.prologue.id.hex(),
        "bytes": found.size,
        "taken_at": _when(found.prologue.taken_at),
        "encrypted": found.prologue.encrypted,
        "contents_read": found.manifest is not None,
    }
    if found.manifest is not None:
        answer |= {
            "product": found.manifest.product,
            "revision": found.manifest.revision,
            "database": found.manifest.dialect,
            "host": found.manifest.host,
            "tables": [
                {
                    "database": each.database,
                    "name": each.name,
                    "rows": each.rows,
                    "digest": each.digest,
                }
                for each in found.counted
            ],
        }
    return answer


def _told(found: "Verified") -> Iterator[str]:
    yield f"{found.path}: every one of {found.size:,} bytes is as it was written"
    yield f"  taken      {_when(found.prologue.taken_at)}"
    if found.manifest is None:
        yield "  contents   encrypted; give --key-file to have them read as well"
        return
    manifest = found.manifest
    yield f"  made by    Mantle {manifest.product} on {manifest.host}, {manifest.dialect}"
    yield f"  tables of  revision {manifest.revision}"
    for each in found.counted:
        if each.rows:
            what = "bytes" if each.database == "files" else "rows"
            yield f"  {each.database:<10} {each.name:<24} {each.rows:>10,} {what}"
