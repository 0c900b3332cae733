"""Address scopes, subnet pools, and who may use what: OS::Neutron::AddressScope and others."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from mantle.model.schema import Length
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.plain import named, plain, to
from mantle.resources.plain_sheets import Sheet, To
from mantle.resources.schemas import (
    boolean,
    integer,
    listing,
    not_offered,
    rules,
    schema,
    string,
    strings,
)

OURS = "it always belongs to the stack's project. Leave tenant_id out."

SCOPE = Sheet(
    schema=schema(
        "OS::Neutron::AddressScope",
        "Subnet pools whose addresses may be routed to each other.",
        {
            "name": string("The name.", update=True),
            "shared": boolean("Whether all projects may use it.", default=False, update=True),
            "tenant_id": string("The project that owns it.", custom="keystone.project"),
            "ip_version": integer("4 or 6.", default=4, allowed=(4, 6)),
        },
        since="6.0.0",
    ),
    kind="address_scopes",
    fields={"shared": "shared", "ip_version": "ip_version"},
    check=not_offered({"tenant_id": OURS}),
)


def _lengths(properties: Mapping[str, Any]) -> list[str]:
    """The shortest, the usual and the longest prefix are in this order."""
    names = ("min_prefixlen", "default_prefixlen", "max_prefixlen")
    known = [(name, value) for name in names if isinstance(value := properties.get(name), int)]
    return [
        f"{low}: {first} is above {high}: {second}. Swap them."
        for (low, first), (high, second) in pairwise(known)
        if first > second
    ]


POOL = Sheet(
    schema=schema(
        "OS::Neutron::SubnetPool",
        "Ranges that subnets are cut from: name it in a subnet's subnetpool.",
        {
            "name": string("The name.", update=True),
            "prefixes": listing(
                "The ranges.",
                string("A range.", custom="net_cidr"),
                required=True,
                update=True,
                constraints=(Length(min=1),),
            ),
            "address_scope": string(
                "The scope, by name or id.", custom="neutron.address_scope", update=True
            ),
            "default_quota": integer("Addresses that a project may have.", low=0, update=True),
            "default_prefixlen": integer("Of a subnet that names none.", low=0, update=True),
            "min_prefixlen": integer("Of the largest subnet.", low=0, update=True),
            "max_prefixlen": integer("Of the smallest subnet.", low=0, update=True),
            "is_default": boolean(
                "Whether subnets that name no pool are cut from it.", default=False, update=True
            ),
            "tenant_id": string("The project that owns it."),
            "shared": boolean("Whether all projects may use it.", default=False),
            "tags": strings("Tags.", update=True),
        },
        since="6.0.0",
    ),
    kind="subnet_pools",
    fields={
        "prefixes": "prefixes",
        "address_scope": to("address_scope_id", "address_scopes", "OS::Neutron::AddressScope"),
        "default_quota": "default_quota",
        "default_prefixlen": "default_prefixlen",
        "min_prefixlen": "min_prefixlen",
        "max_prefixlen": "max_prefixlen",
        "is_default": "is_default",
        "shared": "shared",
        "tags": "tags",
    },
    check=rules(not_offered({"tenant_id": OURS}), _lengths),
)

OBJECTS = {
    "network": "networks",
    "qos_policy": "qos_policies",
    "security_group": "security_groups",
    "address_scope": "address_scopes",
    "subnetpool": "subnet_pools",
}


SHARED_TYPES = {
    "network": "OS::Neutron::Net",
    "qos_policy": "OS::Neutron::QoSPolicy",
    "security_group": "OS::Neutron::SecurityGroup",
    "address_scope": "OS::Neutron::AddressScope",
    "subnetpool": "OS::Neutron::SubnetPool",
}


async def _shared_object(ctx: Context, value: Any) -> str:
    """By name or id, of the kind that `object_type` says."""
    return str(await named(OBJECTS[ctx.properties["object_type"]])(ctx, value))


def _told_object(fields: Mapping[str, Any], peers: Peers) -> Any:
    return peers(SHARED_TYPES[str(fields["object_type"])], fields.get("object_id"))


def _actions(properties: Mapping[str, Any]) -> list[str]:
    """Only networks can lead outside."""
    outside = properties.get("action") == "access_as_external"
    if outside and properties.get("object_type") in set(OBJECTS) - {"network"}:
        return ["action: access_as_external is for networks. Use access_as_shared."]
    return []


RBAC = Sheet(
    schema=schema(
        "OS::Neutron::RBACPolicy",
        "Lets another project use an object of this one.",
        {
            "object_type": string("What it is.", required=True, allowed=tuple(OBJECTS)),
            "target_tenant": string(
                "The project that may use it; * for all.", required=True, update=True
            ),
            "action": string(
                "How it is used.",
                required=True,
                allowed=("access_as_shared", "access_as_external"),
            ),
            "object_id": string("The object, by name or id.", required=True),
            "tenant_id": string("The project that owns it."),
        },
        since="6.0.0",
    ),
    kind="rbac_policies",
    fields={
        "object_type": "object_type",
        "object_id": To(name="object_id", resolve=_shared_object, back=_told_object),
        "action": "action",
        "target_tenant": "target_tenant",
    },
    named=False,
    check=rules(not_offered({"tenant_id": OURS}), _actions),
)

TYPES = (plain(SCOPE), plain(POOL), plain(RBAC))
