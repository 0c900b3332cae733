"""A snapshot of a stack on the local cloud: real folders, real processes."""

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from power import CALLER

from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.lib.clock import SystemClock
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.snapshots import find_snapshot, restore_snapshot, take_snapshot
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.wiring import assemble

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  disk: {type: OS::Cinder::Volume, properties: {size: 1}}
  web:
    type: OS::Nova::Server
    properties: {flavor: m1.tiny, user_data: "#!/bin/sh\\nexec sleep 1000\\n", image: local}
  plug:
    type: OS::Cinder::VolumeAttachment
    properties: {instance_uuid: {get_resource: web}, volume_id: {get_resource: disk}}
"""


async def quiet(control):
    deadline = time.monotonic() + 60
    while await control.database.read(operation_rows.live):
        assert time.monotonic() < deadline, "it never ends"
        await asyncio.sleep(0.05)


def test_a_server_and_its_volume_return_to_what_they_held(one_world):
    """The same server with its address, rebuilt; the volume back in its place in it."""

    async def story():
        database = Database("sqlite://", inline=True)
        database.create_tables()
        control, engine = assemble(
            database=database,
            clouds={"local": one_world.cloud},
            default_cloud="local",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1:1", key=b"test"),
            clock=SystemClock(),
        )
        session = one_world.cloud.session(CALLER.project_id)
        await engine.open()
        try:
            await lived(control, session)
        finally:
            for server in await session.servers.list():
                await session.servers.delete(server.id)
                await one_world.gone(session.servers, server.id)
            await engine.close()

    asyncio.run(story())


async def lived(control, session):
    source = TemplateSource(template=TEMPLATE)
    stack, _ = await create_stack(control, CALLER, CreateRequest(name="s", source=source))
    await quiet(control)
    ids = {
        view.record.name: view.record.physical_id for view in await list_resources(control, stack)
    }
    root = session.servers.machine(ids["web"]).root
    addresses = (await session.servers.get(ids["web"])).addresses
    (root / "system").write_text("before")
    (root / "volumes" / "vdb" / "data").write_text("before")
    taken = await take_snapshot(control, CALLER, stack, None)
    await quiet(control)
    kept = await find_snapshot(control, stack, taken.id)
    assert (kept.status, len(kept.contents)) == ("COMPLETE", 2), kept.reason
    (root / "system").write_text("after")
    (root / "since").write_text("after")
    (root / "volumes" / "vdb" / "data").write_text("after")
    await restore_snapshot(control, CALLER, stack, taken.id)
    await quiet(control)
    stack = await find_stack(control, CALLER.project_id, "s")
    assert stack.state == "RESTORE_COMPLETE", stack.reason
    assert (root / "system").read_text() == "before"
    assert not (root / "since").exists()
    assert (root / "volumes" / "vdb" / "data").read_text() == "before"
    assert (await session.servers.get(ids["web"])).addresses == addresses
    await delete_stack(control, CALLER, stack)
    await quiet(control)
    deadline = time.monotonic() + 20
    while await session.server_images.list() or await session.volume_backups.list():
        assert time.monotonic() < deadline, "copies are left"
        await asyncio.sleep(0.1)
