"""OS::Heat::WaitConditionHandle: the address at which a server says that it is ready.

Its signal URL is pre-authorised: whoever holds it may signal this handle and nothing else, so a
boot script needs no account. All transports that work over HTTP share that URL.
"""

import json
from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources.kit import Context, Done, Outcome, Ref, ResourceType
from mantle.resources.schemas import schema, string

TRANSPORTS = (
    "CFN_SIGNAL",
    "TEMP_URL_SIGNAL",
    "HEAT_SIGNAL",
    "NO_SIGNAL",
    "ZAQAR_SIGNAL",
    "TOKEN_SIGNAL",
)
MISSING_SERVICE = {"TEMP_URL_SIGNAL": "an object store", "ZAQAR_SIGNAL": "a message queue"}

SCHEMA = schema(
    "OS::Heat::WaitConditionHandle",
    "Receives the signals that a wait condition counts.",
    {
        "signal_transport": string(
            "How signals arrive.", default="TOKEN_SIGNAL", allowed=TRANSPORTS
        ),
    },
    {
        "token": Attribute(kind=Kind.STRING, description="Allows signalling.", secret=True),
        "endpoint": Attribute(
            kind=Kind.STRING, description="Where to send signals; holds the token.", secret=True
        ),
        "curl_cli": Attribute(
            kind=Kind.STRING, description="A command to add --data-binary to.", secret=True
        ),
        "signal": Attribute(
            kind=Kind.STRING, description="JSON text with all a client needs.", secret=True
        ),
    },
    takes_signals=True,
    since="2014.2",
)

OWN_KEYS = {"status": "status", "reason": "reason", "data": "data", "id": "id"}
AWS_KEYS = {"Status": "status", "Reason": "reason", "Data": "data", "UniqueId": "id"}
STATUSES = ("SUCCESS", "FAILURE")


def check(properties: Mapping[str, Any]) -> list[str]:
    """Transports that need a service which no cloud behind the port has are refused."""
    transport = properties.get("signal_transport")
    service = MISSING_SERVICE.get(transport) if isinstance(transport, str) else None
    if service is None:
        return []
    return [f"signal_transport: {transport} needs {service}. Use TOKEN_SIGNAL or CFN_SIGNAL."]


def normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """A signal's body with today's keys, in the form of CloudFormation or of Heat."""
    keys = AWS_KEYS if set(body) == set(AWS_KEYS) else OWN_KEYS
    return {keys.get(name, name): value for name, value in body.items()}


def accepts_signal(_: Ref, properties: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    """Why a body is refused: an unknown key or status."""
    if properties.get("signal_transport") == "NO_SIGNAL":
        return "This handle takes no signals: its signal_transport is NO_SIGNAL."
    given = normal(body)
    unknown = sorted(set(given) - set(OWN_KEYS))
    if unknown:
        return (
            f"A signal has no key {', '.join(unknown)}. Its keys are status, reason, data and id, "
            f"or exactly Status, Reason, Data and UniqueId."
        )
    status = given.get("status", "SUCCESS")
    if status not in STATUSES:
        return f"The status {status!r} is not one of {', '.join(STATUSES)}."
    return None


async def create(ctx: Context) -> Outcome:
    """Its row's id is how a wait condition names it."""
    return Done(physical_id=ctx.ref.id)


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """The same pre-authorised URL in the forms that clients want."""
    if ctx.properties.get("signal_transport") == "NO_SIGNAL":
        return dict.fromkeys(("token", "endpoint", "curl_cli", "signal"))
    urls = ctx.urls
    curl = (
        f"curl -i -X POST -H 'X-Auth-Token: {urls.token}' "
        f"-H 'Content-Type: application/json' -H 'Accept: application/json' {urls.signal}"
    )
    signal = {"alarm_url": urls.signal, "endpoint": urls.signal, "token": urls.token}
    return {
        "token": urls.token,
        "endpoint": urls.signal,
        "curl_cli": curl,
        "signal": json.dumps(signal),
    }


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA, check_properties=check),
    create=create,
    attributes=attributes,
    accepts_signal=accepts_signal,
    needs_no_cloud=True,
)
