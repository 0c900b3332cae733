"""Snapshots, and stacks that leave their objects or take them over."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import Conflict, LimitExceeded, MantleError, NotFound, NotSupported
from mantle.model.graph import TemplateSource
from mantle.stacks.adopt import AdoptRequest, abandon_stack, adopt_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.export import export_stack
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.snapshots import (
    delete_snapshot,
    list_snapshots,
    restore_snapshot,
    take_snapshot,
)
from mantle.stacks.update import UpdateRequest, preview_update, update_stack

TEMPLATE = """
heat_template_version: 2018-08-31
parameters:
  size: {type: number, default: 6}
resources:
  secret: {type: OS::Heat::RandomString, properties: {length: {get_param: size}}}
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  server:
    type: OS::Nova::Server
    depends_on: subnet
    properties:
      flavor: m1.small
      image: cirros
      networks: [{network: {get_resource: net}}]
      metadata: {secret: {get_attr: [secret, value]}}
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def: {type: OS::Neutron::Net, properties: {name: member-%index%}}
outputs:
  secret: {value: {get_attr: [secret, value]}}
"""
CHANGED = TEMPLATE.replace("name: inner", "name: renamed").replace("count: 2", "count: 3")


async def made(control, template=TEMPLATE, name="s"):
    request = CreateRequest(name=name, source=TemplateSource(template=template))
    await create_stack(control, CALLER, request)
    stack = await settled(control, name)
    assert stack.state == "CREATE_COMPLETE", stack.reason
    return stack


async def settled(control, name="s"):
    await quiet(control)
    return await find_stack(control, CALLER.project_id, name)


def adoption(document, name="s", **settings):
    source = TemplateSource(template=document["template"])
    return AdoptRequest(
        create=CreateRequest(name=name, source=source, **settings), document=document
    )


async def objects(control, stack):
    """What is on the cloud, by kind."""
    session = control.machine.session(stack)
    return {
        "networks": sorted(net.id for net in await session.networks.list() if net.name != "public"),
        "servers": sorted(server.id for server in await session.servers.list()),
    }


def told(story):
    plant = Plant()
    assert plant.life(story)
    return plant


@pytest.mark.proves("life cycle: abandon and adopt")
def test_what_one_stack_leaves_another_takes_over_unchanged():
    """Nothing on the cloud is touched; the next update of the same template changes nothing."""

    async def story(control):
        stack = await made(control)
        before = await objects(control, stack)
        document = await abandon_stack(control, CALLER, stack)
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")
        assert await objects(control, stack) == before
        await adopt_stack(control, CALLER, adoption(document, "other"))
        adopted = await settled(control, "other")
        assert (adopted.state, adopted.outputs) == ("ADOPT_COMPLETE", stack.outputs)
        states = {v.record.name: v.record.state for v in await list_resources(control, adopted, 1)}
        assert set(states.values()) == {"ADOPT_COMPLETE"}
        assert await objects(control, stack) == before
        same = UpdateRequest(template=TEMPLATE)
        plan = (await preview_update(control, CALLER, adopted, same)).plan
        assert [(step.kind, step.resource, step.reason) for step in plan.steps] == []
        await delete_stack(control, CALLER, adopted)
        await quiet(control)
        assert await objects(control, stack) == {"networks": [], "servers": []}

    told(story)


def test_an_object_belongs_to_one_stack():
    """A document of a stack that still lives is refused, and so is a second adoption."""

    async def story(control):
        stack = await made(control)
        document = await export_stack(control, stack)
        with pytest.raises(Conflict, match="belongs to resource"):
            await adopt_stack(control, CALLER, adoption(document, "other"))
        await abandon_stack(control, CALLER, stack)
        await adopt_stack(control, CALLER, adoption(document, "other"))
        await quiet(control)
        with pytest.raises(Conflict, match="belongs to resource"):
            await adopt_stack(control, CALLER, adoption(document, "third"))

    told(story)


def test_an_object_is_one_resource_of_one_stack():
    """Neither twice in one document, nor in two adoptions that follow each other at once."""
    single = "heat_template_version: 2018-08-31\nresources:\n  a: {type: OS::Neutron::Net}\n"

    async def story(control):
        document = await abandon_stack(control, CALLER, await made(control, single))
        net = {"type": "OS::Neutron::Net"}
        template = {"heat_template_version": "2018-08-31", "resources": {"a": net, "b": net}}
        twice = {"a": document["resources"]["a"], "b": document["resources"]["a"]}
        doubled = document | {"template": template, "resources": twice}
        with pytest.raises(MantleError, match="stands twice"):
            await adopt_stack(control, CALLER, adoption(doubled, "twice"))
        await adopt_stack(control, CALLER, adoption(document, "first"))
        with pytest.raises(Conflict, match="belongs to resource"):
            await adopt_stack(control, CALLER, adoption(document, "second"))
        await quiet(control)

    told(story)


@pytest.mark.proves("life cycle: PATCH")
def test_a_patch_drops_parameters_that_the_new_template_has_not():
    """Those it has are kept; one that is given anew and unknown is refused."""
    two = (
        "heat_template_version: 2018-08-31\nparameters:\n  old: {type: string, default: d}\n"
        "  keep: {type: string, default: k}\nresources:\n"
        "  a: {type: OS::Heat::Value, properties: {value: {get_param: keep}}}\n"
    )
    one = two.replace("  old: {type: string, default: d}\n", "")

    async def story(control):
        source = TemplateSource(template=two, parameters={"old": "1", "keep": "2"})
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        stack = await settled(control)
        patch = UpdateRequest(template=one, existing=True)
        assert (await preview_update(control, CALLER, stack, patch)).plan.is_empty
        wrong = UpdateRequest(template=one, existing=True, parameters={"old": "3"})
        with pytest.raises(MantleError, match="old"):
            await preview_update(control, CALLER, stack, wrong)

    told(story)


def test_what_is_gone_cannot_be_taken_over_and_deleting_touches_nothing():
    """The adoption fails by name; the stack of a failed adoption owns only what it took."""

    async def story(control):
        stack = await made(control)
        document = await abandon_stack(control, CALLER, stack)
        document["resources"]["server"]["resource_id"] = "nowhere"
        await adopt_stack(control, CALLER, adoption(document))
        failed = await settled(control)
        assert failed.state == "ADOPT_FAILED"
        assert "server" in failed.reason
        before = await objects(control, stack)
        assert len(before["servers"]) == 1
        await delete_stack(control, CALLER, failed)
        await quiet(control)
        assert (await objects(control, stack))["servers"] == before["servers"]

    told(story)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"resources": {}},
        {"template": TEMPLATE, "resources": []},
        {"template": TEMPLATE, "resources": {"net": {"resource_id": 7}}},
        {"template": TEMPLATE, "files": [], "resources": {}},
        {"template": "heat_template_version: 1", "resources": {}},
    ],
)
def test_a_wrong_document_is_refused(document):
    """With a message, before anything is stored."""

    async def story(control):
        request = AdoptRequest(
            create=CreateRequest(name="s", source=TemplateSource(template=TEMPLATE)),
            document=document,
        )
        with pytest.raises(MantleError):
            await adopt_stack(control, CALLER, request)
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")

    told(story)


def test_a_power_cut_during_an_adoption_loses_and_doubles_nothing():
    """At every moment of it: the stack is adopted in the end, with the same objects."""

    async def prepare(control):
        stack = await made(control)
        kept["document"] = await abandon_stack(control, CALLER, stack)
        kept["objects"] = await objects(control, stack)

    async def adopt(control):
        try:
            await find_stack(control, CALLER.project_id, "s")
        except NotFound:
            await adopt_stack(control, CALLER, adoption(kept["document"]))

    async def look(control):
        stack = await settled(control)
        assert stack.state == "ADOPT_COMPLETE", stack.reason
        assert await objects(control, stack) == kept["objects"]

    kept = {}
    whole = Plant()
    assert whole.life(prepare)
    whole.armed = True
    assert whole.life(adopt)
    for moment in range(0, len(whole.moments), 3):
        plant = Plant()
        assert plant.life(prepare)
        plant.armed, plant.cut_at = True, moment
        plant.life(adopt)
        plant.cut_at = None
        assert plant.life(adopt)
        assert plant.life(look)


@pytest.mark.proves("life cycle: snapshot and restore")
def test_a_snapshot_is_returned_to():
    """Template, parameters and files of that time are in force again."""

    async def story(control):
        stack = await made(control)
        snapshot = await take_snapshot(control, CALLER, stack, "before")
        stack = await settled(control)
        assert stack.state == "SNAPSHOT_COMPLETE"
        assert [each.status for each in await list_snapshots(control, stack)] == ["COMPLETE"]
        await update_stack(control, CALLER, stack, UpdateRequest(template=CHANGED))
        stack = await settled(control)
        assert len((await objects(control, stack))["networks"]) == 4
        await restore_snapshot(control, CALLER, stack, snapshot.id)
        stack = await settled(control)
        assert stack.state == "RESTORE_COMPLETE", stack.reason
        assert len((await objects(control, stack))["networks"]) == 3
        same = (await preview_update(control, CALLER, stack, UpdateRequest(template=TEMPLATE))).plan
        assert same.is_empty
        await delete_snapshot(control, stack, snapshot.id)
        assert await list_snapshots(control, stack) == []

    told(story)


def test_snapshots_have_their_rules():
    """None while something runs, none of an unfinished one, no more than the limit."""

    async def story(control):
        request = CreateRequest(name="s", source=TemplateSource(template=TEMPLATE))
        stack, _ = await create_stack(control, CALLER, request)
        with pytest.raises(Conflict):
            await take_snapshot(control, CALLER, stack, None)
        stack = await settled(control)
        first = await take_snapshot(control, CALLER, stack, None)
        with pytest.raises(NotSupported):
            await restore_snapshot(control, CALLER, stack, first.id)
        with pytest.raises(NotSupported):
            await delete_snapshot(control, stack, first.id)
        with pytest.raises(NotFound):
            await restore_snapshot(control, CALLER, stack, "none")
        for _ in range(control.settings.snapshots_per_stack - 1):
            stack = await settled(control)
            await take_snapshot(control, CALLER, stack, None)
        stack = await settled(control)
        with pytest.raises(LimitExceeded):
            await take_snapshot(control, CALLER, stack, None)

    told(story)
