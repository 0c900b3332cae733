"""Another project's objects, by their ids, at every place where a template can say one.

The entry of clouds.yaml is an administrator, whose token sees and may change all projects: what
keeps them apart is Mantle alone.
"""

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import Heat, Plane, template_of

pytestmark = pytest.mark.openstack


class Administered(Plane):
    entry = "real-admin"


def theirs(admin, project) -> dict[str, str]:
    """What the other project has, by kind."""
    network = admin.network.create_network(name="theirs", project_id=project)
    subnet = admin.network.create_subnet(
        network_id=network.id, ip_version=4, cidr="10.77.0.0/24", project_id=project
    )
    port = admin.network.create_port(network_id=network.id, project_id=project)
    group = admin.network.create_security_group(name="theirs", project_id=project)
    router = admin.network.create_router(name="theirs", project_id=project)
    owner = openstack_lab.connect("real-demo", auth={"project_id": project})
    volume = owner.block_storage.create_volume(size=1, name="theirs")
    owner.block_storage.wait_for_status(volume, "available", wait=60)
    return {
        "network": network.id,
        "subnet": subnet.id,
        "port": port.id,
        "group": group.id,
        "router": router.id,
        "volume": volume.id,
        "project": project,
    }


NET = {"type": "OS::Neutron::Net"}
OWN = {"get_resource": "net"}
SUBNET = {"type": "OS::Neutron::Subnet", "properties": {"network": OWN, "cidr": "10.78.0.0/24"}}


def adopted(kind, identity, **properties):
    return {"x": {"type": kind, "external_id": identity, "properties": properties}}


def cases(ids) -> dict[str, dict]:
    """Templates, each of which names something of the other project's."""
    port, net = ids["port"], ids["network"]

    def one(kind, **properties):
        return {"net": NET, "subnet": SUBNET, "x": {"type": kind, "properties": properties}}

    return {
        "external network": adopted("OS::Neutron::Net", net),
        "external port": adopted("OS::Neutron::Port", port, network=net),
        "external volume": adopted("OS::Cinder::Volume", ids["volume"], size=1),
        "external group": adopted("OS::Neutron::SecurityGroup", ids["group"]),
        "external router": adopted("OS::Neutron::Router", ids["router"]),
        "subnet on a network": one("OS::Neutron::Subnet", network=net, cidr="10.79.0.0/24"),
        "port on a network": one("OS::Neutron::Port", network=net),
        "port with a group": one("OS::Neutron::Port", network=OWN, security_groups=[ids["group"]]),
        "router to a subnet": one(
            "OS::Neutron::RouterInterface", router=ids["router"], subnet=ids["subnet"]
        ),
        "volume from a volume": one("OS::Cinder::Volume", source_volid=ids["volume"]),
        "network for a project": one("OS::Neutron::Net", tenant_id=ids["project"]),
        "server on a port": one(
            "OS::Nova::Server", flavor="tiny", image="tiny", networks=[{"port": port}]
        ),
    }


@pytest.mark.proves("life cycle: another project's objects are refused")
def test_another_projects_objects_are_refused_wherever_they_are_named(tmp_path):
    """At validation or by the deed; nothing of theirs is touched, and nothing is made in it."""
    admin = openstack_lab.connect()
    with openstack_lab.two_projects() as lab:
        openstack_lab.let_in("admin", "admin", lab.mine, lab.theirs)
        ids = theirs(admin, lab.theirs)
        before = census(admin, lab.theirs)
        project = admin.identity.get_project(lab.mine).name
        plane = Administered(tmp_path, project)
        try:
            with Heat(plane, lab.mine) as heat:
                begun = {name: begin(heat, name, each) for name, each in cases(ids).items()}
                ends = {name: ended(heat, name, answer) for name, answer in begun.items()}
            wrong = {name: each for name, each in ends.items() if each == "CREATE_COMPLETE"}
            assert wrong == {}
            assert census(admin, lab.theirs) == before
        finally:
            plane.stop()


def census(admin, project):
    """Everything of a project's, with what was last changed of it."""
    kinds = (
        admin.network.networks,
        admin.network.subnets,
        admin.network.ports,
        admin.network.security_groups,
        admin.network.routers,
    )
    return {
        (kind.__name__, each.id, each.name, str(getattr(each, "device_id", "")))
        for kind in kinds
        for each in kind(project_id=project)
    }


def begin(heat, name, resources):
    body = {"stack_name": name.replace(" ", "-"), "template": template_of(resources)}
    return heat.http.post("/stacks", json=body)


def ended(heat, name, answer) -> str:
    if answer.status_code != 201:
        return f"{answer.status_code}"
    for _ in range(300):
        stack = heat.stack(name.replace(" ", "-"))
        if not stack["stack_status"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.2)
    status: str = stack["stack_status"]
    heat.http.delete(f"/stacks/{stack['stack_name']}/{stack['id']}")
    return status
