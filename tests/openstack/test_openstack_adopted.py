"""What was made by hand on a real OpenStack is taken over, with a template, and ends so."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab

from mantle.access.caller import Caller
from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.clouds.ports import CloudError
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.model.ids import ProjectId, UserId
from mantle.stacks.delete import delete_stack
from mantle.stacks.drift import list_drift, look
from mantle.stacks.generate import GenerateRequest, adopt_objects
from mantle.stacks.queries import find_stack
from mantle.stacks.unmanaged import unmanaged
from mantle.stacks.update import UpdateRequest, preview_update
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.wiring import assemble

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(400),
    pytest.mark.proves("beyond: adopt into a generated template"),
]


@pytest.fixture
def lab() -> Iterator[openstack_lab.Lab]:
    with openstack_lab.two_projects() as lab:
        openstack_lab.furnish()
        try:
            yield lab
        finally:
            asyncio.run(swept(lab.mine))


async def swept(project_id: str) -> None:
    """What was made by hand bears no mark, and the lab's own broom passes it by."""
    cloud = OpenStackCloud(Entry(name="real-demo", file=openstack_lab.clouds_file()))
    session = cloud.session(ProjectId(project_id))
    for _ in range(20):
        found = 0
        for kind in openstack_lab.KINDS:
            for each in await getattr(session, kind).list():
                if getattr(each, "external", False) or each.name == "default":
                    continue
                owner = getattr(each, "device_owner", "")
                if kind == "key_pairs" or owner.startswith("network:"):
                    continue
                found += 1
                with contextlib.suppress(CloudError):
                    await getattr(session, kind).delete(each.id)
        if not found:
            break
        await asyncio.sleep(0.5)
    await cloud.stop()


def by_hand(project_id: str) -> None:
    """A little of everything, with the plain SDK: nothing bears a mark of Mantle's."""
    name = openstack_lab.connect().identity.get_project(project_id).name
    cloud = openstack_lab.connect("real-demo", project_name=name)
    net = cloud.network.create_network(name="hand")
    subnet = cloud.network.create_subnet(
        name="hand", network_id=net.id, cidr="10.7.0.0/24", ip_version=4
    )
    router = cloud.network.create_router(
        name="hand",
        external_gateway_info={"network_id": cloud.network.find_network("public").id},
    )
    cloud.network.add_interface_to_router(router, subnet=subnet.id)
    group = cloud.network.create_security_group(name="web", description="http")
    cloud.network.create_security_group_rule(
        security_group_id=group.id,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=80,
        port_range_max=80,
    )
    port = cloud.network.create_port(name="door", network_id=net.id, security_group_ids=[group.id])
    public = cloud.network.find_network("public")
    cloud.network.create_ip(floating_network_id=public.id, port_id=port.id)
    volume = cloud.block_storage.create_volume(name="data", size=1)
    cloud.block_storage.wait_for_status(volume, "available")
    image, flavor = cloud.image.find_image("local"), cloud.compute.find_flavor("m1.tiny")
    for server, networks in (("web", [{"port": port.id}]), ("other", [{"uuid": net.id}])):
        made = cloud.compute.create_server(
            name=server, image_id=image.id, flavor_id=flavor.id, networks=networks
        )
        cloud.compute.wait_for_server(made)
    cloud.compute.create_volume_attachment(cloud.compute.find_server("web"), volume_id=volume.id)
    cloud.block_storage.wait_for_status(volume, "in-use")
    balancer = cloud.load_balancer.create_load_balancer(name="lb", vip_subnet_id=subnet.id)
    cloud.load_balancer.wait_for_load_balancer(balancer.id)
    listener = cloud.load_balancer.create_listener(
        name="http", loadbalancer_id=balancer.id, protocol="HTTP", protocol_port=80
    )
    cloud.load_balancer.wait_for_load_balancer(balancer.id)
    pool = cloud.load_balancer.create_pool(
        name="members", listener_id=listener.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN"
    )
    cloud.load_balancer.wait_for_load_balancer(balancer.id)
    cloud.load_balancer.create_member(pool, address="10.7.0.9", protocol_port=80, name="m")
    cloud.load_balancer.wait_for_load_balancer(balancer.id)


def test_what_was_made_by_hand_is_taken_over_and_nothing_changes(lab):
    """The plan is empty, nothing drifts, and deleting the stack leaves an empty project."""
    by_hand(lab.mine)
    caller = Caller(
        user_id=UserId("u"),
        user_name="tester",
        project_id=ProjectId(lab.mine),
        project_name="tests",
        roles=frozenset({"member"}),
    )

    async def story():
        database = Database("sqlite://")
        database.create_tables()
        cloud = OpenStackCloud(Entry(name="real-demo", file=lab.file))
        control, engine = assemble(
            database=database,
            clouds={"real-demo": cloud},
            default_cloud="real-demo",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1:1", key=b"k" * 32),
            settings=Settings(),
        )
        await cloud.start()
        await engine.open()
        try:
            wanted = GenerateRequest(stack_name="t", cloud="real-demo", everything=True)
            _, _, made = await adopt_objects(control, caller, wanted)
            assert made.left_out == ()
            await over(control)
            taken = await find_stack(control, caller.project_id, "t")
            assert taken.state == "ADOPT_COMPLETE", taken.reason
            same = UpdateRequest(existing=True)
            assert (await preview_update(control, caller, taken, same)).plan.steps == ()
            assert (await unmanaged(control, caller.project_id, "real-demo")).objects == ()
            await look(control, caller.project_id, "real-demo")
            assert (await list_drift(control, taken))[0] == []
            await delete_stack(control, caller, taken)
            await over(control)
            session = cloud.session(caller.project_id)
            return {
                kind: [each.name for each in await getattr(session, kind).list()]
                for kind in ("servers", "volumes", "routers", "load_balancers", "floating_ips")
            }
        finally:
            await engine.close()
            await cloud.stop()
            database.close()

    async def over(control):
        while await control.database.read(operation_rows.live):
            await asyncio.sleep(0.5)

    assert not any(asyncio.run(story()).values())
