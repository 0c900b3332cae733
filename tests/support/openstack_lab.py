"""The real OpenStack of ../shared/openstack, as tests meet it.

`make test-openstack` starts it and says where its clouds.yaml is (MANTLE_TEST_OPENSTACK). Tests
that need it carry the marker `openstack` and are skipped, with that reason, when it is not there.
"""

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import openstack.config
import psutil
import pytest

from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.clouds.ports import CloudError
from mantle.model.ids import ProjectId

WHY = "needs the OpenStack of ../shared/openstack: run `make test-openstack`"


def clouds_file() -> Path:
    """Where the lab's clouds.yaml is; skips the test when there is none."""
    given = os.environ.get("MANTLE_TEST_OPENSTACK", "")
    if not given or not Path(given).exists():
        pytest.skip(WHY)
    return Path(given)


def connect(name: str = "real-admin", **more: Any) -> Any:
    """The plain SDK, to prepare and to look behind Mantle's back."""
    known = openstack.config.OpenStackConfig(config_files=[str(clouds_file())], load_envvars=False)
    return openstack.connection.Connection(config=known.get_one(cloud=name, **more))


@dataclass(frozen=True)
class Lab:
    """Two fresh projects, and an entry of clouds.yaml whose user is a member of both."""

    file: Path
    entry: str
    mine: str
    theirs: str


OWNER = "of test process "
"""How the description of a test's project begins; the process's id and start follow."""


@contextmanager
def two_projects() -> Iterator[Lab]:
    """Made for one test and taken away after it, with everything in them."""
    admin = connect()
    _sweep(admin)
    user = admin.identity.find_user("demo")
    role = admin.identity.find_role("member")
    with ExitStack() as undo:
        made = []
        for _ in range(2):
            project = admin.identity.create_project(
                name=f"mantle-{uuid.uuid4().hex[:8]}", description=f"{OWNER}{_me(os.getpid())}"
            )
            # Each by itself: one that is not empty in time must not keep the other.
            undo.callback(_take_away, admin, project)
            made.append(project)
            admin.identity.assign_project_role_to_user(project, user, role)
            admin.load_balancer.update_quota(project.id, load_balancers=-1)
        yield Lab(clouds_file(), "real-demo", made[0].id, made[1].id)


def _me(pid: int) -> str:
    """A process by what no later one is called by; empty when there is none."""
    try:
        return f"{pid} {psutil.Process(pid).create_time():.0f}"
    except psutil.NoSuchProcess:
        return ""


def _take_away(admin: Any, project: Any) -> None:
    """Once it is empty; what is slower than our patience is left to the next process's sweep."""
    asyncio.run(emptied(project.id))
    admin.identity.delete_project(project)


def _sweep(admin: Any) -> None:
    """Projects of test processes that were killed: nobody else takes them away."""
    user, role = admin.identity.find_user("demo"), admin.identity.find_role("member")
    for project in admin.identity.projects():
        owner = (project.description or "").removeprefix(OWNER)
        if owner == project.description or not owner:
            continue
        pid = owner.split()[0]
        if _me(int(pid)) != owner:
            admin.identity.assign_project_role_to_user(project, user, role)
            _take_away(admin, project)


def let_in(user: str, role: str, *project_ids: str) -> None:
    """Give a user of the lab a role in these projects."""
    admin = connect()
    found, kind = admin.identity.find_user(user), admin.identity.find_role(role)
    for project_id in project_ids:
        admin.identity.assign_project_role_to_user(project_id, found, kind)


def furnish() -> None:
    """The flavor and the image that the contract's stories name."""
    admin = connect()
    if admin.compute.find_flavor("m1.tiny") is None:
        admin.compute.create_flavor(name="m1.tiny", ram=512, vcpus=1, disk=1)
    if admin.image.find_image("local") is None:
        admin.create_image(
            "local",
            data=b"a system",
            disk_format="raw",
            container_format="bare",
            visibility="public",
            wait=True,
        )


KINDS = (
    *("members", "health_monitors", "pools", "listeners", "load_balancers"),
    *("floating_ip_associations", "floating_ips", "volume_attachments", "servers", "volumes"),
    *("router_interfaces", "routers", "ports", "subnets", "networks", "security_groups"),
    *("volume_snapshots", "server_images", "server_groups", "key_pairs"),
)


async def leftovers(project_id: str) -> list[tuple[str, str, str]]:
    """(collection, id, name) of everything in the project that Mantle made."""
    cloud = OpenStackCloud(Entry(name="real-demo", file=clouds_file()))
    session = cloud.session(ProjectId(project_id))
    found = []
    for kind in KINDS:
        for each in await getattr(session, kind).list():
            if each.token:
                found.append((kind, each.id, each.name))
    await cloud.stop()
    return found


def everything(project_id: str) -> list[tuple[str, str]]:
    """(kind, name) of all that the services list of the project, whoever made it.

    Every project has its default security group; key pairs are the user's.
    """
    admin = connect()
    servers: Any = {"all_projects": True, "project_id": project_id}
    net, disk, lb = admin.network, admin.block_storage, admin.load_balancer
    owned = {"project_id": project_id}
    listed = {
        "server": admin.compute.servers(details=False, **servers),
        "volume": disk.volumes(details=False, **servers),
        "volume snapshot": disk.snapshots(details=False, **servers),
        "image": admin.image.images(owner=project_id),
        "network": net.networks(**owned),
        "subnet": net.subnets(**owned),
        "port": net.ports(**owned),
        "router": net.routers(**owned),
        "floating address": net.ips(**owned),
        "trunk": net.trunks(**owned),
        "subnet pool": net.subnet_pools(**owned),
        "address scope": net.address_scopes(**owned),
        "QoS policy": net.qos_policies(**owned),
        "RBAC policy": net.rbac_policies(**owned),
        "security group": net.security_groups(**owned),
        "load balancer": lb.load_balancers(**owned),
        "listener": lb.listeners(**owned),
        "pool": lb.pools(**owned),
        "health monitor": lb.health_monitors(**owned),
        "L7 policy": lb.l7_policies(**owned),
    }
    found = [(kind, each.name or each.id) for kind, objects in listed.items() for each in objects]
    return [each for each in found if each != ("security group", "default")]


async def emptied(project_id: str) -> None:
    """Delete whatever Mantle made in the project, from the leaves to the roots."""
    cloud = OpenStackCloud(Entry(name="real-demo", file=clouds_file()))
    session = cloud.session(ProjectId(project_id))
    for _ in range(60):
        found = await leftovers(project_id)
        if not found:
            break
        for kind, object_id, _name in found:
            try:
                await getattr(session, kind).delete(object_id)
            except CloudError:
                continue
        await asyncio.sleep(0.5)
    await cloud.stop()
    assert not found, found
