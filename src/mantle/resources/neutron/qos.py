"""OS::Neutron::QoS…: policies of quality of service, and their rules."""

from collections.abc import Mapping

from mantle.model.schema import Kind, Property
from mantle.resources.plain import named, plain
from mantle.resources.plain_sheets import Sheet
from mantle.resources.schemas import boolean, integer, not_offered, schema, string

OURS = "it always belongs to the stack's project. Leave tenant_id out."
DSCP = (0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56)

POLICY = Sheet(
    schema=schema(
        "OS::Neutron::QoSPolicy",
        "What ports and networks are promised, and limited to: rules are made for it.",
        {
            "name": string("The name.", update=True),
            "description": string("What it is for.", update=True),
            "shared": boolean("Whether all projects may use it.", default=False, update=True),
            "tenant_id": string("The project that owns it."),
        },
        {"rules": (Kind.LIST, "Its rules.")},
        since="6.0.0",
    ),
    kind="qos_policies",
    fields={"description": "description", "shared": "shared"},
    check=not_offered({"tenant_id": OURS}),
    admin_only=True,
)


def _rule(
    name: str,
    kind: str,
    description: str,
    values: Mapping[str, Property],
    since: str,
    directions: tuple[str, ...] = (),
) -> Sheet:
    properties = dict(values)
    if directions:
        properties["direction"] = string(
            "Which traffic.", default="egress", allowed=directions, update=True
        )
    properties["policy"] = string(
        "The policy, by name or id.", required=True, custom="neutron.qos_policy"
    )
    properties["tenant_id"] = string("The project that owns it.")
    return Sheet(
        schema=schema(f"OS::Neutron::{name}", description, properties, since=since),
        kind=kind,
        fields={each: each for each in properties if each not in {"policy", "tenant_id"}},
        parent=("policy", named("qos_policies")),
        named=False,
        check=not_offered({"tenant_id": OURS}),
        admin_only=True,
    )


BOTH = ("egress", "ingress")

BANDWIDTH = _rule(
    "QoSBandwidthLimitRule",
    "bandwidth_limit_rules",
    "The most that a policy's ports may send or receive.",
    {
        "max_kbps": integer("Kilobits in a second.", required=True, low=0, update=True),
        "max_burst_kbps": integer(
            "Kilobits at once; 0 lets the cloud choose.", default=0, low=0, update=True
        ),
    },
    "6.0.0",
    BOTH,
)
DSCP_MARKING = _rule(
    "QoSDscpMarkingRule",
    "dscp_marking_rules",
    "The mark that a policy's packets carry.",
    {"dscp_mark": integer("The mark.", required=True, allowed=DSCP, update=True)},
    "7.0.0",
)
MINIMUM_BANDWIDTH = _rule(
    "QoSMinimumBandwidthRule",
    "minimum_bandwidth_rules",
    "The least that a policy's ports are promised.",
    {"min_kbps": integer("Kilobits in a second.", required=True, low=0, update=True)},
    "14.0.0",
    BOTH,
)
MINIMUM_PACKETS = _rule(
    "QoSMinimumPacketRateRule",
    "minimum_packet_rate_rules",
    "The fewest packets that a policy's ports are promised.",
    {"min_kpps": integer("Thousands of packets in a second.", required=True, low=0, update=True)},
    "19.0.0",
    ("any", *BOTH),
)

TYPES = tuple(
    plain(each) for each in (POLICY, BANDWIDTH, DSCP_MARKING, MINIMUM_BANDWIDTH, MINIMUM_PACKETS)
)
