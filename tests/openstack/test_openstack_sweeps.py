"""Sweeps over real servers: switched, rebooted, resized and moved by one command each."""

import sys
import time
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import Heat, Plane

pytestmark = pytest.mark.openstack

SERVERS = {
    f"s{number}": {
        "type": "OS::Nova::Server",
        "properties": {
            "name": f"sweep-{number}",
            "flavor": "tiny",
            "image": "tiny",
            "networks": [{"network": {"get_resource": "net"}}],
            "tags": ["swept"],
        },
        "depends_on": "subnet",
    }
    for number in range(4)
} | {
    "net": {"type": "OS::Neutron::Net"},
    "subnet": {
        "type": "OS::Neutron::Subnet",
        "properties": {"network": {"get_resource": "net"}, "cidr": "10.9.0.0/24"},
    },
}


class Operators(Plane):
    """Mantle with an operator's entry."""

    entry = "real-admin"


def swept(own, body, between=lambda: None):
    """Plan and apply; the servers with their outcomes, once the sweep has ended."""
    planned = own.post("/sweeps", json=body)
    assert planned.status_code == 201, planned.text
    path = f"/sweeps/{planned.json()['sweep']['id']}"
    assert own.post(f"{path}/apply").status_code == 202
    between()
    for _ in range(600):
        found = own.get(path).json()
        if found["sweep"]["status"] in {"complete", "failed", "cancelled"}:
            return found
        time.sleep(0.2)
    raise AssertionError(found)


@pytest.mark.proves("beyond: a verb over many servers, planned first")
def test_real_servers_are_swept(tmp_path):
    """Each has its outcome, and Nova remembers one deed of each kind; a kill changes nothing."""
    with openstack_lab.two_projects() as lab:
        openstack_lab.let_in("admin", "admin", lab.mine)
        admin = openstack_lab.connect()
        plane = Operators(tmp_path, admin.identity.get_project(lab.mine).name)
        try:
            with Heat(plane, lab.mine) as heat:
                heat.create(SERVERS)
                own = httpx.Client(
                    base_url=f"{plane.url}/v2", headers=dict(heat.http.headers), timeout=60
                )
                all_four = {"tags": ["swept"]}
                reboot = {"verb": "reboot", "selector": {"stacks": ["s"]}, "parallel": 2}
                found = swept(own, reboot, between=plane.kill)
                assert {each["state"] for each in found["servers"]} == {"done"}, found
                hard = {"verb": "hard-reboot", "selector": {"names": ["sweep-3"]}}
                found = swept(own, hard)
                assert {each["state"] for each in found["servers"]} == {"done"}, found
                two = {"names": ["sweep-[01]"]}
                swept(own, {"verb": "resize", "flavor": "small", "selector": two})
                swept(own, {"verb": "off", "selector": all_four, "parallel": 4})
                listed = own.get("/servers?tag=swept").json()["servers"]
                own.close()
                assert {(each["name"], each["status"], each["flavor"]) for each in listed} == {
                    (f"sweep-{number}", "STOPPED", "small" if number < 2 else "tiny")
                    for number in range(4)
                }
                assert {each["name"]: deeds_of(admin, each["id"]) for each in listed} == {
                    f"sweep-{number}": [
                        *(["confirmResize"] if number < 2 else []),
                        "create",
                        *["reboot"] * (2 if number == 3 else 1),
                        *(["resize"] if number < 2 else []),
                        "stop",
                    ]
                    for number in range(4)
                }
                heat.delete()
        finally:
            plane.stop()


def deeds_of(admin, server_id):
    path = f"/servers/{server_id}/os-instance-actions"
    found = admin.compute.get(path, microversion="2.64").json()["instanceActions"]
    return sorted(each["action"] for each in found)
