"""Who may use Mantle, when it keeps its own accounts: users, projects, grants, credentials, tokens.

There is one domain, `Default`, because Keystone's clients insist on naming one. A record never
holds a password or a token, only what is needed to recognise it.
"""

from dataclasses import dataclass

from mantle.model.ids import ProjectId, UserId

DOMAIN_ID = "default"
DOMAIN_NAME = "Default"

ROLES = ("admin", "member", "reader")
"""Strongest first; each includes those after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Someone who can log in."""

    id: UserId
    name: str
    password_hash: str
    """Argon2id, with its parameters; never shown."""
    enabled: bool = True
    default_project_id: ProjectId | None = None
    description: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What owns stacks; a tenant."""

    id: ProjectId
    name: str
    enabled: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A user has a role in a project."""

    user_id: UserId
    project_id: ProjectId
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An application credential: a secret of its own, for one user in one project."""

    id: str
    name: str
    user_id: UserId
    project_id: ProjectId
    secret_hash: str
    roles: tuple[str, ...]
    description: str = ""
    unrestricted: bool = False
    """Whether its tokens may make further credentials."""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """An issued token, known by the SHA-256 of its text. Times are seconds since the epoch."""

    digest: str
    user_id: UserId
    project_id: ProjectId | None
    """None for an unscoped token, which may only ask for a scoped one."""
    methods: tuple[str, ...]
    """How it was got: `password`, `token`, `application_credential`."""
    credential_id: str | None = None
    audit_id: str
    issued_at: float
    expires_at: float
