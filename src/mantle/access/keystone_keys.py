"""Who has signed a request, where another Keystone keeps the accounts.

A row's own key (what a server's agent or a signed URL has) is derived from the row, so it is
checked here, and Keystone is not asked. All other keys are Keystone's: people's, and those of
AWS::IAM::AccessKey, which are made there. Keystone checks their signatures at `ec2tokens`, and
answers with what the key's owner may do. It does that only for an account that it trusts: Mantle's
service account.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from mantle.access.caller import Caller
from mantle.access.keystone import KeystoneAuthenticator
from mantle.access.signatures import BadSignature, Claim, Signed, check, check_time, claim_of
from mantle.lib.clock import Clock
from mantle.model.keys import StackKeys

SIGNATURES = {"Signature", "X-Amz-Signature"}
NAMES = {"authorization": "Authorization", "x-amz-date": "X-Amz-Date"}
"""Headers that Keystone looks for under just these names."""

OwnKeys = Callable[[str], Awaitable[Caller | None]]
"""(access) -> the account of the row whose own key it is; None when it is no row's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneKeys:
    """Signed requests to callers, at another Keystone."""

    keystone: KeystoneAuthenticator
    keys: StackKeys
    own: OwnKeys
    clock: Clock

    async def caller(self, request: Signed) -> tuple[Caller, Claim]:
        """Who signed it; raises `BadSignature`."""
        claim = claim_of(request)
        own = await self.own(claim.access)
        if own is not None:
            check(request, claim, self.keys.key(claim.access), self.clock.now())
            return own, claim
        check_time(claim, self.clock.now())
        if claim.version != 2 and not _of_its_day(claim):
            raise BadSignature(
                "SignatureDoesNotMatch", "The day in the credential is not that of the request."
            )
        found: Caller | None = None
        for host in request.hosts:
            found = await self.keystone.owner_of_signature(asked_of(request, claim, host))
            if found is not None:
                return found, claim
        raise BadSignature(
            "InvalidClientTokenId", "Keystone does not know this access key, or its signature."
        )


def _of_its_day(claim: Claim) -> bool:
    """Keystone breaks off without an answer when the two differ."""
    day = claim.scope.partition("/")[0]
    return claim.at is not None and datetime.fromtimestamp(claim.at, UTC).strftime("%Y%m%d") == day


def asked_of(request: Signed, claim: Claim, host: str) -> dict[str, object]:
    """The request as Keystone's `ec2tokens` wants it told."""
    query = {k: v for k, v in request.query if k not in SIGNATURES}
    parameters = {k: v for k, v in request.parameters.items() if k not in SIGNATURES}
    body_hash = request.body_hash or hashlib.sha256(request.body).hexdigest()
    return {
        "access": claim.access,
        "signature": claim.signature,
        "host": host,
        "verb": request.method,
        "path": request.path,
        # Version 4 signs a form as the body; version 2 as parameters.
        "params": parameters if claim.version == 2 else query,
        "headers": {
            **{NAMES.get(name, name): value for name, value in request.headers.items()},
            "host": host,
        },
        "body_hash": body_hash,
    }
