"""A control plane in this process, on SQLite on disk, with the simulated cloud."""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from mantle.access.caller import Caller
from mantle.clouds.simulated import SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.lib.clock import SystemClock
from mantle.lib.garbage import collect_rarely
from mantle.lib.sealing import KeyRing, new_key
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, UserId
from mantle.model.records import StackRecord
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.wiring import assemble

CALLER = Caller(
    user_id=UserId("u"),
    user_name="bench",
    project_id=ProjectId("p"),
    project_name="bench",
    roles=frozenset({"member"}),
)
HEAD = "heat_template_version: 2018-08-31\nresources:\n"


@contextlib.asynccontextmanager
async def plant() -> AsyncIterator[Control]:
    """Everything but the HTTP server; its folder is gone afterwards."""
    collect_rarely()
    with tempfile.TemporaryDirectory() as folder:
        database = Database.at(Path(folder) / "mantle.sqlite")
        database.create_tables()
        database.seal_with(KeyRing([new_key()]))
        control, engine = assemble(
            database=database,
            clouds={"simulated": SimulatedCloud(clock=SystemClock())},
            default_cloud="simulated",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1", key=b"bench"),
        )
        await engine.open()
        try:
            yield control
        finally:
            await engine.close()
            database.close()


async def settled(control: Control, stack: StackRecord) -> StackRecord:
    """Wait for the stack's operations to end; it must have ended well."""
    while True:
        ticket = control.machine.nudges.ticket(stack.id)
        if not await control.database.read(operation_rows.live_of_stack, stack.id):
            break
        await control.machine.nudges.sleep(ticket, 0.5)
    ended = await find_stack(control, CALLER.project_id, stack.id, deleted=True)
    if ended.status != "COMPLETE":
        raise RuntimeError(f"{ended.state}: {ended.reason}")
    return ended


async def create(control: Control, name: str, template: str) -> StackRecord:
    """From the request to the end of the operation."""
    request = CreateRequest(name=name, source=TemplateSource(template=template))
    stack, _ = await create_stack(control, CALLER, request)
    return await settled(control, stack)


async def update(control: Control, stack: StackRecord, template: str) -> StackRecord:
    """The same for an update."""
    await update_stack(control, CALLER, stack, UpdateRequest(template=template))
    return await settled(control, stack)


async def delete(control: Control, stack: StackRecord) -> StackRecord:
    """The same for a delete."""
    await delete_stack(control, CALLER, stack)
    return await settled(control, stack)


def independent(count: int, length: int = 8, odd: int | None = None) -> str:
    """Random strings that need nothing; one of them may be of another length."""
    return HEAD + "".join(
        f"  r{i}:\n    type: OS::Heat::RandomString\n"
        f"    properties: {{length: {length + 1 if i == odd else length}}}\n"
        for i in range(count)
    )


def chain(count: int) -> str:
    """Values, each of the one before."""
    links = ["  v0: {type: OS::Heat::Value, properties: {value: start}}\n"]
    links += [
        f"  v{i}:\n    type: OS::Heat::Value\n"
        f"    properties: {{value: {{get_attr: [v{i - 1}, value]}}}}\n"
        for i in range(1, count)
    ]
    return HEAD + "".join(links)


def group(count: int) -> str:
    """A group of random strings."""
    return HEAD + (
        f"  g:\n    type: OS::Heat::ResourceGroup\n    properties:\n      count: {count}\n"
        "      resource_def: {type: OS::Heat::RandomString, properties: {length: 8}}\n"
    )


def networks(count: int) -> str:
    """Networks: objects of a cloud, which can drift."""
    return HEAD + "".join(f"  n{i}: {{type: OS::Neutron::Net}}\n" for i in range(count))


def servers(count: int, odd: int | None = None) -> str:
    """Servers of a few properties each; one of them may have another metadata value."""
    return HEAD + "".join(
        f"  s{i}:\n    type: OS::Nova::Server\n    properties:\n"
        f"      {{name: s{i}, flavor: m1.tiny, image: cirros, networks: [{{network: public}}],\n"
        f"       metadata: {{role: {'odd' if i == odd else 'even'}}}}}\n"
        for i in range(count)
    )


def nested(files: int, each: int) -> TemplateSource:
    """A template of template files, each with resources of its own."""
    return TemplateSource(
        template=HEAD + "".join(f"  f{i}: {{type: f{i}.yaml}}\n" for i in range(files)),
        files={f"f{i}.yaml": independent(each) for i in range(files)},
    )


async def timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Wall and CPU seconds of a piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - wall, time.process_time() - cpu
