"""Ids and chance are made at the edges only; this is where.

Both come from the operating system's generator, read in blocks: a system call for each id is what
creating ten thousand resources would otherwise spend most of its time on.
"""

import os
import threading

_BLOCK = 4096


class Chance:
    """Cryptographically strong bytes; each is given out once, also between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._block = b""
        self._used = 0
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        # A forked child must not give out what its parent gives out.
        self._block, self._used = b"", 0

    def take(self, count: int) -> bytes:
        """`count` random bytes."""
        if count > _BLOCK // 4:
            return os.urandom(count)
        with self._lock:
            end = self._used + count
            if end > len(self._block):
                self._block, self._used, end = os.urandom(_BLOCK), 0, count
            taken = self._block[self._used : end]
            self._used = end
            return taken


_chance = Chance()
random_bytes = _chance.take
"""n cryptographically strong bytes."""

_VERSION_4 = "89ab"


def new_id() -> str:
    """A random UUID4 in its 36-character form."""
    digits = _chance.take(16).hex()
    variant = _VERSION_4[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
