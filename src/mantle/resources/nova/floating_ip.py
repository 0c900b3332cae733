"""OS::Nova::FloatingIP and its association: old names, carried out by the network service.

Nova gave floating addresses away once; templates of that time still ask it for them. They get what
OS::Neutron::FloatingIP and OS::Neutron::FloatingIPAssociation make.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.clouds.ports import (
    FloatingIp,
    FloatingIpAssociation,
    FloatingIpAssociationSpec,
    FloatingIpSpec,
    Missing,
    Refused,
)
from mantle.model.schema import Kind, SupportStatus, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.kit import Context, ResourceType
from mantle.resources.neutron import floating_ip, floating_ip_association
from mantle.resources.schemas import schema, string

ADDRESS = replace(
    schema(
        "OS::Nova::FloatingIP",
        "An old name of OS::Neutron::FloatingIP.",
        {"pool": string("The external network; without it, the only one there is.")},
        {
            "pool": (Kind.STRING, "The external network."),
            "ip": (Kind.STRING, "The address."),
        },
    ),
    support=SupportStatus.HIDDEN,
    since="11.0.0",
)

ASSOCIATION = replace(
    schema(
        "OS::Nova::FloatingIPAssociation",
        "An old name of OS::Neutron::FloatingIPAssociation.",
        {
            "server_id": string("The server.", required=True, custom="nova.server", update=True),
            "floating_ip": string("The floating address's id.", required=True, update=True),
        },
    ),
    support=SupportStatus.HIDDEN,
    since="11.0.0",
)


async def address_spec(ctx: Context) -> FloatingIpSpec:
    """What to ask for."""
    pool = ctx.properties.get("pool")
    if not pool:
        external = [each for each in await ctx.cloud.networks.list() if each.external]
        if len(external) != 1:
            names = ", ".join(sorted(each.name for each in external)) or "none"
            raise Refused(
                "pool: without it there must be exactly one external network.",
                remedy=f"Name one of these: {names}.",
            )
        pool = external[0].id
    return FloatingIpSpec(network_id=pool)


async def address_attributes(ctx: Context, floating: FloatingIp) -> Mapping[str, Any]:
    """As Nova's."""
    return {"pool": ctx.properties.get("pool") or floating.spec.network_id, "ip": floating.address}


async def association_spec(ctx: Context) -> FloatingIpAssociationSpec:
    """The server's first port."""
    server_id = ctx.properties["server_id"]
    try:
        server = await ctx.cloud.servers.get(server_id)
    except Missing as missing:
        raise Refused(missing.message, remedy="Name a server of this project.") from missing
    port_id = next((each.port_id for each in server.addresses if each.port_id), None)
    if port_id is None:
        raise Refused(
            f"The server {server_id!r} has no port to lead an address to.",
            remedy="Give the server a network.",
        )
    return FloatingIpAssociationSpec(floating_ip_id=ctx.properties["floating_ip"], port_id=port_id)


async def association_attributes(_: Context, __: FloatingIpAssociation) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


def another_address(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The association's id is the address's."""
    return "floating_ip changes" if before.get("floating_ip") != after.get("floating_ip") else None


def _old(kind: ResourceType) -> ResourceType:
    """Its objects are listed under today's name."""
    return replace(kind, live=None, inverse=None)


ADDRESS_TYPE = _old(
    cloud_object(
        Blueprint(
            facts=TypeFacts(schema=ADDRESS),
            noun="floating address",
            collection=lambda session: session.floating_ips,
            spec=address_spec,
            attributes=address_attributes,
            written=floating_ip.written,
        )
    )
)

ASSOCIATION_TYPE = _old(
    cloud_object(
        Blueprint(
            facts=TypeFacts(
                schema=ASSOCIATION,
                replace_when=another_address,
                neighbours=floating_ip_association.neighbours,
            ),
            noun="floating address association",
            collection=lambda session: session.floating_ip_associations,
            spec=association_spec,
            attributes=association_attributes,
            written=floating_ip_association.written,
        )
    )
)
