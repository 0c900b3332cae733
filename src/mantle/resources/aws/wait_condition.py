"""AWS::CloudFormation::WaitCondition and its handles.

A handle's reference is its URL, signed as EC2 requests are; whoever PUTs CloudFormation's form of a
signal there signals this handle. OS::Heat::UpdateWaitConditionHandle is the same, but every update
of the stack makes a new one, so that what waits on it waits anew.
"""

from dataclasses import replace

from mantle.model.schema import Kind, TypeFacts
from mantle.resources.heat.signalled import (
    refused_by_cfn,
    url_of,
    waiting_type,
)
from mantle.resources.kit import Context, Done, Outcome, ResourceType
from mantle.resources.schemas import integer, schema, string

HANDLE_SCHEMA = schema(
    "AWS::CloudFormation::WaitConditionHandle",
    "Receives the signals that a wait condition counts, at a signed URL.",
    {},
    takes_signals=True,
    secret_reference=True,
    since="2014.1",
)
SCHEMA = schema(
    "AWS::CloudFormation::WaitCondition",
    "Waits for signals to a handle.",
    {
        "Handle": string("The handle, by Ref.", required=True, secret=True),
        "Timeout": integer("Longest wait in seconds.", required=True, low=1, high=43200),
        "Count": integer("How many successes to wait for.", default=1, low=1, update=True),
    },
    {"Data": (Kind.STRING, "JSON text: the data of each signal by its id.")},
    since="2014.1",
)


async def make(ctx: Context) -> Outcome:
    """Its URL is how a wait condition names it."""
    url = ctx.callbacks.cfn_url(ctx.ref, "waitcondition", ctx.started_at)
    return Done(physical_id=ctx.ref.id, data={"url": url})


HANDLE_TYPE = ResourceType(
    facts=TypeFacts(schema=HANDLE_SCHEMA),
    create=make,
    reference=url_of,
    accepts_signal=refused_by_cfn,
    needs_no_cloud=True,
)
UPDATE_HANDLE_TYPE = replace(
    HANDLE_TYPE,
    facts=TypeFacts(
        schema=schema(
            "OS::Heat::UpdateWaitConditionHandle",
            "A handle that every update of the stack makes anew.",
            {},
            takes_signals=True,
            secret_reference=True,
            since="2014.1",
        ),
        renewed=True,
    ),
)
TYPE = waiting_type(SCHEMA, handle="Handle", count="Count", timeout="Timeout", data="Data")
