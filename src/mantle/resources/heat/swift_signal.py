"""OS::Heat::SwiftSignal and its handle: a wait condition whose signals are PUT to a URL.

Heat has Swift keep them. Here the URL is our own, signed and expiring as Swift's temporary URLs
are, and PUT to in the same way: an empty body is a success.
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources.heat.signalled import (
    refused,
    temp_url,
    url_of,
    waiting_type,
)
from mantle.resources.kit import Context, Done, Outcome, Ref, ResourceType
from mantle.resources.schemas import integer, number, schema, string

HANDLE_SCHEMA = schema(
    "OS::Heat::SwiftSignalHandle",
    "Receives signals by PUT to a URL that expires.",
    {},
    {
        "token": Attribute(kind=Kind.STRING, description="Empty: the URL is enough."),
        "endpoint": Attribute(kind=Kind.STRING, description="Where to PUT to.", secret=True),
        "curl_cli": Attribute(
            kind=Kind.STRING, description="A command to add --data-binary to.", secret=True
        ),
    },
    takes_signals=True,
    since="2014.2",
)
SCHEMA = schema(
    "OS::Heat::SwiftSignal",
    "Waits for signals to a URL that expires.",
    {
        "handle": string("The handle, by get_resource.", required=True, secret=True),
        "timeout": number("Longest wait in seconds.", required=True, low=1, high=43200),
        "count": integer("How many successes to wait for.", default=1, low=1, high=1000),
    },
    {"data": (Kind.STRING, "JSON text: the data of each signal by its id.")},
    since="2014.2",
)


async def make(ctx: Context) -> Outcome:
    """Its URL is how a SwiftSignal names it."""
    return Done(physical_id=ctx.ref.id, data={"url": temp_url(ctx)})


async def handle_attributes(ctx: Context) -> Mapping[str, Any]:
    """The URL, alone and in a command."""
    url = url_of(ctx.ref)
    return {"token": "", "endpoint": url, "curl_cli": f"curl -i -X PUT '{url}'"}


def accepts_signal(_: Ref, __: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    """Heat's form."""
    return refused(body)


HANDLE_TYPE = ResourceType(
    facts=TypeFacts(schema=HANDLE_SCHEMA),
    create=make,
    attributes=handle_attributes,
    reference=url_of,
    accepts_signal=accepts_signal,
    needs_no_cloud=True,
)
TYPE = waiting_type(SCHEMA, handle="handle", count="count", timeout="timeout", data="data")
