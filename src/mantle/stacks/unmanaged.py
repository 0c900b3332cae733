"""What is on a cloud and in no stack: one list call for each type of object.

An object is known by its id in a row of a live stack, or by its token: what a cloud made on the way
(a load balancer's port) carries the token of what it was made for. What a cloud has of itself, its
external networks, is left out. Copies of volumes and servers that no snapshot of a stack owns are
listed as well: what `deletion_policy: Snapshot` kept is found here.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mantle.clouds import ports
from mantle.clouds.plain import CLOUDWIDE, KINDS
from mantle.clouds.ports import GIVEN, CloudError, CloudObject, Denied, Session
from mantle.model.errors import NotFound
from mantle.model.ids import ProjectId, UserId
from mantle.stacks.control import Control
from mantle.store import contents as content_rows
from mantle.store import drift as drift_rows
from mantle.store import resources as resource_rows
from mantle.store.database import Connection

Live = Callable[[Session], ports.Collection[Any, Any]]

COPIES: Mapping[str, Live] = {
    "Volume snapshot": lambda session: session.volume_snapshots,
    "Volume backup": lambda session: session.volume_backups,
    "Server image": lambda session: session.server_images,
}
"""What is on a cloud without being a resource; by a name that no resource type can have."""

NO_OTHERS: Mapping[str, Live] = MappingProxyType({})
"""Only what a resource can be."""

ROUND = ("OS::Nova::Server", "OS::Octavia::LoadBalancer", "OS::Neutron::Net")
"""What tells whose other objects are: they were made for it, or are on it."""

_OWN_PORT = re.compile(r"-nic\d+$")
"""How the token of a port ends that a server's resource made (`nova/server_networks.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmanaged:
    """One object that belongs to nobody."""

    type: str
    """The resource type that could take it over."""
    id: str
    name: str
    status: str
    created_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found, and which types could not be listed."""

    objects: tuple[Unmanaged, ...]
    unseen: tuple[tuple[str, str], ...] = ()
    """Type and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The objects themselves, each with its type."""

    objects: tuple[tuple[str, CloudObject], ...]
    unseen: tuple[tuple[str, str], ...]


async def unmanaged(
    control: Control,
    project_id: ProjectId,
    cloud: str,
    only: str | None = None,
    user_id: UserId | None = None,
) -> Inventory:
    """Everything of the project on the cloud that no live stack knows, by type and name."""
    found = await unmanaged_objects(control, project_id, cloud, only, COPIES, user_id)
    return Inventory(
        objects=tuple(
            Unmanaged(
                type=name,
                id=each.id,
                name=each.name,
                status=each.status,
                created_at=each.created_at,
            )
            for name, each in found.objects
        ),
        unseen=found.unseen,
    )


async def unmanaged_objects(
    control: Control,
    project_id: ProjectId,
    cloud: str,
    only: str | None = None,
    besides: Mapping[str, Live] = NO_OTHERS,
    user_id: UserId | None = None,
) -> Found:
    """The same, with all that the cloud says of them."""
    session = control.view(cloud, project_id, user_id)
    ids, tokens = await control.database.read(_known, project_id, cloud)
    # What is the cloud's, another project's stack may have made.
    everywhere, others = await control.database.read(resource_rows.marks_on_cloud, cloud, CLOUDWIDE)
    types = control.registry.types.items()
    absent = {
        each.resource_type for each in control.cloud_named(cloud).limitations if not each.path
    }
    kinds: dict[str, Live] = {
        name: kind.live
        for name, kind in types
        if kind.live is not None and not kind.twin_of and name not in absent
    }
    cloudwide = {name for name, kind in types if kind.facts.admin_only}
    kinds |= besides
    if only is not None and only not in kinds:
        raise NotFound(
            f"Objects of type {only!r} are not listed.",
            remedy=f"These are: {', '.join(sorted(kinds))}.",
        )
    listed: list[tuple[str, CloudObject]] = []
    unseen: list[tuple[str, str]] = []
    for name, live in sorted(kinds.items()):
        if only not in {None, name} and name not in ROUND:
            continue
        try:
            objects = await live(session).list()
        except CloudError as error:
            # Who may not look at what is the cloud's has made none of it either.
            if not (isinstance(error, Denied) and name in cloudwide):
                unseen.append((name, error.message))
            continue
        listed += [(name, each) for each in sorted(objects, key=lambda each: (each.name, each.id))]
        await asyncio.sleep(0)
    # What was adopted is known to the cloud by its maker's token, and so is what was made for it.
    tokens |= {each.token for _, each in listed if each.id in ids and each.token}
    ours = {each.id for name, each in listed if name == "OS::Neutron::Net" and _is_ours(each)}
    return Found(
        objects=tuple(
            (name, each)
            for name, each in listed
            if only in {None, name}
            and each.id not in (everywhere if name in CLOUDWIDE else ids)
            and not _of_the_cloud(each, others if name in CLOUDWIDE else tokens)
            and (each.token or not _of_others(each, ids, ours))
        ),
        unseen=tuple(unseen),
    )


def made_on_the_way(found: CloudObject, tokens: Collection[str]) -> bool:
    """Whether the cloud made it for one of these: a server's port, a load balancer's address."""
    maker, slash, _ = found.token.partition("/")
    return bool(slash) and maker in tokens


def _of_the_cloud(found: CloudObject, tokens: Collection[str]) -> bool:
    """Given by the cloud, or known under the token of what it was made for."""
    given = found.token.startswith(GIVEN) or bool(getattr(found, "external", False))
    made = found.token in tokens or _OWN_PORT.sub("", found.token) in tokens
    return given or made or made_on_the_way(found, tokens)


def _is_ours(network: CloudObject) -> bool:
    """Unless it is shared: then others may have made it, and nothing says who did."""
    shared = isinstance(network, ports.Network) and network.spec.shared
    return not shared or bool(network.token)


def _of_others(found: CloudObject, ids: Collection[str], ours: Collection[str]) -> bool:
    """What bears no mark and is not the project's own affair, though the project sees it.

    Ports of services, and those that a server of a stack has; default groups; shared networks and
    what is on them.
    """
    match found:
        case ports.Port():
            server = found.device_owner.startswith("compute:")
            service = found.device_owner.startswith(("network:", "Octavia"))
            return service or (server and found.device_id in ids)
        case ports.SecurityGroup():
            return found.name == "default" or found.name.startswith("lb-")
        case ports.Network():
            return not _is_ours(found)
        case ports.Subnet():
            return found.spec.network_id not in ours
        case ports.PlainObject(kind="security_group_rules"):
            # A group has its own rules, and the cloud's, beside those that are resources.
            return True
        case ports.PlainObject():
            return KINDS[found.kind].everybodys or bool(found.told.get("shared"))
        case _:
            return False


def _known(connection: Connection, project_id: ProjectId, cloud: str) -> tuple[set[str], set[str]]:
    rows = resource_rows.of_stacks(
        connection, drift_rows.live_stacks(connection, project_id, cloud)
    )
    kept_ids, kept_tokens = content_rows.known_ids(connection, project_id)
    return (
        {row.physical_id for row in rows if row.physical_id} | kept_ids,
        {row.token for row in rows} | kept_tokens,
    )
