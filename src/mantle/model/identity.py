"""Who may use Mantle, when it keeps its own accounts: users, projects, grants, credentials, tokens.

There is one domain, `Default`, because Keystone's clients insist on naming one; and beside it the
stack domain, whose users and projects are derived from the rows of resources (`model/keys.py`). A
record never holds a password or a token, only what is needed to recognise it.
"""

from dataclasses import dataclass

from mantle.model.ids import ProjectId, UserId

DOMAIN_ID = "default"
DOMAIN_NAME = "Default"

STACK_DOMAIN_ID = "heat"
STACK_DOMAIN_NAME = "heat"
STACK_USER = "heat_stack_user"
"""The role of a resource's own user: it may show and signal that resource, and nothing else."""

ROLES = ("admin", "member", "reader")
"""Strongest first; each includes those after it."""


DERIVED = "sha256:"
"""Before the plain hash of a password that is derived from a secret: nobody can guess one."""


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

    @property
    def of_stack(self) -> bool:
        """Whether it is a resource's, in the stack domain."""
        return self.password_hash.startswith(DERIVED)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ec2Credential:
    """An access key for signed requests, of one user in one project. Its secret is derived."""

    access: str
    user_id: UserId
    project_id: ProjectId
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A token as it is stored, and everything else that says what it means, as of one moment."""

    record: TokenRecord
    user: User | None
    project: Project | None
    grants: tuple[Grant, ...]
    """All that the user has, in any project."""
    credential: Credential | None
