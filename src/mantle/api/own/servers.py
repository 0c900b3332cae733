"""`/v2/servers`: the project's servers on every cloud."""

import msgspec
from litestar import Controller, get
from litestar.params import FromQuery

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import when
from mantle.fleet.inventory import find_servers
from mantle.model.errors import MantleError
from mantle.model.sweeps import Seen, Selector


class ServerItem(msgspec.Struct, kw_only=True):
    """A server as it is now; `stack` is the root stack it belongs to, if any."""

    cloud: str
    region: str
    id: str
    name: str
    status: str
    flavor: str
    host: str
    stack: str
    tags: list[str]
    metadata: dict[str, str]
    addresses: list[str]
    fault: str
    created_at: str | None


class ServersAnswer(msgspec.Struct, kw_only=True):
    """Servers by name, and the clouds that could not be asked, with why."""

    servers: list[ServerItem]
    unseen: dict[str, str]


class ServersController(Controller):
    """Servers of the token's project, in stacks and beside them."""

    path = "/servers"
    tags = ["servers"]

    @get("/", summary="List servers")
    async def index(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name: FromQuery[list[str] | None] = None,
        tag: FromQuery[list[str] | None] = None,
        metadata: FromQuery[list[str] | None] = None,
        host: FromQuery[list[str] | None] = None,
        status: FromQuery[list[str] | None] = None,
        stack: FromQuery[list[str] | None] = None,
        cloud: FromQuery[list[str] | None] = None,
        region: FromQuery[list[str] | None] = None,
    ) -> ServersAnswer:
        """All, or those that fit every selector that is given; names may be patterns."""
        enforce(caller, "servers:index")
        selector = Selector(
            names=tuple(name or ()),
            tags=tuple(tag or ()),
            metadata=pairs(metadata or ()),
            hosts=tuple(host or ()),
            statuses=tuple(status or ()),
            stacks=tuple(stack or ()),
            clouds=tuple(cloud or ()),
            regions=tuple(region or ()),
        )
        found = await find_servers(control.machine, caller.project_id, selector, caller.user_id)
        return ServersAnswer(
            servers=[server_shape(each) for each in found.servers],
            unseen={cloud: error.message for cloud, error in found.unseen.items()},
        )


def pairs(texts: list[str] | tuple[str, ...]) -> dict[str, str]:
    """`key=value`, several times."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise MantleError(f"The metadata {text[:100]!r} is not of the form key=value.")
        found[key] = value
    return found


def server_shape(seen: Seen) -> ServerItem:
    """A server as JSON."""
    return ServerItem(
        cloud=seen.cloud,
        region=seen.region,
        id=seen.id,
        name=seen.name,
        status=seen.status,
        flavor=seen.flavor,
        host=seen.host,
        stack=seen.stack,
        tags=list(seen.tags),
        metadata=dict(seen.metadata),
        addresses=list(seen.addresses),
        fault=seen.fault,
        created_at=when(seen.created_at or None),
    )
