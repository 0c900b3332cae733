"""Encrypts the chunks of a backup under a key file.

The key file is whatever a person keeps: random bytes or a line with a passphrase. scrypt makes the
backup's own key of it and of a salt, so that no two backups share one; a chunk's number is its
nonce, and what is authenticated with it is its header and the prologue. So a chunk can neither be
moved within the backup nor into another, and the end cannot be cut off: the last chunk says so.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mantle.model.errors import MantleError

SCRYPT = 1
COST, BLOCK, LANES = 15, 8, 1
"""32 MiB and a tenth of a second for each guess at a passphrase."""

MOST_COST = 18
"""What a reader spends on a file that says so itself: 256 MiB."""

LEAST_KEY_BYTES = 8
MOST_KEY_BYTES = 1 << 16


class WrongKey(MantleError):
    """The key file is missing, or is not the one."""


@dataclass(frozen=True, slots=True)
class BackupKey:
    """What is in a key file; never shown."""

    secret: bytes

    def __repr__(self) -> str:
        return "BackupKey(...)"


def read_key(path: Path) -> BackupKey:
    """A key file; a last line end is not part of it, as editors add one."""
    try:
        with path.open("rb") as file:
            secret = file.read(MOST_KEY_BYTES + 1)
    except OSError as error:
        raise WrongKey(f"The key file {path} cannot be read: {error.strerror}.") from error
    secret = secret.removesuffix(b"\n").removesuffix(b"\r")
    if not LEAST_KEY_BYTES <= len(secret) <= MOST_KEY_BYTES:
        raise WrongKey(
            f"The key file {path} holds {len(secret):,} bytes; a key has {LEAST_KEY_BYTES} to "
            f"{MOST_KEY_BYTES:,}.",
            remedy="Make one: head -c 32 /dev/urandom | base64 > backup.key",
        )
    return BackupKey(secret)


class Seal:
    """The cipher of one backup."""

    overhead = 16

    def __init__(self, key: bytes, bound: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._bound = bound

    def close(self, number: int, fields: bytes, body: bytes) -> bytes:
        """Encrypt the body of a chunk."""
        return self._cipher.encrypt(number.to_bytes(12, "big"), body, self._bound + fields)

    def open(self, number: int, fields: bytes, body: bytes) -> bytes:
        """Decrypt it; `WrongKey` when it was made with another key, or for another place."""
        try:
            return self._cipher.decrypt(number.to_bytes(12, "big"), body, self._bound + fields)
        except InvalidTag:
            raise WrongKey(
                "The backup was encrypted with another key.",
                remedy="Give the key file that was used when it was made: --key-file.",
            ) from None


def seal_of(
    key: BackupKey | None, lock: tuple[int, int, int, int], salt: bytes, bound: bytes
) -> Seal:
    """The cipher for what a prologue says: kind of lock, and scrypt's log2 N, r, p."""
    if key is None:
        raise WrongKey(
            "The backup is encrypted.", remedy="Give the key file it was made with: --key-file."
        )
    kind, cost, block, lanes = lock
    if kind != SCRYPT or not 1 <= cost <= MOST_COST or (block, lanes) != (BLOCK, LANES):
        raise WrongKey("The backup is encrypted in a way that this Mantle does not know.")
    kdf = Scrypt(salt=salt, length=32, n=1 << cost, r=block, p=lanes)
    return Seal(kdf.derive(key.secret), bound)
