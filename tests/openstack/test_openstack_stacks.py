"""Templates end to end on a real OpenStack: Keystone tokens, the stock client, `mantle up`.

After each story the project is empty again, proved by listing every service.
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import ROOT, Plane

pytestmark = pytest.mark.openstack


@pytest.fixture(scope="module")
def lab() -> Iterator[openstack_lab.Lab]:
    with openstack_lab.two_projects() as lab:
        openstack_lab.furnish()
        yield lab


@pytest.fixture(scope="module")
def plane(lab, tmp_path_factory) -> Iterator[Plane]:
    project = openstack_lab.connect().identity.get_project(lab.mine).name
    plane = Plane(tmp_path_factory.mktemp("plane"), project)
    try:
        plane.mantle(f"register --url {plane.url}", cloud="real-admin")
        yield plane
    finally:
        plane.stop()


def left(lab) -> list:
    return asyncio.run(openstack_lab.leftovers(lab.mine))


def test_the_example_runs_with_the_stock_client(plane, lab):
    """Created, read, updated in place, checked, deleted; nothing is left."""
    template = ROOT / "examples/01-hello-server/hello.yaml"
    plane.openstack(f"stack create hello -t {template} --wait")
    shown = plane.shown("hello")
    assert shown["stack_status"] == "CREATE_COMPLETE"
    (url,) = [each["output_value"] for each in shown["outputs"] if each["output_key"] == "url"]
    assert url.startswith("http://10.1.0.")
    kinds = sorted(kind for kind, _, _ in left(lab))
    assert kinds == ["networks", "servers", "subnets"]
    plane.openstack("stack check hello --wait")
    assert plane.shown("hello")["stack_status"] == "CHECK_COMPLETE"
    plane.openstack("stack delete hello --yes --wait")
    assert left(lab) == []


def test_the_load_balanced_web_runs_unchanged(plane, lab):
    """The template of `make demo`: created, grown, shrunk, deleted."""
    template = ROOT / "examples/02-load-balanced-web/web.yaml"
    plane.openstack(f"stack create web -t {template} --parameter members=2 --wait")
    assert plane.shown("web")["stack_status"] == "CREATE_COMPLETE"
    counts = [kind for kind, _, _ in left(lab)]
    assert (counts.count("servers"), counts.count("members")) == (2, 2)
    plane.openstack("stack update web --existing --parameter members=3 --wait")
    counts = [kind for kind, _, _ in left(lab)]
    assert (counts.count("servers"), counts.count("members")) == (3, 3)
    plane.openstack("stack update web --existing --parameter members=1 --wait")
    counts = [kind for kind, _, _ in left(lab)]
    assert (counts.count("servers"), counts.count("members")) == (1, 1)
    plane.openstack("stack delete web --yes --wait")
    assert left(lab) == []
