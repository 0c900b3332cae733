"""A real OpenStack on bad days, and an engine that is killed: nothing doubled, nothing left."""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from fault_proxy import standing_before
from openstack_plane import Heat, Plane
from openstack_story import counted, ended, expected, name_of, template

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(600)]

SERVERS = 6


@pytest.fixture
def project():
    with openstack_lab.two_projects() as lab:
        yield lab


def test_a_stack_is_made_and_deleted_over_services_that_have_bad_days(project, tmp_path):
    """One request in eight is turned away, lost, or done and its answer lost: it takes longer."""
    cloud = openstack_lab.connect()
    nova, neutron = (
        cloud.endpoint_for(service, interface="public") for service in ("compute", "network")
    )
    with (
        standing_before(nova, share=0.12, seed=5) as compute,
        standing_before(neutron, share=0.12, seed=7) as network,
    ):
        overrides = {
            "compute_endpoint_override": f"{compute.url}/v2.1",
            "network_endpoint_override": f"{network.url}/v2.0",
        }
        plane = Plane(tmp_path, name_of(project), overrides)
        try:
            plane.mantle(f"register --url {plane.url}", cloud="real-admin")
            (tmp_path / "t.json").write_text(json.dumps(template(SERVERS)))
            plane.mantle(f"stack create s -t {tmp_path / 't.json'} --yes --no-wait")
            assert ended(plane, "s") == "CREATE_COMPLETE", plane.mantle("stack events s")
            assert counted(project.mine) == expected(SERVERS)
            plane.mantle("stack delete s --yes --no-wait")
            for _ in range(600):
                if not counted(project.mine):
                    break
                time.sleep(0.5)
            assert counted(project.mine) == {}
        finally:
            plane.stop()
    assert sum(compute.happened.values()) - compute.happened["good"] > 0
    assert sum(network.happened.values()) - network.happened["good"] > 0


def test_an_engine_killed_again_and_again_makes_each_server_once(project, tmp_path):
    """Ten times with kill -9 in the middle of the create; each time it goes on."""
    plane = Plane(tmp_path, name_of(project))
    try:
        plane.mantle(f"register --url {plane.url}", cloud="real-admin")
        (tmp_path / "t.json").write_text(json.dumps(template(SERVERS)))
        plane.mantle(f"stack create s -t {tmp_path / 't.json'} --yes --no-wait")
        for number in range(10):
            time.sleep(0.2 + 0.15 * number)
            plane.kill()
        assert ended(plane, "s") == "CREATE_COMPLETE", plane.mantle("stack events s")
        assert counted(project.mine) == expected(SERVERS)
        plane.mantle("stack delete s --yes --no-wait")
        for _ in range(600):
            if not counted(project.mine):
                break
            time.sleep(0.5)
        assert counted(project.mine) == {}
    finally:
        plane.stop()


def test_a_refusal_is_told_with_service_call_and_remedy(project, tmp_path):
    """A quota that is used up: the stack fails at once, says so, and leaves nothing."""
    admin = openstack_lab.connect()
    admin.network.update_quota(project.mine, networks=0)
    plane = Plane(tmp_path, name_of(project))
    try:
        with Heat(plane, project.mine) as heat:
            nets = {"one": {"type": "OS::Neutron::Net"}}
            with pytest.raises(AssertionError, match=r"POST /networks answered 409") as caught:
                heat.create(nets)
            said = str(caught.value)
            assert "Quota exceeded" in said
            assert "request req-" in said
            assert "ask the operator for a larger quota" in said
            heat.delete()
        assert counted(project.mine) == {}
    finally:
        plane.stop()
