"""Types that need more of a service than the lab offers, on a second process of it."""

import asyncio
import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import Heat, Plane
from openstack_shapes import NET, changed, ref, typed
from openstack_variant import variant

from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.model.ids import ProjectId

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(400),
    pytest.mark.proves("life cycle: types that are plain objects or settings"),
]


@contextmanager
def standing(folder: Path, **overrides: str) -> Iterator[tuple[Heat, openstack_lab.Lab]]:
    """Mantle before these services, in a project whose user is an administrator."""
    with openstack_lab.two_projects() as lab:
        openstack_lab.let_in("demo", "admin", lab.mine)
        project = openstack_lab.connect().identity.get_project(lab.mine).name
        plane = Plane(folder, project, overrides)
        try:
            with Heat(plane, lab.mine) as heat:
                yield heat, lab
        finally:
            plane.stop()


def named_so(lab: openstack_lab.Lab, kind: str, **entry: str) -> list[str]:
    """Names of the plain objects of a kind that bear a mark of Mantle's."""

    async def look() -> list[str]:
        cloud = OpenStackCloud(Entry(name="real-demo", file=openstack_lab.clouds_file()))
        objects = await cloud.session(ProjectId(lab.mine)).plain(kind).list()
        await cloud.stop()
        return [each.name for each in objects if each.token]

    return asyncio.run(look())


def test_segments_and_metering_on_a_neutron_that_has_them(tmp_path):
    """Made, changed in place or replaced as the types say, found in order, and gone."""
    plugins = {"DEFAULT": {"service_plugins": "{},segments,metering"}}
    before = {
        **NET,
        "second": typed(
            "Neutron::Segment",
            network=ref("net"),
            network_type="vlan",
            physical_network="public",
            segmentation_id=150,
            name="two",
        ),
        "label": typed("Neutron::MeteringLabel", name="l", description="all"),
        "rule": typed(
            "Neutron::MeteringRule",
            metering_label_id=ref("label"),
            remote_ip_prefix="10.8.0.0/24",
            direction="egress",
        ),
    }
    after = changed(
        before,
        second={"name": "renamed", "description": "changed"},
        rule={"remote_ip_prefix": "10.9.0.0/24"},
    )
    with (
        variant("neutron", plugins) as url,
        standing(tmp_path, network_endpoint_override=f"{url}/v2.0") as (heat, lab),
    ):
        heat.create(before)
        try:
            first = heat.ids()
            heat.act("check")
            heat.update(after)
            second = heat.ids()
            kept = {name for name in before if second[name] == first[name]}
            assert kept == {"net", "subnet", "second", "label"}
            shown = heat.ask("GET", f"/stacks/s/{heat.stack()['id']}/resources/second")
            assert shown["resource"]["attributes"]["show"]["description"] == "changed"
            heat.act("check")
        finally:
            heat.delete()
        assert asyncio.run(openstack_lab.leftovers(lab.mine)) == []


class Files(BaseHTTPRequestHandler):
    """One file that is there, and others that are not."""

    def do_GET(self) -> None:
        content = b"a system" * 1000
        self.send_response(200 if self.path == "/there" else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 # the library calls it so

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def files() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.1), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def image(url: str, **properties: object) -> dict:
    return {
        "image": typed(
            "Glance::WebImage",
            name="fetched",
            disk_format="raw",
            container_format="bare",
            location=url,
            **properties,
        )
    }


def test_an_image_that_glance_fetches_itself(tmp_path):
    """Fetched and active, changed in place, shared, and gone; what is not there is told."""
    with files() as url:
        own = {"allowed_hosts": "[127.0.0.1]", "allowed_ports": f"[{url.rpartition(':')[2]}]"}
        with (
            variant("glance", {"import_filtering_opts": own}) as glance,
            standing(tmp_path, image_endpoint_override=glance) as (heat, lab),
        ):
            heat.create(image(f"{url}/there", tags=["one"], visibility="shared"))
            first = heat.ids()
            heat.act("check")
            share = {"tags": ["two"], "visibility": "shared", "members": [lab.theirs]}
            heat.update(image(f"{url}/there", os_distro="debian", min_disk=0, **share))
            assert heat.ids() == first
            found = openstack_lab.connect().image.get_image(first["image"])
            assert (found.status, found.tags, found.os_distro) == ("active", ["two"], "debian")
            members = openstack_lab.connect().image.members(first["image"])
            assert [each.member_id for each in members] == [lab.theirs]
            heat.act("check")
            heat.delete()
            with pytest.raises(AssertionError) as caught:
                heat.create(image(f"{url}/not-there"))
            assert "import" in str(caught.value)
            heat.delete()
            assert named_so(lab, "images") == []
