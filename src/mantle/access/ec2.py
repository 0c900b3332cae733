"""Access keys: who has signed a request, and the keys people make for themselves.

A key's secret is derived from its id (`model/keys.py`), so none is stored. What a key may do is
read when it is used, as with tokens: a deleted key, a disabled user or a revoked grant counts at
once.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mantle.access.caller import Caller
from mantle.access.identity import EmbeddedIdentity, Issued, digest
from mantle.access.ports import IdentityStore
from mantle.access.signatures import SKEW_SECONDS, BadSignature, Claim, Signed, check, claim_of
from mantle.model.errors import LimitExceeded, MantleError, NotFound, Unauthorized
from mantle.model.identity import Ec2Credential, User
from mantle.model.ids import ProjectId
from mantle.model.keys import StackKeys

KEYS_PER_USER = 100


@asynccontextmanager
async def once(store: IdentityStore, claim: Claim, now: float) -> AsyncIterator[None]:
    """Around what a request changes: its very signature is refused as long as it would pass.

    It is taken, durably, before the request is carried out, so that of two at once only one is, on
    whichever machine; and given back when that fails, so that a client may send it again as it was.
    """
    key = digest(claim.signature)
    until = claim.until if claim.until is not None else now + 2 * SKEW_SECONDS
    if not await store.take_signature(key, now, until):
        raise BadSignature(
            "RequestExpired",
            "This very request was carried out before. Sign it anew to repeat it.",
        )
    carried_out = False
    try:
        yield
        carried_out = True
    finally:
        if not carried_out:
            await store.release_signature(key)


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
