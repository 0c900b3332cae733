"""What a real OpenStack does to whoever uses it, one fault at a time.

Each ends in success after recovery, or in a state that names service, call, request and remedy;
never is anything left, and never is anything doubled.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from fault_proxy import standing
from openstack_plane import ROOT, Heat
from openstack_shapes import NET, ref, typed
from openstack_story import (
    begin,
    counted,
    ended,
    expected,
    gone,
    standing_plane,
    template,
)

from mantle.access.caller import Caller
from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib.clock import SystemClock
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, UserId
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.wiring import assemble

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(900),
    pytest.mark.proves("life cycle: a cloud's bad days"),
]

REFUSED_SECONDS = float(os.environ.get("MANTLE_TEST_REFUSED_SECONDS", "60"))
LAB = Path(os.environ.get("OSLAB_DIR", "/var/tmp/oslab"))


@pytest.fixture
def project():
    with openstack_lab.two_projects() as lab:
        yield lab


@pytest.fixture
def plane(project, tmp_path):
    with standing_plane(tmp_path, project) as plane:
        yield plane


def server(**properties):
    return typed(
        "Nova::Server",
        **{"flavor": "tiny", "image": "tiny", "networks": [{"network": ref("net")}], **properties},
    )


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"flavor": "too-big"}, "No valid host was found"),
        ({"metadata": {"lab_fault": "spawn"}}, "Build of instance"),
    ],
    ids=["no valid host", "build error"],
)
def test_a_server_that_cannot_be_built_is_told_and_taken_away(plane, project, properties, said):
    """The stack fails with Nova's words and its request; deleting it leaves nothing."""
    resources = {**NET, "server": {**server(**properties), "depends_on": "subnet"}}
    with Heat(plane, project.mine) as heat:
        with pytest.raises(AssertionError) as caught:
            heat.create(resources)
        reason = str(caught.value)
        assert said in reason
        assert "Nova: create: " in reason
        assert "request req-" in reason
        heat.delete()
    assert counted(project.mine) == {}


def test_a_network_in_use_is_deleted_once_it_is_free(plane, project):
    """Somebody's port is on it: the delete waits, says why, and ends when the port has gone."""
    with Heat(plane, project.mine) as heat:
        heat.create(NET)
        mine = openstack_lab.connect("real-demo", auth={"project_id": project.mine})
        port = mine.network.create_port(network_id=heat.ids()["net"])
        stack = heat.stack()
        heat.ask("DELETE", f"/stacks/s/{stack['id']}")
        path = f"/stacks/s/{stack['id']}/resources/subnet"
        for _ in range(100):
            reason = heat.ask("GET", path)["resource"]["resource_status_reason"]
            if "in use" in reason:
                break
            time.sleep(0.3)
        assert "in use" in reason
        mine.network.delete_port(port)
        heat.until("DELETE_COMPLETE", f"s/{stack['id']}")
    assert counted(project.mine) == {}


def test_a_token_that_expires_in_the_middle_is_renewed(project, tmp_path):
    """Nova and Neutron turn away the token in use; Mantle logs in again, unseen."""
    cloud = openstack_lab.connect()
    nova, neutron = (
        cloud.endpoint_for(service, interface="public") for service in ("compute", "network")
    )
    with standing(nova) as compute, standing(neutron) as network:
        overrides = {
            "compute_endpoint_override": f"{compute.proxy.url}/v2.1",
            "network_endpoint_override": f"{network.proxy.url}/v2.0",
        }
        with standing_plane(tmp_path, project, **overrides) as plane:
            begin(plane, tmp_path, template(3))
            while compute.proxy.happened["good"] < 3:
                time.sleep(0.05)
            for each in (compute.proxy, network.proxy):
                each.expired.update(compute.proxy.seen + network.proxy.seen)
            assert ended(plane, "s") == "CREATE_COMPLETE", plane.mantle("stack events s")
            assert counted(project.mine) == expected(3)
            gone(plane, project.mine)
    assert compute.proxy.happened["expired token"] + network.proxy.happened["expired token"] > 0


def test_refused_connections_for_a_minute_are_waited_out(project, tmp_path):
    """Nobody listens where Nova and Neutron were; what was begun goes on when they are back."""
    cloud = openstack_lab.connect()
    nova, neutron = (
        cloud.endpoint_for(service, interface="public") for service in ("compute", "network")
    )
    with standing(nova) as compute, standing(neutron) as network:
        overrides = {
            "compute_endpoint_override": f"{compute.proxy.url}/v2.1",
            "network_endpoint_override": f"{network.proxy.url}/v2.0",
        }
        with standing_plane(tmp_path, project, **overrides) as plane:
            begin(plane, tmp_path, template(3))
            while compute.proxy.happened["good"] < 3:
                time.sleep(0.05)
            compute.close()
            network.close()
            time.sleep(REFUSED_SECONDS)
            compute.open()
            network.open()
            assert ended(plane, "s") == "CREATE_COMPLETE", plane.mantle("stack events s")
            assert counted(project.mine) == expected(3)
            gone(plane, project.mine)


def lab_up() -> None:
    """Start again what is not running."""
    done = subprocess.run(
        [ROOT / "scripts/openstack-lab", "up"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_conductor_that_was_killed_and_is_started_again(plane, project, tmp_path):
    """Servers are asked for while nobody conducts them; they are built when somebody does."""
    found = json.loads((LAB / "run" / "nova-conductor.pid").read_text().split()[0])
    os.kill(int(found), signal.SIGKILL)
    try:
        begin(plane, tmp_path, template(3))
        time.sleep(10)
    finally:
        lab_up()
    assert ended(plane, "s") == "CREATE_COMPLETE", plane.mantle("stack events s")
    assert counted(project.mine) == expected(3)
    gone(plane, project.mine)


@pytest.mark.slow
def test_rabbitmq_that_restarts(plane, project, tmp_path):
    """The services' messages wait; so does Mantle."""
    subprocess.run(["rabbitmqctl", "-q", "stop_app"], check=True)
    try:
        begin(plane, tmp_path, template(3))
        time.sleep(5)
    finally:
        subprocess.run(["rabbitmqctl", "-q", "start_app"], check=True)
    assert ended(plane, "s") == "CREATE_COMPLETE", plane.mantle("stack events s")
    assert counted(project.mine) == expected(3)
    gone(plane, project.mine)


class Skewed(SystemClock):
    """A clock that is wrong by so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return super().now() + self.seconds


@pytest.mark.parametrize("hours", [-26, 26])
def test_a_clock_that_is_wrong_changes_nothing(project, hours):
    """Mantle's hour is another than the services': made, and deleted."""
    caller = Caller(
        user_id=UserId("u"),
        user_name="tester",
        project_id=ProjectId(project.mine),
        project_name="tests",
        roles=frozenset({"member"}),
    )

    async def story():
        database = Database("sqlite://")
        database.create_tables()
        cloud = OpenStackCloud(Entry(name="real-demo", file=project.file))
        control, engine = assemble(
            database=database,
            clouds={"real-demo": cloud},
            default_cloud="real-demo",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1:1", key=b"k" * 32),
            settings=Settings(),
            clock=Skewed(3600.0 * hours),
        )
        await engine.open()

        async def over():
            while await control.database.read(operation_rows.live):
                await asyncio.sleep(0.3)

        try:
            source = TemplateSource(template=template(1))
            await create_stack(control, caller, CreateRequest(name="s", source=source))
            await over()
            made = await find_stack(control, caller.project_id, "s")
            assert made.state == "CREATE_COMPLETE", made.reason
            await delete_stack(control, caller, made)
            await over()
        finally:
            await engine.close()
            await cloud.stop()
            database.close()

    asyncio.run(story())
    assert counted(project.mine) == {}


@pytest.mark.slow
@pytest.mark.proves("life cycle: kill -9 of the engine")
def test_thirty_kills_make_twenty_servers_and_no_more(plane, project, tmp_path):
    """Kill -9 again and again while twenty servers with ports are made: each is made once."""
    openstack_lab.connect().compute.update_quota_set(project.mine, instances=40, cores=80)
    begin(plane, tmp_path, template(20))
    for number in range(30):
        time.sleep(0.2 + 0.1 * (number % 15))
        plane.kill()
    assert ended(plane, "s") == "CREATE_COMPLETE", plane.mantle("stack events s")
    assert counted(project.mine) == expected(20)
    gone(plane, project.mine)
