"""OS::Heat::WaitConditionHandle: the address at which a server says that it is ready.

Each transport says so in its own way, and all come to the same row. TOKEN_SIGNAL's URL is
pre-authorised: whoever holds it may signal this handle and nothing else, so a boot script needs no
account and, unlike with Heat, no token that ends before the wait does.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources.heat.signalled import refused, temp_url
from mantle.resources.kit import Context, Done, Failed, Outcome, Ref, ResourceType
from mantle.resources.schemas import schema, string

TRANSPORTS = (
    "CFN_SIGNAL",
    "TEMP_URL_SIGNAL",
    "HEAT_SIGNAL",
    "NO_SIGNAL",
    "ZAQAR_SIGNAL",
    "TOKEN_SIGNAL",
)
NO_QUEUES = "ZAQAR_SIGNAL needs a message queue, which no cloud here has."
NO_ACCOUNTS = "HEAT_SIGNAL needs a user of the stack, and accounts are kept in another Keystone."
OTHERS = "Use TOKEN_SIGNAL, CFN_SIGNAL or TEMP_URL_SIGNAL."

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


def check(properties: Mapping[str, Any]) -> list[str]:
    """A transport that needs a service which no cloud behind the port has is refused."""
    if properties.get("signal_transport") != "ZAQAR_SIGNAL":
        return []
    return [f"signal_transport: {NO_QUEUES} {OTHERS}"]


def accepts_signal(_: Ref, properties: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    """Why a body is refused."""
    if properties.get("signal_transport") == "NO_SIGNAL":
        return "This handle takes no signals: its signal_transport is NO_SIGNAL."
    return refused(body)


def hands_account(properties: Mapping[str, Any]) -> bool:
    """Only HEAT_SIGNAL tells the account of the row."""
    return properties.get("signal_transport") == "HEAT_SIGNAL"


async def create(ctx: Context) -> Outcome:
    """Its row's id is how a wait condition names it."""
    no_user = ctx.callbacks.user(ctx.ref) is None
    if ctx.properties.get("signal_transport") == "HEAT_SIGNAL" and no_user:
        return Failed(reason=NO_ACCOUNTS, remedy=OTHERS)
    return Done(physical_id=ctx.ref.id)


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """What a client needs, in the transport's own form."""
    signal: dict[str, Any] | None
    endpoint = curl = token = None
    match ctx.properties.get("signal_transport"):
        case "NO_SIGNAL":
            return dict.fromkeys(("token", "endpoint", "curl_cli", "signal"))
        case "CFN_SIGNAL":
            endpoint = ctx.callbacks.cfn_url(ctx.ref, "waitcondition", ctx.started_at)
            curl = f"curl -i -X PUT -H 'Content-Type: application/json' '{endpoint}'"
            signal = {"alarm_url": endpoint}
        case "TEMP_URL_SIGNAL":
            endpoint = temp_url(ctx)
            curl = f"curl -i -X PUT '{endpoint}'"
            signal = {"alarm_url": endpoint}
        case "HEAT_SIGNAL":
            endpoint = ctx.callbacks.heat_url(ctx.ref)
            signal = {"alarm_url": endpoint, **account(ctx)}
        case _:
            endpoint = ctx.callbacks.signal_url(ctx.ref)
            token = ctx.callbacks.token(ctx.ref.id)
            curl = (
                f"curl -i -X POST -H 'X-Auth-Token: {token}' "
                f"-H 'Content-Type: application/json' -H 'Accept: application/json' {endpoint}"
            )
            signal = {"alarm_url": endpoint, "endpoint": endpoint, "token": token}
    return {"token": token, "endpoint": endpoint, "curl_cli": curl, "signal": json.dumps(signal)}


def account(ctx: Context) -> dict[str, str]:
    """The account of the row, in the words of Heat's clients; empty when there is none."""
    user = ctx.callbacks.user(ctx.ref)
    if user is None:
        return {}
    given = asdict(user)
    return {
        "auth_url": given["auth_url"],
        "username": given["name"],
        "user_id": given["user_id"],
        "password": given["password"],
        "project_id": given["project_id"],
        "domain_id": given["domain_id"],
        "region_name": given["region"],
    }


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA, check_properties=check),
    create=create,
    attributes=attributes,
    accepts_signal=accepts_signal,
    hands_account=hands_account,
    needs_no_cloud=True,
)
