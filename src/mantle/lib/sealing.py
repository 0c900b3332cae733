"""Sealing: bytes that only who has the key can read, and only in the place they were sealed for.

A key ring holds several keys: the first seals, all of them open, so that a key can be exchanged
while everything runs. What is sealed begins with the id of its key. The *place* (which table, row
and column) is authenticated with it: copied to another row, a sealed value does not open there.

Note on nonces. AES-GCM must never see one nonce twice under one key, and chance alone lets one key
seal 2^32 values at most: a busy control plane's two days. So no key seals by itself. A process
draws a salt of 128 bits and seals with the key derived from both, and draws another salt long
before chance is used up; the salt stands beside the nonce. It costs nothing for each value: what
was derived is kept.

Sealing one value takes about a microsecond; a sealed value is 54 bytes longer than the plain one.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import count
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK = b"\x00\x01"
"""How sealed bytes begin: a zero byte, which no JSON text begins with, and the form's number."""

TEXT_MARK = "mantle-sealed:"
"""How sealed text begins, where a column holds text; the rest is base64."""

KEY_BYTES = 32
ID_BYTES = 8
SALT_BYTES = 16
NONCE_BYTES = 12
HEAD_BYTES = len(MARK) + ID_BYTES + SALT_BYTES

SEALS_WITH_ONE_SALT = 2**28
"""The chance that two of so many nonces are the same is 2^-41."""

SAME_SALT = bytes(SALT_BYTES)
"""Of values sealed so that equal ones look equal; no process draws it."""


class Why(StrEnum):
    """Why something does not open."""

    NO_KEY = "no-key"
    """It was sealed with a key that is not in the ring."""
    NOT_HERE = "not-here"
    """It was altered, or sealed for another place."""
    MALFORMED = "malformed"
    """It is no sealed value, or only a part of one."""


class Unopened(Exception):
    """A sealed value does not open; it says nothing of what is in it."""

    def __init__(self, why: Why, place: str, key_id: str = "") -> None:
        super().__init__(f"{place}: {why}")
        self.why = why
        self.place = place
        self.key_id = key_id
        """The key it was sealed with, in hexadecimal digits."""


class Sealer(Protocol):
    """Seals and opens; a key ring, or whoever keeps one up to date."""

    @property
    def ids(self) -> Sequence[str]:
        """The keys it opens with; the first seals."""
        ...

    def seal(self, data: bytes, place: str) -> bytes:
        """The bytes, to be opened in this place only."""
        ...

    def seal_same(self, data: bytes, place: str) -> bytes:
        """The same, so that equal bytes in equal places look equal: who reads them learns that."""
        ...

    def open(self, sealed: bytes, place: str) -> bytes:
        """What was sealed; raises `Unopened`."""
        ...

    def name(self, data: bytes) -> str:
        """64 digits that stand for these bytes, and help nobody without the key to guess them."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Its id is a hash of it, and so also proves that it is the right one."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")

    @property
    def raw_id(self) -> bytes:
        """The id as sealed values bear it."""
        return hashlib.sha256(b"mantle key id" + self.secret).digest()[:ID_BYTES]

    @property
    def id(self) -> str:
        """The id as people see it."""
        return self.raw_id.hex()

    def derived(self, purpose: bytes) -> bytes:
        """Another key, for one purpose."""
        return hmac.digest(self.secret, purpose, hashlib.sha256)


def new_key() -> Key:
    """A key that nobody has."""
    return Key(os.urandom(KEY_BYTES))


@lru_cache(maxsize=4096)
def _cipher(secret: bytes, salt: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"seal" + salt, hashlib.sha256))


class KeyRing:
    """Several keys: the first seals, all of them open."""

    def __init__(self, keys: Iterable[Key], *, with_one_salt: int = SEALS_WITH_ONE_SALT) -> None:
        self.keys = tuple(keys)
        self._with_one_salt = with_one_salt
        if not self.keys:
            raise ValueError("a key ring has at least one key")
        self._by_id = {key.raw_id: key.secret for key in self.keys}
        self._left = count()
        self._salted()

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ids)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' ids; the first seals."""
        return tuple(key.id for key in self.keys)

    def with_older(self, older: "KeyRing") -> "KeyRing":
        """This ring, which also opens with the keys of another."""
        known = set(self._by_id)
        return KeyRing((*self.keys, *(key for key in older.keys if key.raw_id not in known)))

    def seal(self, data: bytes, place: str) -> bytes:
        """See `Sealer`."""
        if next(self._left) >= self._with_one_salt:
            self._salted()
            next(self._left)
        head, cipher = self._session
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + cipher.encrypt(nonce, data, head + place.encode())

    def seal_same(self, data: bytes, place: str) -> bytes:
        """See `Sealer`. The nonce is a keyed hash of all that is sealed."""
        first = self.keys[0]
        head = MARK + first.raw_id + SAME_SALT
        named = len(place).to_bytes(4) + place.encode() + data
        nonce = hmac.digest(first.derived(b"nonce"), named, hashlib.sha256)[:NONCE_BYTES]
        cipher = _cipher(first.secret, SAME_SALT)
        return head + nonce + cipher.encrypt(nonce, data, head + place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """See `Sealer`."""
        head, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES:]
        if not is_sealed(sealed) or len(rest) < NONCE_BYTES:
            raise Unopened(Why.MALFORMED, place)
        raw_id = head[len(MARK) : len(MARK) + ID_BYTES]
        secret = self._by_id.get(raw_id)
        if secret is None:
            raise Unopened(Why.NO_KEY, place, raw_id.hex())
        cipher = _cipher(secret, head[-SALT_BYTES:])
        try:
            return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + place.encode())
        except InvalidTag:
            raise Unopened(Why.NOT_HERE, place, raw_id.hex()) from None

    def name(self, data: bytes) -> str:
        """See `Sealer`."""
        return hmac.digest(self.keys[0].derived(b"name"), data, hashlib.sha256).hex()

    def _salted(self) -> None:
        """Go on with another salt. Two threads that do it at once only draw one more."""
        first, salt = self.keys[0], os.urandom(SALT_BYTES)
        self._session = (MARK + first.raw_id + salt, _cipher(first.secret, salt))
        self._left = count()


def is_sealed(data: bytes) -> bool:
    """Whether these bytes are a sealed value, rather than JSON."""
    return data[: len(MARK)] == MARK


def key_id_of(sealed: bytes) -> str:
    """The id of the key that sealed it."""
    return sealed[len(MARK) : len(MARK) + ID_BYTES].hex()


def as_text(sealed: bytes) -> str:
    """A sealed value as text."""
    return TEXT_MARK + base64.b64encode(sealed).decode()


def from_text(text: str, place: str) -> bytes:
    """The sealed value that a text is; raises `Unopened` when it is damaged."""
    try:
        return base64.b64decode(text.removeprefix(TEXT_MARK), validate=True)
    except binascii.Error:
        raise Unopened(Why.MALFORMED, place) from None
