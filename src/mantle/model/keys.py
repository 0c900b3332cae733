"""Users, passwords and keys of the stack domain: derived from one secret, stored nowhere.

Heat makes a Keystone project for every stack and a user for every resource that may be signalled,
used or not. Here both are names for rows that are there anyway: a resource's user is its row, a
stack's user project its root stack. Their ids and secrets are keyed hashes of the row's id, so that
making them costs nothing, a crash leaves none behind, and they end with the row.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from mantle.model.ids import ProjectId, ResourceId, StackId, UserId

ACCOUNT = "account"
"""In a row's data: its account in another Keystone's stack domain, without any secret."""

TAG = 32
"""Characters of the hash in an id: nobody can make up an id that we would take for ours."""

DASHES = (8, 12, 16, 20)


@dataclass(frozen=True, slots=True)
class StackKeys:
    """What is derived from the installation's secret."""

    secret: bytes = field(repr=False)

    def user_id(self, resource_id: ResourceId) -> UserId:
        """The user that a resource's row stands for; 64 characters, as mapped ids of Keystone."""
        return UserId(self._named("user", resource_id))

    def resource_of_user(self, user_id: str) -> ResourceId | None:
        """The row behind a user id; None when it is no such id."""
        found = self._row("user", user_id)
        return None if found is None else ResourceId(found)

    def project_id(self, root_id: StackId) -> ProjectId:
        """The user project of a root stack and all stacks inside it."""
        return ProjectId(self._named("project", root_id))

    def root_of_project(self, project_id: str) -> StackId | None:
        """The root stack behind a project id; None when it is no such id."""
        found = self._row("project", project_id)
        return None if found is None else StackId(found)

    def password(self, resource_id: ResourceId) -> str:
        """What the resource's user logs in with."""
        return self._hash("password", resource_id)

    def access(self, resource_id: ResourceId) -> str:
        """The id of the resource's EC2 key: its row's, without hyphens."""
        return resource_id.replace("-", "")

    def resource_of_access(self, access: str) -> ResourceId | None:
        """The row that an EC2 key's id would be of, if it is a row's."""
        return ResourceId(_uuid(access)) if _is_hex(access, 32) else None

    def key(self, access: str) -> str:
        """The secret of an EC2 key, a person's or a resource's."""
        return self._hash("ec2", access)

    def url_tag(self, purpose: str, resource_id: str, expires_at: int = 0) -> str:
        """The hash in a URL that is good for one purpose, until then (0: for ever)."""
        return self._hash("url", f"{purpose}:{resource_id}:{expires_at}")[:40]

    def _named(self, what: str, row_id: str) -> str:
        plain = row_id.replace("-", "")
        return plain + self._hash(what, plain)[:TAG]

    def _row(self, what: str, named: str) -> str | None:
        if not _is_hex(named, 64):
            return None
        plain = named[:-TAG]
        if not same(named, plain + self._hash(what, plain)[:TAG]):
            return None
        return _uuid(plain)

    def _hash(self, what: str, value: str) -> str:
        return hmac.new(self.secret, f"{what}:{value}".encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Equality that takes as long whatever differs."""
    return hmac.compare_digest(one.encode(), other.encode())


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(letter in "0123456789abcdef" for letter in text)


def _uuid(plain: str) -> str:
    parts = [plain[low:high] for low, high in zip((0, *DASHES), (*DASHES, 32), strict=True)]
    return "-".join(parts)
