"""`/v2/clouds/{cloud}/hosts` and `…/services`: what an operator sees of a cloud."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import when
from mantle.clouds.ports import CloudService, Host
from mantle.fleet.inventory import list_guests, list_hosts, list_services, set_service


class HostItem(msgspec.Struct, kw_only=True):
    """A machine that servers run on; `servers` counts those of all projects."""

    name: str
    kind: str
    up: bool
    enabled: bool
    reason: str
    """Why it gets no new servers."""
    zone: str
    vcpus: int
    vcpus_used: int
    ram_mib: int
    ram_used_mib: int
    servers: int


class HostsAnswer(msgspec.Struct, kw_only=True):
    """The hosts of a cloud."""

    hosts: list[HostItem]


class GuestItem(msgspec.Struct, kw_only=True):
    """A server on a host."""

    id: str
    name: str


class GuestsAnswer(msgspec.Struct, kw_only=True):
    """A host's servers, of all projects."""

    servers: list[GuestItem]


class ServiceItem(msgspec.Struct, kw_only=True):
    """A process of the cloud's own."""

    id: str
    name: str
    host: str
    up: bool
    enabled: bool
    reason: str
    zone: str
    seen_at: str | None


class ServicesAnswer(msgspec.Struct, kw_only=True):
    """The services of a cloud."""

    services: list[ServiceItem]


class ServiceBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether its host gets new work, and why not."""

    enabled: bool
    reason: str = ""


class HostsController(Controller):
    """Hosts and services of a cloud; for administrators."""

    path = "/clouds/{cloud:str}"
    tags = ["clouds"]

    @get("/hosts", summary="List a cloud's hosts")
    async def hosts(
        self, control: GivenControl, caller: GivenCaller, cloud: FromPath[str]
    ) -> HostsAnswer:
        """What servers run on, as it is now."""
        enforce(caller, "hosts:index")
        found = await list_hosts(control.machine, caller.project_id, cloud)
        return HostsAnswer(hosts=[host_shape(each) for each in found])

    @get("/hosts/{host:str}/servers", summary="List a host's servers")
    async def guests(
        self,
        control: GivenControl,
        caller: GivenCaller,
        cloud: FromPath[str],
        host: FromPath[str],
    ) -> GuestsAnswer:
        """Of all projects."""
        enforce(caller, "hosts:index")
        found = await list_guests(control.machine, caller.project_id, cloud, host)
        return GuestsAnswer(servers=[GuestItem(id=each.id, name=each.name) for each in found])

    @get("/services", summary="List a cloud's services")
    async def services(
        self, control: GivenControl, caller: GivenCaller, cloud: FromPath[str]
    ) -> ServicesAnswer:
        """Its own processes, as they are now."""
        enforce(caller, "hosts:index")
        found = await list_services(control.machine, caller.project_id, cloud)
        return ServicesAnswer(services=[service_shape(each) for each in found])

    @post("/services/{service:str}", status_code=200, summary="Enable or disable a service")
    async def set_service(
        self,
        control: GivenControl,
        caller: GivenCaller,
        cloud: FromPath[str],
        service: FromPath[str],
        data: JSONBody[ServiceBody],
    ) -> ServicesAnswer:
        """What runs on its host goes on; the answer is the services as they are then."""
        enforce(caller, "hosts:set")
        await set_service(
            control.machine,
            caller.project_id,
            cloud,
            service,
            enabled=data.enabled,
            reason=data.reason,
        )
        found = await list_services(control.machine, caller.project_id, cloud)
        return ServicesAnswer(services=[service_shape(each) for each in found])


def host_shape(host: Host) -> HostItem:
    """A host as JSON."""
    return HostItem(
        name=host.name,
        kind=host.kind,
        up=host.up,
        enabled=host.enabled,
        reason=host.reason,
        zone=host.zone,
        vcpus=host.vcpus,
        vcpus_used=host.vcpus_used,
        ram_mib=host.ram_mib,
        ram_used_mib=host.ram_used_mib,
        servers=host.servers,
    )


def service_shape(service: CloudService) -> ServiceItem:
    """A service as JSON."""
    return ServiceItem(
        id=service.id,
        name=service.name,
        host=service.host,
        up=service.up,
        enabled=service.enabled,
        reason=service.reason,
        zone=service.zone,
        seen_at=when(service.seen_at or None),
    )
