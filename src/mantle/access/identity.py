"""The embedded identity service: log-in, tokens, and what a token means.

A token is 32 random bytes; only its SHA-256 is stored, so that a stolen database lets nobody in.
What a token may do is not stored with it: roles are read when it is used, so that a revoked grant,
a disabled user or a deleted project takes effect at once.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mantle.access.caller import Caller
from mantle.access.lockout import Lockout
from mantle.access.passwords import Passwords
from mantle.access.ports import IdentityStore
from mantle.lib.clock import Clock
from mantle.model.errors import Unauthorized
from mantle.model.identity import (
    DOMAIN_NAME,
    STACK_DOMAIN_NAME,
    Credential,
    Project,
    Standing,
    TokenRecord,
    User,
)
from mantle.model.ids import ProjectId

TOKEN_SECONDS = 12 * 3600.0
"""A working day: long enough not to interrupt `--wait`, short enough to lose."""

REFUSED = "The request you have made requires authentication."
"""One sentence for every reason, so that a guess learns nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordProof:
    """A user, by id or name, and the password."""

    user_id: str | None = None
    user_name: str | None = None
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenProof:
    """A token got before, to be exchanged for one of another scope."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialProof:
    """An application credential, by id, or by name and its user."""

    credential_id: str | None = None
    credential_name: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    secret: str = field(repr=False)


Proof = PasswordProof | TokenProof | CredentialProof


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the token is wanted for: a project by id or name, or expressly none."""

    project_id: str | None = None
    project_name: str | None = None
    unscoped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A valid token, with everything it means at this moment."""

    record: TokenRecord
    user: User
    project: Project | None
    roles: tuple[str, ...]
    credential: Credential | None = None

    def caller(self) -> Caller:
        """Who is asking, as the verbs see it."""
        return Caller(
            user_id=self.user.id,
            user_name=self.user.name,
            project_id=self.project.id if self.project else ProjectId(""),
            project_name=self.project.name if self.project else "",
            roles=frozenset(self.roles),
            user_domain=STACK_DOMAIN_NAME if self.user.of_stack else DOMAIN_NAME,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token: its text, shown once, and what it means."""

    token: str = field(repr=False)
    session: Session


class EmbeddedIdentity:
    """Log-in and tokens over a store of accounts. An `Authenticator`."""

    auth_url = ""

    def __init__(
        self,
        store: IdentityStore,
        clock: Clock,
        random: Callable[[int], bytes],
        *,
        passwords: Passwords | None = None,
        token_seconds: float = TOKEN_SECONDS,
    ) -> None:
        self.store = store
        self.clock = clock
        self.random = random
        self.passwords = passwords or Passwords()
        self.token_seconds = token_seconds
        self._lockout = Lockout()

    async def log_in(self, proofs: Sequence[Proof], scope: Scope | None) -> Issued:
        """Check every proof and issue a token; raises `Unauthorized` without saying which failed.

        All proofs must be of one user. None as scope means the user's default project.
        """
        found = [await self._prove(proof) for proof in proofs]
        if not found or len({user.id for user, _, _ in found}) != 1:
            raise Unauthorized(REFUSED)
        user, credential, parent = found[-1]
        project = await self._scope(user, scope, credential)
        # A token got by a token ends when that one would: exchanging must not prolong.
        now = self.clock.now()
        ends = [now + self.token_seconds]
        ends += [parent.expires_at for _, _, parent in found if parent]
        if credential and credential.expires_at is not None:
            ends.append(credential.expires_at)
        token = _text(self.random(32))
        record = TokenRecord(
            digest=digest(token),
            user_id=user.id,
            project_id=project.id if project else None,
            methods=_methods(proofs, parent),
            credential_id=credential.id if credential else None,
            audit_id=_text(self.random(16)),
            issued_at=now,
            expires_at=min(ends),
        )
        session = await self._session(record)
        if project is not None and not session.roles:
            raise Unauthorized(REFUSED)
        await self.store.add_token(record)
        return Issued(token=token, session=session)

    async def authenticate(self, token: str) -> Caller:
        """Who holds the token; raises `Unauthorized`."""
        return (await self.session(token)).caller()

    async def session(self, token: str) -> Session:
        """What a token means now; raises `Unauthorized` when it is unknown, expired or revoked."""
        found = await self.store.get_standing(digest(token))
        if found is None or found.record.expires_at <= self.clock.now():
            raise Unauthorized(REFUSED)
        return _session(found)

    async def session_of_key(self, access: str) -> Session:
        """What an EC2 key means now, as a token got by it would; raises `Unauthorized`."""
        return await self._session(await self._record_of_key(_text(b""), access))

    async def issue_for_key(self, access: str) -> Issued:
        """A token for the owner of a key whose signature was right."""
        token = _text(self.random(32))
        record = await self._record_of_key(digest(token), access)
        session = await self._session(record)
        await self.store.add_token(record)
        return Issued(token=token, session=session)

    async def _record_of_key(self, known_by: str, access: str) -> TokenRecord:
        owner = await self.store.owner_of_key(access)
        if owner is None:
            raise Unauthorized(REFUSED)
        user_id, project_id = owner
        if all(grant.project_id != project_id for grant in await self.store.list_grants(user_id)):
            raise Unauthorized(REFUSED)
        now = self.clock.now()
        return TokenRecord(
            digest=known_by,
            user_id=user_id,
            project_id=project_id,
            methods=("ec2credential",),
            audit_id=_text(self.random(16)),
            issued_at=now,
            expires_at=now + self.token_seconds,
        )

    async def revoke(self, token: str) -> None:
        """Make the token worthless."""
        await self.store.delete_token(digest(token))

    async def projects_of(self, user: User) -> list[Project]:
        """The enabled projects the user has a role in."""
        ids = {grant.project_id for grant in await self.store.list_grants(user.id)}
        found = [await self.store.get_project(project_id) for project_id in ids]
        there = [project for project in found if project is not None and project.enabled]
        return sorted(there, key=lambda project: project.name)

    async def _session(self, record: TokenRecord) -> Session:
        return _session(await self.store.standing_of(record))

    async def _prove(self, proof: Proof) -> tuple[User, Credential | None, TokenRecord | None]:
        match proof:
            case PasswordProof():
                return await self._check_password(proof), None, None
            case TokenProof():
                session = await self.session(proof.token)
                if session.credential is not None:
                    # Keystone's rule: such a token stays in the project it was made for.
                    raise Unauthorized(REFUSED)
                return session.user, None, session.record
            case CredentialProof():
                user, credential = await self._check_credential(proof)
                return user, credential, None

    async def _check_password(self, proof: PasswordProof) -> User:
        user = await self._find_user(proof.user_id, proof.user_name)
        name = user.name if user else str(proof.user_name or proof.user_id)
        await self._check_secret(name, user.password_hash if user else None, proof.password)
        if user is None or not user.enabled:
            raise Unauthorized(REFUSED)
        return user

    async def _check_credential(self, proof: CredentialProof) -> tuple[User, Credential]:
        credential = await self._find_credential(proof)
        name = credential.id if credential else str(proof.credential_id or proof.credential_name)
        await self._check_secret(
            f"credential {name}", credential.secret_hash if credential else None, proof.secret
        )
        user = await self.store.get_user(credential.user_id) if credential else None
        if user is None or credential is None or not user.enabled:
            raise Unauthorized(REFUSED)
        if credential.expires_at is not None and credential.expires_at <= self.clock.now():
            raise Unauthorized(REFUSED)
        return user, credential

    async def _check_secret(self, name: str, stored: str | None, secret: str) -> None:
        if self._lockout.rests(name, self.clock.now()):
            raise Unauthorized(REFUSED)
        if not await self.passwords.verify(stored, secret):
            self._lockout.failed(name, self.clock.now())
            raise Unauthorized(REFUSED)
        self._lockout.succeeded(name)

    async def _find_user(self, user_id: str | None, name: str | None) -> User | None:
        if user_id is not None:
            return await self.store.get_user(user_id)
        return await self.store.find_user(name) if name is not None else None

    async def _find_credential(self, proof: CredentialProof) -> Credential | None:
        if proof.credential_id is not None:
            return await self.store.get_credential(proof.credential_id)
        user = await self._find_user(proof.user_id, proof.user_name)
        if user is None:
            return None
        named = await self.store.list_credentials(user.id)
        return next((one for one in named if one.name == proof.credential_name), None)

    async def _scope(
        self, user: User, scope: Scope | None, credential: Credential | None
    ) -> Project | None:
        """The project the token is for; a wanted one that is not there is refused."""
        if credential is not None:
            scope = Scope(project_id=credential.project_id)
        if scope is None:
            if user.default_project_id is None:
                return None
            scope = Scope(project_id=user.default_project_id)
        if scope.unscoped:
            return None
        if scope.project_id is not None:
            project = await self.store.get_project(scope.project_id)
        else:
            project = await self.store.find_project(scope.project_name or "")
        if project is None or not project.enabled:
            raise Unauthorized(REFUSED)
        return project


def _session(found: Standing) -> Session:
    """What it means, as of one moment; raises `Unauthorized` when it means nothing any more."""
    record, user, project = found.record, found.user, found.project
    if user is None or not user.enabled:
        raise Unauthorized(REFUSED)
    if record.project_id is None:
        return Session(record=record, user=user, project=None, roles=())
    if project is None or not project.enabled:
        raise Unauthorized(REFUSED)
    roles = tuple(grant.role for grant in found.grants if grant.project_id == project.id)
    if record.credential_id is not None:
        if found.credential is None:
            raise Unauthorized(REFUSED)
        roles = tuple(role for role in roles if role in found.credential.roles)
    return Session(
        record=record, user=user, project=project, roles=roles, credential=found.credential
    )


def digest(token: str) -> str:
    """What a token is stored and found by. A fast hash will do: a token is not guessable."""
    return hashlib.sha256(token.encode()).hexdigest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _methods(proofs: Sequence[Proof], parent: TokenRecord | None) -> tuple[str, ...]:
    names = {
        PasswordProof: "password",
        TokenProof: "token",
        CredentialProof: "application_credential",
    }
    used = [names[type(proof)] for proof in proofs]
    earlier = list(parent.methods) if parent else []
    return tuple(dict.fromkeys([*earlier, *used]))
