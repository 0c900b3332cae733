"""Access keys: who has signed a request, and the keys people make for themselves.

A key's secret is derived from its id (`model/keys.py`), so none is stored. What a key may do is
read when it is used, as with tokens: a deleted key, a disabled user or a revoked grant counts at
once.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from mantle.access.caller import Caller
from mantle.access.identity import EmbeddedIdentity, Issued
from mantle.access.signatures import SKEW_SECONDS, BadSignature, Claim, Signed, check, claim_of
from mantle.model.errors import LimitExceeded, MantleError, NotFound, Unauthorized
from mantle.model.identity import Ec2Credential, User
from mantle.model.ids import ProjectId
from mantle.model.keys import StackKeys

KEYS_PER_USER = 100
REMEMBERED = 10_000
"""Signatures kept against replay, in this process; the oldest are forgotten first."""


@dataclass(slots=True)
class Replays:
    """Signatures that have changed something. The same again within the clock's skew is refused.

    One is taken before its request is carried out, so that of two at once only one is; and given
    back when that fails, so that a client may send the request again as it was.
    """

    _until: OrderedDict[str, float] = field(default_factory=OrderedDict)

    @contextmanager
    def once(self, claim: Claim, now: float) -> Iterator[None]:
        """Around what the request does; raises when this very signature has been used."""
        if self._until.get(claim.signature, 0.0) > now:
            raise BadSignature(
                "RequestExpired",
                "This very request was carried out before. Sign it anew to repeat it.",
            )
        ends = claim.until if claim.until is not None else now + 2 * SKEW_SECONDS
        self._until[claim.signature] = ends
        self._until.move_to_end(claim.signature)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
        try:
            yield
        except BaseException:
            self._until.pop(claim.signature, None)
            raise


class Signers(Protocol):
    """Who knows the keys of signed requests."""

    async def caller(self, request: Signed) -> tuple[Caller, Claim]:
        """Who signed it; raises `BadSignature`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """Signed requests to callers, over the embedded identity service."""

    identity: EmbeddedIdentity
    keys: StackKeys

    async def caller(self, request: Signed) -> tuple[Caller, Claim]:
        """Who signed it; raises `BadSignature`."""
        claim = claim_of(request)
        check(request, claim, self.keys.key(claim.access), self.identity.clock.now())
        try:
            session = await self.identity.session_of_key(claim.access)
        except Unauthorized:
            raise BadSignature(
                "InvalidClientTokenId", "There is no such access key, or its owner may not act."
            ) from None
        return session.caller(), claim

    async def token(self, request: Signed) -> Issued:
        """A token for who signed it; raises `Unauthorized`."""
        try:
            _, claim = await self.caller(request)
        except BadSignature as error:
            raise Unauthorized(str(error)) from None
        return await self.identity.issue_for_key(claim.access)


async def create_key(
    identity: EmbeddedIdentity, access: str, user: User, project_id: str
) -> Ec2Credential:
    """A key for a user in a project where the user has a role."""
    granted = await identity.store.list_grants(user.id)
    if all(grant.project_id != project_id for grant in granted):
        raise MantleError(
            f"User {user.name!r} has no role in project {project_id!r}.",
            remedy="Name a project of the user's in tenant_id.",
        )
    if len(await identity.store.list_ec2_credentials(user.id)) >= KEYS_PER_USER:
        raise LimitExceeded(
            f"User {user.name!r} has {KEYS_PER_USER} access keys, as many as one may have.",
            remedy="Delete some that are not used.",
        )
    made = Ec2Credential(
        access=access,
        user_id=user.id,
        project_id=ProjectId(project_id),
        created_at=identity.clock.now(),
    )
    await identity.store.add_ec2_credential(made)
    return made


async def find_key(identity: EmbeddedIdentity, user_id: str, access: str) -> Ec2Credential:
    """One of the user's; raises `NotFound`."""
    found = await identity.store.get_ec2_credential(access)
    if found is None or found.user_id != user_id:
        raise NotFound(f"Could not find credential: {access[:64]}.")
    return found


def hosts_of(host: str, *others: str) -> Sequence[str]:
    """What a client may have signed as the host: with its port, without, and our own address."""
    return tuple(dict.fromkeys([host, host.rpartition(":")[0] or host, *others]))
