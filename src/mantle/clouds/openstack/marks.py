"""How a token is written on an object, so that it is found again. Pure.

OpenStack's creates take no idempotency token. Each service has something that is set in the very
request that creates, and can be searched for: Nova and Octavia have tags, Cinder metadata, Neutron
descriptions (its tags are a second request), and a key pair the comment in its public key.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mantle.model.ids import Token

TAG = "mantle:"
METADATA = "mantle_token"
OURS = "mantle_"
"""The beginning of every metadata key that is Mantle's own."""
_DESCRIPTION = re.compile(r"\s*\(mantle:([^()\s]+)\)$")


def tag(token: Token) -> str:
    """For Nova and Octavia. Nova allows neither slash nor comma in a tag."""
    return TAG + token.replace("/", "~")


def tagged(tags: Iterable[str]) -> Token:
    """The token among an object's tags."""
    marks = (each.removeprefix(TAG) for each in tags if each.startswith(TAG))
    return Token(next(marks, "").replace("~", "/"))


def other_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that are not Mantle's."""
    return tuple(sorted(each for each in tags if not each.startswith("mantle")))


def description(text: str, token: Token) -> str:
    """For Neutron; `text` is what people asked for."""
    return f"{text} (mantle:{token})".strip()


def described(text: str | None) -> tuple[str, Token]:
    """(what people asked for, the token)."""
    found = _DESCRIPTION.search(text or "")
    if found is None:
        return text or "", Token("")
    return (text or "")[: found.start()], Token(found[1])


def other_metadata(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """The metadata that is not Mantle's."""
    return {key: str(value) for key, value in (metadata or {}).items() if not key.startswith(OURS)}


def own_metadata(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """The metadata that is."""
    return {key: str(value) for key, value in (metadata or {}).items() if key.startswith(OURS)}


def comment(public_key: str, token: Token, project_id: str) -> str:
    """A public key whose comment ends in the token.

    Key pairs belong to users, not to projects, so the project stands there as well.
    """
    return f"{public_key.strip()} {TAG}{project_id}:{token}"


def commented(public_key: str) -> tuple[str, str, Token]:
    """(the key as it was given, the project, the token); the latter two may be empty."""
    head, _, tail = public_key.strip().rpartition(" ")
    if not tail.startswith(TAG):
        return public_key.strip(), "", Token("")
    project_id, _, token = tail.removeprefix(TAG).partition(":")
    return head, project_id, Token(token)
