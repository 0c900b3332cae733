"""Passwords, hashed with Argon2id off the event loop."""

import asyncio
import hashlib
import hmac

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mantle.model.identity import DERIVED

CONCURRENT = 2
"""Hashes under way at once. Each takes 64 MiB and a core for a tenth of a second, so that without
a bound a burst of log-ins would take the machine from the work it is for."""

MAX_LENGTH = 4096
"""Characters; longer passwords are refused before they cost anything."""


class Passwords:
    """Hashes and verifies. A cheaper `hasher` is for tests."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(CONCURRENT)
        # Verified against when the user is unknown, so that both answers take equally long.
        self._decoy = self._hasher.hash("nobody's password")

    async def hash(self, password: str) -> str:
        """The text to store."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one; None (no such user) takes as long and is false."""
        if len(password) > MAX_LENGTH:
            return False
        if stored is not None and stored.startswith(DERIVED):
            # Derived from a secret, so not to be guessed: as with tokens, a fast hash will do.
            given = hashlib.sha256(password.encode(errors="replace")).hexdigest()
            return hmac.compare_digest(given, stored.removeprefix(DERIVED))
        async with self._turns:
            right = await asyncio.to_thread(self._matches, stored or self._decoy, password)
        return right and stored is not None

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
