"""Replacements where only one of the two can exist, on the simulated cloud."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.update import UpdateRequest, update_stack

HEAD = "heat_template_version: 2018-08-31\nresources:\n"

PORT = """
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  port:
    type: OS::Neutron::Port
    %s
    properties:
      network: {get_resource: net}
      fixed_ips: [{subnet: {get_resource: subnet}, ip_address: 10.1.0.9}]
      %s
  web:
    type: OS::Nova::Server
    properties: {flavor: m1.tiny, image: cirros, networks: [{port: {get_resource: port}}]}
"""

KEY = "  key: {type: OS::Nova::KeyPair, properties: {name: k, public_key: ssh-ed25519 %s}}\n"


async def made(control, resources):
    source = TemplateSource(template=HEAD + resources)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source))
    await quiet(control)


async def updated(control, resources, **options):
    stack = await find_stack(control, CALLER.project_id, "s")
    request = UpdateRequest(template=HEAD + resources, **options)
    await update_stack(control, CALLER, stack, request)
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


async def ids(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    views = await list_resources(control, stack, 0)
    return {view.record.name: view.record.physical_id for view in views}


MAC = "mac_address: 'fa:16:3e:00:00:%s'"


@pytest.mark.proves("life cycle: replacement order")
def test_a_port_with_the_same_address_is_replaced():
    """Its type knows that the address can be had once: no template has to say so."""
    plant = Plant()

    async def story(control):
        await made(control, PORT % ("", MAC % "01"))
        before = await ids(control)
        stack = await updated(control, PORT % ("", MAC % "02"))
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        after = await ids(control)
        assert after["port"] != before["port"]
        assert after["subnet"] == before["subnet"]

    assert plant.life(story)
    assert plant.problems(plant.stack("s")) == []


def test_asked_to_make_the_new_one_first_it_fails_and_says_why():
    """The template's word goes before the type's."""
    plant = Plant()

    async def story(control):
        first = "metadata: {'mantle:replace': create_first}"
        await made(control, PORT % (first, MAC % "01"))
        stack = await updated(control, PORT % (first, MAC % "02"))
        assert stack.state == "UPDATE_FAILED"
        assert "10.1.0.9 is in use" in stack.reason

    assert plant.life(story)


def test_a_key_pair_gets_another_key_under_its_name():
    """Its name is its id."""
    plant = Plant()

    async def story(control):
        await made(control, KEY % "AAAA")
        stack = await updated(control, KEY % "BBBB")
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        pairs = await control.cloud_named("simulated").session(CALLER.project_id).key_pairs.list()
        assert [(each.id, each.public_key) for each in pairs] == [("k", "ssh-ed25519 BBBB")]

    assert plant.life(story)
    assert plant.problems(plant.stack("s")) == []


def test_a_failed_update_rolls_back_to_an_object_made_anew():
    """The price of deleting first: what is gone has to be made again, and is."""
    plant = Plant()

    async def story(control):
        await made(control, KEY % "AAAA")
        bad = "  bad: {type: OS::Heat::TestResource, depends_on: key, properties: {fail: true}}\n"
        stack = await updated(control, KEY % "BBBB" + bad, disable_rollback=False)
        assert stack.state == "ROLLBACK_COMPLETE", stack.reason
        pairs = await control.cloud_named("simulated").session(CALLER.project_id).key_pairs.list()
        assert [each.public_key for each in pairs] == ["ssh-ed25519 AAAA"]

    assert plant.life(story)
    assert plant.problems(plant.stack("s")) == []


def test_a_power_cut_in_the_midst_doubles_and_loses_nothing():
    """At every third moment of a replacement that deletes first, and at the last ones."""

    async def begin(control):
        await made(control, KEY % "AAAA")

    async def change(control):
        stack = await find_stack(control, CALLER.project_id, "s")
        if stack.updated_at is None:
            request = UpdateRequest(template=HEAD + KEY % "BBBB")
            await update_stack(control, CALLER, stack, request)

    def cut(point):
        plant = Plant()
        assert plant.life(begin)
        plant.armed, plant.cut_at = True, point
        finished = plant.life(change)
        if point is None:
            return len(plant.moments)
        plant.armed = False
        assert finished or plant.life(change)
        stack = plant.stack("s")
        found = plant.problems(stack)
        return found if stack.state == "UPDATE_COMPLETE" else [*found, stack.reason]

    total = cut(None)
    for point in sorted({*range(0, total, 3), total - 2, total - 1}):
        assert cut(point) == [], f"cut at {point}"
