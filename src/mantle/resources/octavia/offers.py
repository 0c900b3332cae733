"""OS::Octavia::Flavor, AvailabilityZone and their profiles: kinds of load balancers."""

from mantle.model.schema import Kind
from mantle.resources.kit import ResourceType
from mantle.resources.plain import plain, to
from mantle.resources.plain_sheets import Sheet
from mantle.resources.schemas import boolean, schema, string


def _profile(name: str, kind: str, data: str, noun: str, since: str) -> ResourceType:
    return plain(
        Sheet(
            schema=schema(
                f"OS::Octavia::{name}",
                f"What a provider is told of {noun}.",
                {
                    "name": string("The name.", update=True),
                    data: string(
                        "What it is told, as JSON.",
                        required=True,
                        custom="json_string",
                        update=True,
                    ),
                    "provider_name": string("The provider.", update=True),
                },
                since=since,
            ),
            kind=kind,
            fields={data: data, "provider_name": "provider_name"},
            unique=("name",),
            admin_only=True,
        )
    )


def _offer(
    name: str, kind: str, profile: str, profiles: str, noun: str, since: str
) -> ResourceType:
    return plain(
        Sheet(
            schema=schema(
                f"OS::Octavia::{name}",
                f"{noun} that load balancers can be made with.",
                {
                    "description": string("What it is for.", default="", update=True),
                    "enabled": boolean("Whether it may be used.", default=True, update=True),
                    "name": string("The name.", update=True),
                    profile: string(
                        "The profile, by name or id.",
                        required=True,
                        custom=f"octavia.{profile.replace('_', '')}",
                    ),
                },
                {f"{profile}_id": (Kind.STRING, "The profile.")},
                since=since,
            ),
            kind=kind,
            fields={
                "description": "description",
                "enabled": "enabled",
                profile: to(f"{profile}_id", profiles, f"OS::Octavia::{name}Profile"),
            },
            unique=("name",),
            admin_only=True,
        )
    )


TYPES = (
    _profile("FlavorProfile", "balancer_flavor_profiles", "flavor_data", "a flavor", "14.0.0"),
    _offer(
        "Flavor",
        "balancer_flavors",
        "flavor_profile",
        "balancer_flavor_profiles",
        "A flavor",
        "14.0.0",
    ),
    _profile(
        "AvailabilityZoneProfile",
        "balancer_zone_profiles",
        "availability_zone_data",
        "a zone",
        "24.0.0",
    ),
    _offer(
        "AvailabilityZone",
        "balancer_zones",
        "availability_zone_profile",
        "balancer_zone_profiles",
        "A zone",
        "24.0.0",
    ),
)
