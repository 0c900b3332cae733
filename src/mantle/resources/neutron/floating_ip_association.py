"""OS::Neutron::FloatingIPAssociation: leads an existing floating address to a port."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import FloatingIpAssociation, FloatingIpAssociationSpec
from mantle.model.schema import Neighbourhood, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import find_id
from mantle.resources.schemas import schema, string
from mantle.resources.unique import had_once

SCHEMA = schema(
    "OS::Neutron::FloatingIPAssociation",
    "Leads an existing floating address to a port.",
    {
        "floatingip_id": string("The floating address's id.", required=True, update=True),
        "port_id": string(
            "The port, by name or id.", required=True, custom="neutron.port", update=True
        ),
        "fixed_ip_address": string("Which of the port's addresses.", custom="ip_addr", update=True),
    },
)


def replace_when(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The association's id is the address's: another address is another association."""
    if before.get("floatingip_id") != after.get("floatingip_id"):
        return "floatingip_id changes"
    return None


def neighbours(_: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """The way to the port must exist: it waits for the template's router interfaces."""
    return tuple(others.names("OS::Neutron::RouterInterface"))


async def spec(ctx: Context) -> FloatingIpAssociationSpec:
    """What to ask for."""
    wanted = ctx.properties
    return FloatingIpAssociationSpec(
        floating_ip_id=wanted["floatingip_id"],
        port_id=await find_id(ctx.cloud, lambda session: session.ports, "port", wanted["port_id"]),
        fixed_ip_address=wanted.get("fixed_ip_address"),
    )


def written(joined: FloatingIpAssociation, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this association."""
    spec = joined.spec
    return {
        "floatingip_id": peer("OS::Neutron::FloatingIP", spec.floating_ip_id),
        "port_id": peer("OS::Neutron::Port", spec.port_id),
        "fixed_ip_address": spec.fixed_ip_address,
    }


async def attributes(_: Context, __: FloatingIpAssociation) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            replace_when=replace_when,
            neighbours=neighbours,
            old_first=had_once("its floating address", "floatingip_id"),
        ),
        noun="floating address association",
        collection=lambda session: session.floating_ip_associations,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
