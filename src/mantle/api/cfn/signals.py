"""Signals over signed URLs: PUT waitcondition/{arn} and POST signal/{arn}.

The URL was signed for one resource, method and path, with that resource's own key, and says nothing
that ends: it is good as long as the resource is there (Heat's too: an alarm keeps it for years).
Signed anew, with that key or a person's, a request must also be of now.
"""

from typing import TYPE_CHECKING

from mantle.access.policy import enforce
from mantle.access.signatures import BadSignature, Claim, Signed, check, claim_of
from mantle.api.door import Call, Reply, empty
from mantle.api.heat.resources import signal_body
from mantle.engine.links import CFN_VERBS, resource_arn
from mantle.engine.operation import ref_of
from mantle.model.errors import Forbidden, LimitExceeded, MantleError
from mantle.model.records import ResourceRecord, StackRecord
from mantle.stacks.queries import find_stack, live_row
from mantle.stacks.resources import SIGNAL_BYTES, row_by_id, signal_resource, signal_row

if TYPE_CHECKING:
    from mantle.api.cfn.endpoint import CfnEndpoint

UNKNOWN = BadSignature("InvalidClientTokenId", "There is no such access key.")
FOREIGN = "This key is not for the resource of this address."


async def signal(endpoint: "CfnEndpoint", call: Call, signed: Signed, kind: str, arn: str) -> Reply:
    """Store the signal; the answer names the resource."""
    if call.method != CFN_VERBS[kind]:
        return empty(405, Allow=CFN_VERBS[kind])
    if len(call.body) > SIGNAL_BYTES:
        raise LimitExceeded(
            f"The signal has {len(call.body)} bytes; it may have {SIGNAL_BYTES}.",
            remedy="Send less: a signal is kept until its resource is deleted.",
        )
    claim = claim_of(signed)
    own = await _own(endpoint, signed, claim)
    # The key alone says whose URL it is: a stack that was renamed, or a resource that was moved,
    # goes on hearing what it once gave out.
    stack, row = own or await _of_person(endpoint, signed, arn)
    body = signal_body(call.json() if call.body.strip() else None)
    if own is not None:
        await signal_row(endpoint.control, stack, row, body)
    else:
        await signal_resource(endpoint.control, stack, row.name, body)
    return Reply(body={"resource": row.name, "metadata": dict(row.metadata)})


async def _own(
    endpoint: "CfnEndpoint", signed: Signed, claim: Claim
) -> tuple[StackRecord, ResourceRecord] | None:
    """The row whose own key signed it; None when it is no row's key."""
    control = endpoint.control
    keys = control.machine.links.keys
    resource_id = keys.resource_of_access(claim.access)
    if resource_id is None:
        raise UNKNOWN
    found = await row_by_id(control, resource_id)
    if found is None:
        return None
    lasting = claim.version == 2 and claim.until is None
    check(signed, claim, keys.key(claim.access), None if lasting else control.clock.now())
    return found


async def _of_person(
    endpoint: "CfnEndpoint", signed: Signed, arn: str
) -> tuple[StackRecord, ResourceRecord]:
    """The row of the address, for a person who may signal it."""
    if endpoint.identity is None and endpoint.signers is None:
        raise UNKNOWN
    caller, _ = await endpoint.ring().caller(signed)
    enforce(caller, "resources:signal")
    stack_id, _, name = arn.partition("/resources/")
    if not name or caller.is_stack_user:
        raise MantleError(FOREIGN, fault="Forbidden")
    stack = await find_stack(endpoint.control, caller.project_id, stack_id.rsplit("/", 1)[-1])
    row = await live_row(endpoint.control, stack, name)
    if resource_arn(ref_of(row, stack)) != arn:
        raise Forbidden(FOREIGN)
    return stack, row
