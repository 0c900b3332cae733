"""Drift made by hand on real processes is seen, and brought back."""

import asyncio

import psutil
import pytest

from mantle.access.caller import Caller
from mantle.clouds.ports import ObjectStatus
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib.clock import SystemClock
from mantle.model.graph import TemplateSource
from mantle.model.ids import UserId
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.drift import correct_drift, list_drift, look
from mantle.stacks.queries import find_stack, list_resources
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.wiring import assemble

TEMPLATE = """
heat_template_version: 2021-04-16
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.77.0.0/24}
  stopped:
    type: OS::Nova::Server
    depends_on: subnet
    properties: &server
      flavor: m1.tiny
      image: local
      networks: [{network: {get_resource: net}}]
      user_data_format: RAW
      user_data: "#!/bin/sh\\nexec sleep 97531\\n"
  killed: {type: OS::Nova::Server, depends_on: subnet, properties: *server}
  balancer: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: {get_resource: subnet}}}
  listener:
    type: OS::Octavia::Listener
    properties: {loadbalancer: {get_resource: balancer}, protocol: HTTP, protocol_port: 8080}
  pool:
    type: OS::Octavia::Pool
    properties: {listener: {get_resource: listener}, protocol: HTTP, lb_algorithm: ROUND_ROBIN}
  member:
    type: OS::Octavia::PoolMember
    properties:
      pool: {get_resource: pool}
      address: {get_attr: [stopped, first_address]}
      protocol_port: 8080
"""


def sleepers(world):
    """The boot scripts that still run."""
    running = [pid for pid, name in world.processes() if name == "sleep"]
    return [each for each in map(psutil.Process, running) if "97531" in each.cmdline()]


@pytest.mark.proves("beyond: drift on real processes")
def test_what_was_stopped_killed_and_removed_by_hand_comes_back(one_world, tmp_path):
    """A server powered off, another's process killed, a member taken out of its pool."""
    world = one_world
    caller = Caller(
        user_id=UserId("u1"),
        user_name="tester",
        project_id=world.project,
        project_name="tests",
        roles=frozenset({"member"}),
    )

    async def story(control):
        async def settled():
            while await control.database.read(operation_rows.live):
                await asyncio.sleep(0.05)
            return await find_stack(control, caller.project_id, "s")

        async def seen(stack):
            await look(control, stack.project_id, stack.cloud)
            found, _ = await list_drift(control, stack)
            return {(each.difference.resource, each.difference.path) for each in found}

        async def rows(stack):
            return {view.record.name: view.record for view in await list_resources(control, stack)}

        source = TemplateSource(template=TEMPLATE)
        await create_stack(control, caller, CreateRequest(name="s", source=source))
        stack = await settled()
        assert stack.state == "CREATE_COMPLETE", stack.reason
        assert await seen(stack) == set()
        before = await rows(stack)

        session = control.machine.session(stack)
        await session.members.delete(before["member"].physical_id)
        await session.servers.power(before["stopped"].physical_id, "off")
        await world.settled(before["stopped"].physical_id, ObjectStatus.STOPPED)
        (left,) = sleepers(world)
        left.kill()
        await world.settled(before["killed"].physical_id, ObjectStatus.ERROR)
        by_hand = {("member", "@object"), ("stopped", "status"), ("killed", "status")}
        assert await seen(stack) == by_hand

        await correct_drift(control, caller, stack)
        stack = await settled()
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        after = await rows(stack)
        assert after["stopped"].physical_id == before["stopped"].physical_id
        for name in ("stopped", "killed"):
            server = await session.servers.get(after[name].physical_id)
            assert server.status is ObjectStatus.ACTIVE
        assert len(sleepers(world)) == 2
        pool = await session.pools.get(after["pool"].physical_id)
        assert list(pool.member_ids) == [after["member"].physical_id]
        assert await seen(stack) == set()
        await delete_stack(control, caller, stack)
        await settled_away(control)

    async def settled_away(control):
        while await control.database.read(operation_rows.live):
            await asyncio.sleep(0.05)

    async def life():
        database = Database.at(tmp_path / "mantle.db")
        database.create_tables()
        control, engine = assemble(
            database=database,
            clouds={"local": world.cloud},
            default_cloud="local",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1:1", key=b"test"),
            clock=SystemClock(),
            settings=Settings(drift_seconds=0.0),
        )
        await engine.open()
        try:
            await story(control)
        finally:
            await engine.close()
            database.close()

    asyncio.run(life())
