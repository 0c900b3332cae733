"""OS::Keystone::Region, Service and Endpoint: the catalog that clients find services by."""

from mantle.resources.plain import plain, to
from mantle.resources.plain_sheets import Sheet
from mantle.resources.schemas import boolean, schema, string

REGION = Sheet(
    schema=schema(
        "OS::Keystone::Region",
        "A part of the cloud that has services of its own.",
        {
            "id": string("Its id; without it, one is made."),
            "parent_region": string("The region above it.", custom="keystone.region", update=True),
            "description": string("What it is.", update=True),
            "enabled": boolean("Whether it may be used.", default=True, update=True),
        },
        since="6.0.0",
    ),
    kind="regions",
    fields={
        "id": "id",
        "parent_region": to("parent_region_id", "regions", "OS::Keystone::Region"),
        "description": "description",
        "enabled": "enabled",
    },
    named=False,
    unique=("id",),
    admin_only=True,
)

SERVICE = Sheet(
    schema=schema(
        "OS::Keystone::Service",
        "A service of the catalog.",
        {
            "name": string("The name.", update=True),
            "description": string("What it does.", update=True),
            "type": string("Its kind: `compute`.", required=True, update=True),
            "enabled": boolean("Whether it is shown.", default=True, update=True),
        },
        since="5.0.0",
    ),
    kind="services",
    fields={"description": "description", "type": "type", "enabled": "enabled"},
    admin_only=True,
)

ENDPOINT = Sheet(
    schema=schema(
        "OS::Keystone::Endpoint",
        "Where a service of the catalog is.",
        {
            "name": string("The name.", update=True),
            "region": string("The region, by id.", custom="keystone.region", update=True),
            "service": string(
                "The service, by name or id.",
                required=True,
                custom="keystone.service",
                update=True,
            ),
            "interface": string(
                "For whom.", required=True, allowed=("public", "internal", "admin"), update=True
            ),
            "url": string("The address.", required=True, update=True),
            "enabled": boolean("Whether it is shown.", default=True, update=True),
        },
        since="5.0.0",
    ),
    kind="endpoints",
    fields={
        "region": to("region_id", "regions", "OS::Keystone::Region"),
        "service": to("service_id", "services", "OS::Keystone::Service"),
        "interface": "interface",
        "url": "url",
        "enabled": "enabled",
    },
    admin_only=True,
)

TYPES = (plain(REGION), plain(SERVICE), plain(ENDPOINT))
