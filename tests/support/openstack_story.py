"""A stack of servers with everything around them, for stories of bad days on a real OpenStack."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openstack_lab
from openstack_plane import Plane


def template(count: int) -> dict:
    """A network, a router into the world, and servers with ports of their own."""
    resources: dict = {
        "net": {"type": "OS::Neutron::Net"},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {"network": {"get_resource": "net"}, "cidr": "10.7.0.0/24"},
        },
        "router": {
            "type": "OS::Neutron::Router",
            "properties": {"external_gateway_info": {"network": "public"}},
        },
        "interface": {
            "type": "OS::Neutron::RouterInterface",
            "properties": {
                "router": {"get_resource": "router"},
                "subnet": {"get_resource": "subnet"},
            },
        },
        "group": {
            "type": "OS::Neutron::SecurityGroup",
            "properties": {
                "rules": [
                    {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22},
                    {"protocol": "icmp"},
                ]
            },
        },
    }
    for number in range(count):
        resources[f"port{number}"] = {
            "type": "OS::Neutron::Port",
            "properties": {
                "network": {"get_resource": "net"},
                "security_groups": [{"get_resource": "group"}],
            },
        }
        resources[f"server{number}"] = {
            "type": "OS::Nova::Server",
            "properties": {
                "flavor": "tiny",
                "image": "tiny",
                "networks": [{"port": {"get_resource": f"port{number}"}}],
            },
        }
    return {"heat_template_version": "2021-04-16", "resources": resources}


def expected(count: int) -> dict[str, int]:
    once = ("networks", "subnets", "routers", "router_interfaces", "security_groups")
    # The interface's port is an object of the project as well.
    return {**dict.fromkeys(once, 1), "servers": count, "ports": count + 1}


def counted(project_id: str) -> dict[str, int]:
    found = [kind for kind, _, _ in asyncio.run(openstack_lab.leftovers(project_id))]
    return {kind: found.count(kind) for kind in found}


def ended(plane: Plane, name: str) -> str:
    """Wait for the end of what happens to the stack; also while Mantle is being killed."""
    for _ in range(1200):
        status = json.loads(plane.mantle(f"stack show {name} --json"))["stack"]["status"]
        if "IN_PROGRESS" not in status:
            return str(status)
        time.sleep(0.3)
    raise AssertionError(plane.mantle(f"stack events {name}"))


def name_of(lab: openstack_lab.Lab) -> str:
    return str(openstack_lab.connect().identity.get_project(lab.mine).name)


def begin(plane: Plane, folder: Path, wanted: dict[str, Any], name: str = "s") -> None:
    """Ask for a stack and do not wait for it."""
    (folder / "t.json").write_text(json.dumps(wanted))
    plane.mantle(f"stack create {name} -t {folder / 't.json'} --yes --no-wait")


def gone(plane: Plane, project_id: str, name: str = "s") -> None:
    """Delete the stack and see that the project is empty."""
    plane.mantle(f"stack delete {name} --yes --no-wait")
    for _ in range(600):
        if not counted(project_id):
            return
        time.sleep(0.5)
    raise AssertionError(counted(project_id))


@contextmanager
def standing_plane(folder: Path, lab: openstack_lab.Lab, **overrides: str) -> Iterator[Plane]:
    """`mantle up`, found by its clients."""
    plane = Plane(folder, name_of(lab), overrides)
    try:
        plane.mantle(f"register --url {plane.url}", cloud="real-admin")
        yield plane
    finally:
        plane.stop()
