"""Ids are made at the edges only; this is where."""

import secrets
import uuid


def new_id() -> str:
    """A random UUID4 in its 36-character form."""
    return str(uuid.uuid4())


def random_bytes(count: int) -> bytes:
    """Cryptographically strong bytes."""
    return secrets.token_bytes(count)
