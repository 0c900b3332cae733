"""Two regions of the real Keystone: the second's endpoints are other addresses of the services.

A stack is made in the region that its template names: by one Mantle that has both, and by another
Mantle whose endpoint is in the second region's catalog.
"""

import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from fault_proxy import standing
from openstack_plane import Heat, Plane, template_of

pytestmark = pytest.mark.openstack

WEST = f"oskeys-{uuid.uuid4().hex[:6]}"
KINDS = ("compute", "network", "image", "block-storage", "load-balancer", "placement")
NET = json.dumps(template_of({"net": {"type": "OS::Neutron::Net"}}))


def endpoints(admin, region):
    return [each for each in admin.identity.endpoints() if each.region_id == region]


@pytest.fixture(scope="module")
def west() -> Iterator[SimpleNamespace]:
    """A region with its own addresses; what reaches each of them is seen."""
    admin = openstack_lab.connect()
    proxies = {}
    with ExitStack() as ends:
        admin.identity.create_region(id=WEST)
        services = {each.id: each.type for each in admin.identity.services()}
        try:
            for each in endpoints(admin, "RegionOne"):
                kind = services[each.service_id]
                if each.interface != "public" or kind not in {*KINDS, "identity"}:
                    continue
                root, slash, path = each.url.removeprefix("http://").partition("/")
                url = each.url
                if kind in KINDS:
                    proxies[kind] = ends.enter_context(standing(f"http://{root}")).proxy
                    url = f"{proxies[kind].url}{slash}{path}"
                admin.identity.create_endpoint(
                    service_id=each.service_id, interface="public", region_id=WEST, url=url
                )
            yield SimpleNamespace(admin=admin, proxies=proxies)
        finally:
            for each in endpoints(admin, WEST):
                admin.identity.delete_endpoint(each)
            admin.identity.delete_region(WEST)


class Both(Plane):
    """One Mantle for both regions."""

    entry = f"real-demo@RegionOne,real-demo@{WEST}"
    at = "real-demo@RegionOne"
    more = ("--destinations", "127.0.0.0/8")


class Western(Plane):
    """A Mantle of the second region alone."""

    entry = f"real-demo@{WEST}"
    at = "real-demo"


def asked(west) -> int:
    return sum(west.proxies["network"].happened.values())


@pytest.mark.proves("life cycle: stacks in other regions")
def test_a_stack_is_made_in_the_region_its_template_names(west, tmp_path):
    """Near: the same Mantle has the region. Far: the Mantle of the region's catalog makes it."""
    with openstack_lab.two_projects() as lab, ExitStack() as ends:
        project = west.admin.identity.get_project(lab.mine).name
        planes = []
        for kind in (Both, Western):
            folder = tmp_path / kind.__name__
            folder.mkdir()
            planes.append(kind(folder, project))
            ends.callback(planes[-1].stop)
        both, western = planes
        both.mantle(f"register --url {western.url} --region {WEST}", cloud="real-admin")

        credentials = openstack_lab.connect("real-demo").config.config["auth"]
        auth = {name: credentials[name] for name in ("auth_url", "username", "password")} | {
            "project_id": lab.mine,
            "user_domain_name": "Default",
        }
        heat = ends.enter_context(Heat(both, lab.mine))
        kept = heat.http.post(
            f"{both.url}/v2/secrets",
            json={
                "name": "west",
                "payload": json.dumps({"auth_type": "v3password", "auth": auth}),
            },
        )
        assert kept.status_code == 201, kept.text
        before = asked(west)
        heat.create(
            {
                "here": {"type": "OS::Heat::Stack", "properties": {"template": NET}},
                "near": {
                    "type": "OS::Heat::Stack",
                    "properties": {"template": NET, "context": {"region_name": WEST}},
                },
                "far": {
                    "type": "OS::Heat::Stack",
                    "properties": {
                        "template": NET,
                        "context": {"region_name": WEST, "credential_secret_id": "west"},
                    },
                },
            }
        )
        assert asked(west) > before
        token = heat.http.headers["X-Auth-Token"]
        there = httpx.get(
            f"{western.url}/heat/v1/{lab.mine}/stacks", headers={"X-Auth-Token": token}
        ).json()["stacks"]
        assert [each["id"] for each in there] == [heat.ids()["far"]]
        near = heat.ask("GET", f"/stacks/{heat.ids()['near']}")["stack"]
        assert near["stack_status"] == "CREATE_COMPLETE"
        networks = list(west.admin.network.networks(project_id=lab.mine))
        assert len(networks) == 3
        unknown = {
            "heat_template_version": "2021-04-16",
            "resources": {
                "s": {
                    "type": "OS::Heat::Stack",
                    "properties": {"template": NET, "context": {"region_name": "nowhere"}},
                }
            },
        }
        answer = heat.http.post("/stacks", json={"stack_name": "t", "template": unknown})
        assert answer.status_code == 400
        assert "nowhere" in answer.json()["error"]["message"]
        heat.delete()
        assert list(west.admin.network.networks(project_id=lab.mine)) == []
