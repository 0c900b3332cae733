"""OS::Nova::Flavor and OS::Nova::HostAggregate: the sizes of servers, and groups of hosts."""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Kind
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.plain import named, plain
from mantle.resources.plain_sheets import Part, Sheet
from mantle.resources.schemas import boolean, integer, listing, mapping, number, schema, string


async def texts(_: Context, value: Any) -> Mapping[str, Any]:
    """Values of extra specs and metadata are texts."""
    return {key: str(each) for key, each in (value or {}).items() if each is not None}


def as_texts(value: Any, _: Peers) -> Any:
    """As it is told."""
    return dict(value or {})


async def projects(ctx: Context, value: Any) -> Mapping[str, Any]:
    """Project ids, each set."""
    return dict.fromkeys(await named("projects")(ctx, list(value or ())), True)


def _private(properties: Mapping[str, Any]) -> list[str]:
    """Projects are named where not everybody may use it."""
    if properties.get("tenants") and properties.get("is_public") is True:
        return ["tenants: a public flavor is everybody's. Say is_public: false, or leave it out."]
    return []


FLAVOR = Sheet(
    schema=schema(
        "OS::Nova::Flavor",
        "A size that servers can have.",
        {
            "tenants": listing(
                "The projects that may use it, when it is not public.",
                string("By name or id.", custom="keystone.project"),
                default=[],
                update=True,
            ),
            "flavorid": string("Its id; without it, one is made."),
            "name": string("The name."),
            "ram": integer("Memory in MiB.", required=True),
            "vcpus": integer("Processors.", required=True),
            "disk": integer("The root disk in GiB; 0 is as large as the image.", default=0),
            "swap": integer("Swap in MiB.", default=0),
            "ephemeral": integer("A second disk in GiB.", default=0),
            "rxtx_factor": number("The share of the network.", default=1.0),
            "extra_specs": mapping("What the scheduler and hypervisor are told.", update=True),
            "is_public": boolean("Whether every project may use it.", default=True),
        },
        {
            "extra_specs": (Kind.MAP, "What the scheduler and hypervisor are told."),
            "is_public": (Kind.BOOLEAN, "Whether every project may use it."),
        },
        since="2014.2",
    ),
    kind="flavors",
    fields={
        "flavorid": "id",
        "ram": "ram",
        "vcpus": "vcpus",
        "disk": "disk",
        "swap": "swap",
        "ephemeral": "OS-FLV-EXT-DATA:ephemeral",
        "rxtx_factor": "rxtx_factor",
        "is_public": "os-flavor-access:is_public",
    },
    parts={
        "extra_specs": Part(
            setting="flavor_specs", values=texts, told="extra_specs", back=as_texts
        ),
        "tenants": Part(setting="flavor_access", values=projects),
    },
    attributes={"is_public": "os-flavor-access:is_public"},
    check=_private,
    unique=("name",),
    admin_only=True,
)


async def _hosts(_: Context, value: Any) -> Mapping[str, Any]:
    return dict.fromkeys(value or (), True)


def _named_hosts(value: Any, _: Peers) -> Any:
    return sorted(value or ())


def _own_metadata(value: Any, _: Peers) -> Any:
    """The zone is told among them, and is a property of its own."""
    return {name: each for name, each in (value or {}).items() if name != "availability_zone"}


AGGREGATE = Sheet(
    schema=schema(
        "OS::Nova::HostAggregate",
        "A group of hosts, which can be an availability zone.",
        {
            "name": string("The name.", required=True, update=True),
            "availability_zone": string("The zone it is.", update=True),
            "hosts": listing(
                "The hosts in it.", string("A host.", custom="nova.host"), update=True
            ),
            "metadata": mapping("What the scheduler is told.", default={}, update=True),
        },
        since="6.0.0",
    ),
    kind="host_aggregates",
    fields={"availability_zone": "availability_zone"},
    parts={
        "hosts": Part(setting="aggregate_hosts", values=_hosts, told="hosts", back=_named_hosts),
        "metadata": Part(
            setting="aggregate_metadata", values=texts, told="metadata", back=_own_metadata
        ),
    },
    unique=("name",),
    admin_only=True,
)

TYPES = (plain(FLAVOR), plain(AGGREGATE))
