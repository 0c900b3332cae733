"""The servers of a project, on all clouds at once, and what operators see of a cloud."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mantle.clouds.ports import (
    Clash,
    Cloud,
    CloudError,
    CloudService,
    Denied,
    Exhausted,
    Guest,
    Host,
    Missing,
    Refused,
    Server,
    Session,
)
from mantle.engine.machine import Machine
from mantle.fleet.planning import matches
from mantle.model.errors import (
    Conflict,
    Forbidden,
    LimitExceeded,
    MantleError,
    NotFound,
    Unavailable,
)
from mantle.model.ids import ProjectId, UserId
from mantle.model.sweeps import Seen, Selector
from mantle.store import sweeps as sweep_rows

SERVER_TYPES = ("OS::Nova::Server", "AWS::EC2::Instance")
"""Resource types whose physical id is a server's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Servers that fit, and the clouds that could not be asked, with why."""

    servers: tuple[Seen, ...]
    unseen: Mapping[str, CloudError]


async def find_servers(
    machine: Machine, project_id: ProjectId, selector: Selector, user_id: UserId | None = None
) -> Found:
    """One list call for each cloud; by name. An empty selector lists all."""
    clouds = {
        name: cloud
        for name, cloud in machine.clouds.items()
        if not selector.clouds or _fits_cloud(selector, name)
    }
    if selector.regions:
        clouds = {name: cloud for name, cloud in clouds.items() if region_of(cloud)}
    owners = await machine.database.read(sweep_rows.stacks_of_servers, project_id, SERVER_TYPES)
    answers = await asyncio.gather(
        *(_listed(machine.view(name, project_id, user_id)) for name in clouds)
    )
    servers: list[Seen] = []
    unseen: dict[str, CloudError] = {}
    by_id = Selector(stacks=selector.stacks)
    for (name, cloud), answer in zip(clouds.items(), answers, strict=True):
        if isinstance(answer, CloudError):
            unseen[name] = answer
            continue
        for server in answer:
            stack, stack_id = owners.get((name, server.id), ("", ""))
            seen = seen_of(server, name, region_of(cloud), stack)
            asked = selector
            if stack_id and stack_id in by_id.stacks:
                # A stack may be named by its id as well.
                asked = _with_stack(selector, stack)
            if matches(asked, seen):
                servers.append(seen)
    servers.sort(key=lambda each: (each.name, each.cloud, each.id))
    return Found(servers=tuple(servers), unseen=unseen)


def _fits_cloud(selector: Selector, name: str) -> bool:
    nowhere = Seen(cloud=name, region="", id="", name="", status="", flavor="", host="")
    return matches(Selector(clouds=selector.clouds), nowhere)


def _with_stack(selector: Selector, stack: str) -> Selector:
    return Selector(
        names=selector.names,
        tags=selector.tags,
        metadata=selector.metadata,
        hosts=selector.hosts,
        statuses=selector.statuses,
        stacks=(*selector.stacks, stack),
        clouds=selector.clouds,
        regions=selector.regions,
    )


async def _listed(session: Session) -> Sequence[Server] | CloudError:
    try:
        return await session.servers.list()
    except CloudError as error:
        return error


def region_of(cloud: Cloud) -> str:
    """Where a cloud is; empty when it does not say."""
    return cloud.info.facts.get("region", "")


def seen_of(server: Server, cloud: str, region: str, stack: str) -> Seen:
    """A cloud's server as sweeps see it."""
    return Seen(
        cloud=cloud,
        region=region,
        id=server.id,
        name=server.name,
        status=server.status.value,
        flavor=server.spec.flavor,
        host=server.host,
        tags=server.spec.tags,
        metadata=server.spec.metadata,
        addresses=tuple(each.address for each in server.addresses),
        stack=stack,
        fault=server.fault,
        created_at=server.created_at,
    )


# --- what operators see ----------------------------------------------------------------------


async def list_hosts(machine: Machine, project_id: ProjectId, cloud: str) -> Sequence[Host]:
    """A cloud's hosts."""
    try:
        return await _session(machine, project_id, cloud).hosts()
    except CloudError as error:
        raise told(error) from error


async def list_guests(
    machine: Machine, project_id: ProjectId, cloud: str, host: str
) -> Sequence[Guest]:
    """A host's servers, of all projects."""
    try:
        return await _session(machine, project_id, cloud).guests(host)
    except CloudError as error:
        raise told(error) from error


async def list_services(
    machine: Machine, project_id: ProjectId, cloud: str
) -> Sequence[CloudService]:
    """A cloud's own services."""
    try:
        return await _session(machine, project_id, cloud).services()
    except CloudError as error:
        raise told(error) from error


async def set_service(
    machine: Machine,
    project_id: ProjectId,
    cloud: str,
    service_id: str,
    *,
    enabled: bool,
    reason: str,
) -> None:
    """Let a service's host get new work, or not."""
    try:
        await _session(machine, project_id, cloud).set_service(service_id, enabled, reason)
    except CloudError as error:
        raise told(error) from error


def _session(machine: Machine, project_id: ProjectId, cloud: str) -> Session:
    if cloud not in machine.clouds:
        raise NotFound(
            f"There is no cloud {cloud!r}.",
            remedy=f"Configured are: {', '.join(sorted(machine.clouds))}.",
        )
    return machine.clouds[cloud].session(project_id)


def told(error: CloudError) -> MantleError:
    """A cloud's refusal, as the answer to a request."""
    match error:
        case Missing():
            return NotFound(error.message, remedy=error.remedy)
        case Denied():
            return Forbidden(error.message, remedy=error.remedy)
        case Clash():
            return Conflict(error.message, remedy=error.remedy, fault="Conflict")
        case Exhausted():
            return LimitExceeded(error.message, remedy=error.remedy)
        case Refused():
            return MantleError(error.message, remedy=error.remedy)
        case _:
            return Unavailable(error.message, remedy=error.remedy)
