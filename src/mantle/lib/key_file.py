"""The file that a key ring lies in: one key a line, the first seals.

    # Mantle's keys. …
    3f0c9d2b77aa01e4 u3Yl…base64…= 2026-11-21

A process reads it again when it has changed, so that keys are exchanged without a restart. Keys it
has read before go on opening, also when they have left the file.
"""

import base64
import binascii
import os
import stat
import threading
import time
from pathlib import Path

from mantle.lib.sealing import Key, KeyRing, Unopened, Why

HEADER = """\
# The keys that Mantle's secrets are sealed with: id, key, day it was made. The first key seals, all
# of them open. Without this file the secrets in the database are lost: keep a copy of it, in
# another place than the copies of the database.
"""

LOOK_AGAIN_SECONDS = 2.0
"""How long a changed file may go unnoticed; a value sealed with an unknown key is a reason too."""


class WrongKeyFile(Exception):
    """The file cannot be used; says why and what to do, and nothing of its keys."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def parse(text: str, path: Path) -> KeyRing:
    """The ring that a file's text describes; raises `WrongKeyFile` naming the line."""
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = _key(words)
        if key is None or key.id != words[0]:
            raise WrongKeyFile(
                f"Line {number} of the key file {path} is no key"
                + (" (the id is not this key's)." if key is not None else "."),
                "Restore the file from its copy; `mantle keys new` makes a new one.",
            )
        keys.append(key)
    if not keys:
        raise WrongKeyFile(
            f"The key file {path} holds no key.",
            f"Restore it from its copy, or, for a new database, make one: mantle keys new {path}",
        )
    return KeyRing(dict.fromkeys(keys))


def _key(words: list[str]) -> Key | None:
    if len(words) < 2:
        return None
    try:
        return Key(base64.b64decode(words[1], validate=True))
    except (binascii.Error, ValueError):
        return None


def line_of(key: Key, day: str) -> str:
    """A key as a line of the file."""
    return f"{key.id} {base64.b64encode(key.secret).decode()} {day}\n"


def read(path: Path) -> KeyRing:
    """The file's ring; raises `WrongKeyFile`."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongKeyFile(
            f"There is no key file {path}.",
            "Restore it from its copy. For a database that has no secrets yet, make one: "
            f"mantle keys new {path}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongKeyFile(
            f"The key file {path} cannot be read: {_said(error)}.",
            "Let the user who runs Mantle read it.",
        ) from None
    if mode & stat.S_IRWXO:
        raise WrongKeyFile(
            f"Everyone on this machine may read the key file {path}.",
            f"Close it (chmod 600 {path}) and, if others have an account here, exchange the key: "
            "mantle keys rotate",
        )
    return parse(text, path)


def _said(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "it is no text"


def make(path: Path, key: Key, day: str) -> None:
    """A new file with one key, for its owner only; `FileExistsError` when there is one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(HEADER + line_of(key, day))
        _to_disk(file.fileno(), path)


def add(path: Path, key: Key, day: str) -> None:
    """Write the file anew with one key more, at the end; readers see the old or the new file."""
    text = path.read_text(encoding="utf-8")
    _replace(path, text + ("" if text.endswith("\n") else "\n") + line_of(key, day))


def put_first(path: Path, key_id: str) -> None:
    """Write the file anew with this key before all others: it seals from now on."""
    lines = [line + "\n" for line in path.read_text(encoding="utf-8").splitlines()]
    notes = [line for line in lines if line.startswith("#") or not line.strip()]
    keys = [line for line in lines if line not in notes]
    keys.sort(key=lambda line: line.split()[0] != key_id)
    _replace(path, "".join([*notes, *keys]))


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _folder_to_disk(path.parent)


def _to_disk(handle: int, path: Path) -> None:
    os.fsync(handle)
    _folder_to_disk(path.parent)


def _folder_to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class KeyFile:
    """A key file's ring, read again when the file has changed. A `Sealer`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._seen = self._look()
        self._ring = read(path)
        self._next = time.monotonic() + LOOK_AGAIN_SECONDS

    @property
    def ids(self) -> tuple[str, ...]:
        """See `Sealer`."""
        return self.ring().ids

    def ring(self, *, now: bool = False) -> KeyRing:
        """The ring of the file as it is, or was a moment ago."""
        if not now and time.monotonic() < self._next:
            return self._ring
        with self._lock:
            self._next = time.monotonic() + LOOK_AGAIN_SECONDS
            seen = self._look()
            if seen != self._seen:
                try:
                    self._ring = read(self.path).with_older(self._ring)
                except WrongKeyFile:
                    # Half written, or gone for a moment: what is known still opens and seals.
                    return self._ring
                self._seen = seen
            return self._ring

    def seal(self, data: bytes, place: str) -> bytes:
        """See `Sealer`."""
        return self.ring().seal(data, place)

    def seal_same(self, data: bytes, place: str) -> bytes:
        """See `Sealer`."""
        return self.ring().seal_same(data, place)

    def open(self, sealed: bytes, place: str) -> bytes:
        """See `Sealer`. A key that is not known may have come into the file since."""
        try:
            return self._ring.open(sealed, place)
        except Unopened as error:
            if error.why is not Why.NO_KEY:
                raise
        return self.ring(now=True).open(sealed, place)

    def name(self, data: bytes) -> str:
        """See `Sealer`."""
        return self._ring.name(data)

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino)
