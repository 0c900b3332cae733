"""What is done about drift touches what drifts, and what has to follow, and nothing else."""

import asyncio
import dataclasses
import sys
from pathlib import Path
from typing import ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from power import CALLER, Plant, quiet
from test_scenarios_drift import EVERYTHING, drift, made, rows, settled, told

from mantle.clouds.ports import CloudError, Missing, ObjectStatus, Power, Refused
from mantle.model.drift import GONE, DriftPolicy, DriftQuery, Ending
from mantle.model.errors import Conflict, MantleError
from mantle.model.saved import PlanStatus
from mantle.model.status import Action, Status
from mantle.stacks.applying import ApplyRequest, apply_plan, what_moved
from mantle.stacks.drift import Observer, correct_drift, list_drift, look, set_drift_policy
from mantle.stacks.drift_policies import drop_drift_policy, list_drift_policies
from mantle.stacks.drift_views import project_drift, stack_drift
from mantle.stacks.queries import list_operations, list_resources
from mantle.stacks.saving import SaveRequest, find_saved, save_plan
from mantle.stacks.update import UpdateRequest, preview_update, update_stack
from mantle.stacks.upkeep import Upkeep
from mantle.store import moments

TWO = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  other: {type: OS::Neutron::Net, properties: {name: outer}}
"""
CHAIN = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  port:
    type: OS::Neutron::Port
    properties: {network: {get_resource: net}, fixed_ips: [{subnet: {get_resource: subnet}}]}
  apart: {type: OS::Neutron::Net, properties: {name: apart}}
"""
SERVER = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  server:
    type: OS::Nova::Server
    depends_on: subnet
    properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
"""
GROUP = """
heat_template_version: 2018-08-31
resources:
  members:
    type: OS::Heat::ResourceGroup
    properties:
      count: 3
      resource_def: {type: OS::Neutron::Net, properties: {name: member-%index%}}
  reader:
    type: OS::Heat::Value
    properties: {value: {get_attr: [members, refs]}}
"""

CONVERGE = UpdateRequest(existing=True, converge=True)


async def by_hand(control, stack, resource="net", **changes):
    """Somebody changes a network beside Mantle; its id."""
    session = control.machine.session(stack)
    net = (await rows(control, stack))[resource].physical_id
    spec = (await session.networks.get(net)).spec
    await session.networks.update(net, dataclasses.replace(spec, **(changes or {"name": "x"})))
    return net


async def looked(control, stack):
    await look(control, stack.project_id, stack.cloud)
    return await drift(control, stack)


async def names(control, stack):
    """The networks' names, by resource."""
    session = control.machine.session(stack)
    found = await rows(control, stack)
    nets = [name for name, row in found.items() if row.resolved_type == "OS::Neutron::Net"]
    return {name: (await session.networks.get(found[name].physical_id)).name for name in nets}


async def touched(control, stack):
    """The resources that the last operation wrote."""
    last = (await list_operations(control, stack))[0]
    return {
        name for name, row in (await rows(control, stack)).items() if row.plan_id == last.plan_id
    }


# --- correcting ------------------------------------------------------------------------------


@pytest.mark.proves("beyond: drift is corrected where it is")
def test_a_correction_leaves_what_is_pending_in_a_plan_alone():
    """Half of a plan is applied; correcting drift does not do the other half."""

    async def story(control):
        stack = await made(control, TWO)
        both = TWO.replace("inner", "inner2").replace("outer", "outer2")
        wanted = SaveRequest(action=Action.UPDATE, stack=stack, update=UpdateRequest(template=both))
        plan = await save_plan(control, CALLER, wanted)
        await apply_plan(control, CALLER, plan.id, ApplyRequest(include=("net",)))
        stack = await settled(control)
        await by_hand(control, stack)
        assert await looked(control, stack) == [("net", "name")]
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        assert await names(control, stack) == {"net": "inner2", "other": "outer"}
        assert await touched(control, stack) == {"net"}
        await asyncio.sleep(60)
        assert (await find_saved(control, CALLER.project_id, plan.id)).status is PlanStatus.PARTIAL

    told(story)


@pytest.mark.proves("beyond: drift of what is missing")
def test_what_is_missing_is_made_anew_with_what_needs_it():
    """A network deleted by hand takes its subnet and port along; they come back, others stay."""

    async def story(control):
        stack = await made(control, CHAIN)
        session = control.machine.session(stack)
        before = await rows(control, stack)
        for name, objects in (("port", "ports"), ("subnet", "subnets"), ("net", "networks")):
            await getattr(session, objects).delete(before[name].physical_id)
            await asyncio.sleep(5)
        # The subnet is found gone first: what needs it follows, whether it was seen or not.
        views = [("net", GONE), ("port", GONE), ("subnet", GONE)]
        assert sorted(await looked(control, stack)) == views
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        after = await rows(control, stack)
        same = {name for name in after if after[name].physical_id == before[name].physical_id}
        assert (stack.state, same) == ("UPDATE_COMPLETE", {"apart"})
        assert (await session.ports.get(after["port"].physical_id)).spec.network_id == (
            after["net"].physical_id
        )
        past, _ = await list_drift(control, stack, ended=True)
        assert {each.ending for each in past} == {Ending.CORRECTED}
        assert await looked(control, stack) == []

    plant = told(story)
    assert plant.problems(plant.stack("s")) == []


def test_what_needs_a_lost_object_follows_it_though_it_is_there_itself():
    """A network in error is replaced; its subnet and port are made anew on the new one."""

    async def story(control):
        stack = await made(control, CHAIN)
        before = await rows(control, stack)
        shelf = control.clouds["simulated"].world.shelf(stack.project_id, "networks")
        thing = shelf[before["net"].physical_id]
        thing.object = dataclasses.replace(thing.object, status=ObjectStatus.ERROR)
        thing.fails = True
        assert ("net", "status") in await looked(control, stack)
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        after = await rows(control, stack)
        same = {name for name in after if after[name].physical_id == before[name].physical_id}
        assert (stack.state, same) == ("UPDATE_COMPLETE", {"apart"})

    told(story)


@pytest.mark.parametrize(
    ("resource", "collection"),
    [
        ("attachment", "volume_attachments"),
        ("association", "floating_ip_associations"),
        ("interface", "router_interfaces"),
        ("member", "members"),
        ("monitor", "health_monitors"),
    ],
)
def test_a_connection_that_was_cut_by_hand_is_made_again(resource, collection):
    """Also where its id is that of what it connects, so that the new one has the old one's id."""

    async def story(control):
        stack = await made(control, EVERYTHING)
        objects = getattr(control.machine.session(stack), collection)
        if resource == "interface":
            lent = (await rows(control, stack))["association"].physical_id
            await control.machine.session(stack).floating_ip_associations.delete(lent)
            await asyncio.sleep(5)
        await objects.delete((await rows(control, stack))[resource].physical_id)
        await asyncio.sleep(5)
        found = await looked(control, stack)
        assert (resource, GONE) in found
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        await asyncio.sleep(30)
        there = (await rows(control, stack))[resource].physical_id
        assert (await objects.get(there)).status is ObjectStatus.ACTIVE
        assert await looked(control, stack) == []

    told(story)


@pytest.mark.parametrize("power", [Power.OFF, Power.SUSPEND])
def test_a_server_that_was_stopped_is_started_again(power):
    async def story(control):
        stack = await made(control, SERVER)
        servers = control.machine.session(stack).servers
        server = (await rows(control, stack))["server"].physical_id
        await servers.power(server, power)
        assert await looked(control, stack) == [("server", "status")]
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        assert (await servers.get(server)).status is ObjectStatus.ACTIVE
        assert (await rows(control, stack))["server"].physical_id == server
        assert await looked(control, stack) == []

    told(story)


def test_a_server_that_was_resized_gets_its_flavor_back():
    async def story(control):
        stack = await made(control, SERVER)
        servers = control.machine.session(stack).servers
        server = (await rows(control, stack))["server"].physical_id
        spec = (await servers.get(server)).spec
        await servers.update(server, dataclasses.replace(spec, flavor="m1.large"))
        assert await looked(control, stack) == [("server", "flavor")]
        await correct_drift(control, CALLER, stack)
        await settled(control)
        assert (await servers.get(server)).spec.flavor == "m1.small"

    told(story)


def test_only_one_resource_is_corrected_when_one_is_named():
    async def story(control):
        stack = await made(control, TWO)
        await by_hand(control, stack)
        await by_hand(control, stack, "other")
        await looked(control, stack)
        await correct_drift(control, CALLER, stack, resource="other")
        stack = await settled(control)
        assert await names(control, stack) == {"net": "x", "other": "outer"}
        assert await drift(control, stack) == [("net", "name")]
        assert await correct_drift(control, CALLER, stack, resource="nothing") is None

    told(story)


def test_a_missing_member_of_a_group_is_made_anew_and_its_readers_follow():
    """The correction begins at the root; what reads the group's members sees the new one."""

    async def story(control):
        stack = await made(control, GROUP)
        session = control.machine.session(stack)
        before = (await rows(control, stack))["1"].physical_id
        await session.networks.delete(before)
        await asyncio.sleep(5)
        assert await looked(control, stack) == [("1", GONE)]
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        found = await rows(control, stack)
        assert found["reader"].attributes["value"][1] == found["1"].physical_id != before
        assert (await list_drift(control, stack, ended=True))[0][0].ending is Ending.CORRECTED

    told(story)


def test_a_correction_that_fails_leaves_the_drift_told_and_is_tried_again():
    """The stack says that it failed; the next correction is still only of what drifts."""

    async def story(control):
        stack = await made(control, TWO)
        await by_hand(control, stack)
        await looked(control, stack)

        def refuse(moment, call):
            if call == "networks.update":
                raise Refused("not today")

        faults = control.clouds["simulated"].faults
        faults.hook = refuse
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        assert (stack.state, await drift(control, stack)) == ("UPDATE_FAILED", [("net", "name")])
        faults.hook = None
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        assert (stack.state, await touched(control, stack)) == ("UPDATE_COMPLETE", {"net"})
        assert await drift(control, stack) == []

    told(story)


def test_a_stack_that_failed_otherwise_is_brought_to_its_template_whole():
    """A correction of a part could not say that the rest is well."""

    async def story(control):
        stack = await made(control, TWO)

        def refuse(moment, call):
            if call == "networks.update":
                raise Refused("not today")

        faults = control.clouds["simulated"].faults
        faults.hook = refuse
        await update_stack(
            control, CALLER, stack, UpdateRequest(template=TWO.replace("outer", "outer2"))
        )
        stack = await settled(control)
        assert stack.state == "UPDATE_FAILED"
        faults.hook = None
        await by_hand(control, stack)
        await looked(control, stack)
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        assert await names(control, stack) == {"net": "inner", "other": "outer2"}
        assert stack.state == "UPDATE_COMPLETE"

    told(story)


def test_a_failed_stack_is_left_to_somebody_and_stays_failed_until_all_is_well():
    """The observer does not correct it; a correction of the whole that fails is whole again."""

    async def story(control):
        stack = await made(control, TWO)

        def refuse(moment, call):
            if call == "networks.update":
                raise Refused("not today")

        faults = control.clouds["simulated"].faults
        faults.hook = refuse
        changed = UpdateRequest(template=TWO.replace("outer", "outer2"))
        await update_stack(control, CALLER, stack, changed)
        stack = await settled(control)
        faults.hook = None
        await set_drift_policy(control, stack, DriftPolicy.CORRECT)
        await by_hand(control, stack)
        await looked(control, stack)
        ((view,), _) = await stack_drift(control, await settled(control))
        assert "somebody has to look at that first" in view.finding.note
        faults.hook = refuse
        await correct_drift(control, CALLER, stack)
        assert (await settled(control)).state == "UPDATE_FAILED"
        faults.hook = None
        await correct_drift(control, CALLER, stack)
        assert (await settled(control)).state == "UPDATE_COMPLETE"
        assert await names(control, stack) == {"net": "inner", "other": "outer2"}

    told(story)


def test_nothing_is_corrected_while_an_operation_is_under_way():
    async def story(control):
        stack = await made(control, TWO)
        await by_hand(control, stack)
        await looked(control, stack)
        await update_stack(
            control, CALLER, stack, UpdateRequest(template=TWO.replace("outer", "outer2"))
        )
        with pytest.raises(Conflict):
            await correct_drift(control, CALLER, stack)
        # An update that converges overtakes instead (see test_scenarios_converge_busy).

    told(story)


def test_a_correction_inside_a_group_survives_every_cut():
    """Killed at any moment: it goes on by itself, and nothing is doubled or lost."""
    cut = 0
    while True:
        plant = Plant()

        async def prepare(control):
            stack = await made(control, GROUP)
            member = (await rows(control, stack))["1"].physical_id
            await control.machine.session(stack).networks.delete(member)
            await asyncio.sleep(5)
            await by_hand(control, stack, "2")
            await looked(control, stack)

        assert plant.life(prepare)
        plant.armed, plant.cut_at, plant.moments = True, cut, []

        async def correct(control):
            await correct_drift(control, CALLER, await settled(control))
            await quiet(control)

        whole = plant.life(correct)
        plant.armed = False

        async def after(control, cut=cut):
            stack = await settled(control)
            await correct_drift(control, CALLER, stack)
            stack = await settled(control)
            await looked(control, stack)
            left = await drift(control, stack)
            found = sorted((await names(control, stack)).values())
            assert (stack.status, left) == (Status.COMPLETE, []), (cut, stack.state)
            assert found == ["member-0", "member-1", "member-2"], cut

        assert plant.life(after)
        assert plant.problems(plant.stack("s")) == [], cut
        if whole:
            break
        cut += 3


# --- policies --------------------------------------------------------------------------------


@pytest.mark.proves("beyond: drift policies")
def test_the_nearest_word_decides():
    """By hand for the resource, its metadata, by hand for the stack, the stack above, alert."""
    template = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, metadata: {"mantle:drift": ignore}}
  other: {type: OS::Neutron::Net, metadata: {"mantle:drift": nonsense}}
  members:
    type: OS::Heat::ResourceGroup
    metadata: {"mantle:drift": correct}
    properties: {count: 1, resource_def: {type: OS::Neutron::Net}}
"""

    async def story(control):
        stack = await made(control, template)
        views = await list_resources(control, stack)
        child = next(view.nested_stack for view in views if view.nested_stack)

        async def said(of):
            found = await list_drift_policies(control, of)
            return {each.resource: (str(each.policy), each.source) for each in found}

        assert await said(stack) == {
            "": ("alert", "default"),
            "members": ("correct", "template"),
            "net": ("ignore", "template"),
        }
        assert await said(child) == {"": ("correct", "parent's template")}
        await set_drift_policy(control, stack, DriftPolicy.ACCEPT)
        await set_drift_policy(control, stack, DriftPolicy.ALERT, "net")
        assert await said(stack) == {
            "": ("accept", "stack"),
            "members": ("correct", "template"),
            "net": ("alert", "resource"),
        }
        await drop_drift_policy(control, stack, "net")
        assert (await said(stack))["net"] == ("ignore", "template")

    told(story)


def test_a_template_asks_for_the_correction_of_one_resource():
    """By the observer alone; what inner stacks inherit counts as well."""
    template = TWO.replace("name: inner}", 'name: inner}, metadata: {"mantle:drift": correct}')

    async def story(control):
        stack = await made(control, template)
        await by_hand(control, stack)
        await by_hand(control, stack, "other")
        await asyncio.sleep(2 * control.settings.drift_seconds)
        await quiet(control)
        assert await names(control, stack) == {"net": "inner", "other": "x"}

    told(story)


def test_a_correction_that_is_refused_says_why_on_the_finding():
    """The observer cannot ask anybody; whoever looks finds the reason."""
    template = TWO.replace("outer}", "outer}, metadata: {'mantle:drift': correct}")
    environment = {
        "resource_registry": {"resources": {"other": {"restricted_actions": "update"}}},
    }

    async def story(control):
        stack = await made(control, template)
        with_rule = UpdateRequest(template=template, environment=environment)
        await update_stack(control, CALLER, stack, with_rule)
        stack = await settled(control)
        await by_hand(control, stack, "other")
        await looked(control, stack)
        ((view,), _) = await stack_drift(control, stack)
        assert "restricted" in view.finding.note
        assert (await settled(control)).state == "UPDATE_COMPLETE"

    told(story)


# --- converge and refresh --------------------------------------------------------------------


@pytest.mark.proves("beyond: drift and converge")
def test_an_update_that_converges_looks_first_and_brings_back_what_was():
    """Also what is missing, also inside; without it the same update has nothing to do."""

    async def story(control):
        stack = await made(
            control, GROUP + "  net: {type: OS::Neutron::Net, properties: {name: inner}}\n"
        )
        session = control.machine.session(stack)
        await by_hand(control, stack)
        await session.networks.delete((await rows(control, stack))["1"].physical_id)
        await asyncio.sleep(5)
        same = UpdateRequest(existing=True)
        assert (await preview_update(control, CALLER, stack, same)).plan.is_empty
        converge = dataclasses.replace(same, converge=True)
        shown = (await preview_update(control, CALLER, stack, converge)).plan
        steps = {step.resource: [change.path for change in step.changes] for step in shown.steps}
        assert steps["net"] == ["@drift.name"]
        assert steps.keys() >= {"net", "members"}
        await update_stack(control, CALLER, stack, converge)
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE"
        assert sorted((await names(control, stack)).values()) == [
            "inner",
            *(f"member-{number}" for number in range(3)),
        ]
        assert await looked(control, stack) == []

    told(story)


def test_converging_is_refused_when_it_cannot_look():
    """503 of one list call: nothing is begun."""

    async def story(control):
        stack = await made(control, TWO)

        def down(moment, call):
            if call == "networks.list":
                raise CloudError("503")

        control.clouds["simulated"].faults.hook = down
        with pytest.raises(MantleError) as refused:
            await update_stack(control, CALLER, stack, CONVERGE)
        assert refused.value.fault == "ServiceUnavailable"
        assert (await settled(control)).state == "CREATE_COMPLETE"

    told(story)


@pytest.mark.proves("beyond: drift in a binding plan")
def test_a_plan_made_with_a_look_binds_to_what_was_seen():
    """What drifts differently when it is applied is refused; what is as it was seen is done."""

    async def story(control):
        stack = await made(control, TWO)
        await by_hand(control, stack)
        update = UpdateRequest(existing=True, converge=True)
        wanted = SaveRequest(action=Action.UPDATE, stack=stack, update=update)
        plan = await save_plan(control, CALLER, wanted)
        assert [step.resource for step in plan.plan.steps] == ["net"]
        await by_hand(control, stack, name="y")
        with pytest.raises(Conflict, match="net: @drift"):
            await apply_plan(control, CALLER, plan.id, ApplyRequest())
        await by_hand(control, stack, name="x")
        await looked(control, stack)
        assert await what_moved(control, CALLER, plan.id) == []
        await by_hand(control, stack, "other")
        await apply_plan(control, CALLER, plan.id, ApplyRequest())
        stack = await settled(control)
        assert await names(control, stack) == {"net": "inner", "other": "x"}
        assert await drift(control, stack) == [("other", "name")]

    told(story)


# --- lists, leases, retention ----------------------------------------------------------------


@pytest.mark.proves("beyond: drift of a project")
def test_a_project_is_listed_in_pages_with_filters():
    """The newest first; counts are of all that the filters let pass, by root stack."""

    async def story(control):
        stack = await made(control, GROUP + TWO[TWO.index("  net") :])
        for name in ("0", "1", "2", "net", "other"):
            await by_hand(control, stack, name)
        await looked(control, stack)
        found, query = [], DriftQuery(limit=2)
        while (page := await project_drift(control, stack.project_id, query)).views:
            found += [(view.within, view.finding.difference.resource) for view in page.views]
            assert page.counts == {stack.id: 5}
            query = dataclasses.replace(query, after=page.views[-1].finding.sequence)
        assert sorted(found) == [
            ("", "net"),
            ("", "other"),
            ("members", "0"),
            ("members", "1"),
            ("members", "2"),
        ]

        async def count(**filters):
            page = await project_drift(control, stack.project_id, DriftQuery(**filters))
            return sum(page.counts.values())

        assert await count(resource="net") == 1
        assert await count(resource_types=("OS::Nova::Server",)) == 0
        assert await count(paths=(GONE,)) == 0
        assert await count(ended=True) == 0
        assert await count(since=control.clock.now() + 1) == 0
        assert sum((await project_drift(control, "p2", DriftQuery())).counts.values()) == 0

    told(story)


def test_the_lease_says_nothing_of_what_was_seen():
    """An engine that took its turn and died leaves knowledge as old as it is."""

    async def story(control):
        stack = await made(control, TWO)
        observer = Observer(control)
        write = control.database.write
        assert await write(observer._due, stack.project_id, stack.cloud)
        assert not await write(observer._due, stack.project_id, stack.cloud)
        assert (await list_drift(control, stack))[1].looked_at is None

    told(story)


def test_of_engines_with_clocks_apart_the_servers_clock_decides():
    """PostgreSQL is asked for its time; an SQLite file is of one machine, whose clock it is."""

    class Dialect:
        def __init__(self, name):
            self.name = name

    class Server:
        dialect = Dialect("postgresql")

        def scalar(self, query):
            assert "clock_timestamp()" in str(query)
            return 1_900_000_000.5

    class File:
        dialect = Dialect("sqlite")
        info: ClassVar[dict[str, float]] = {}

    assert moments.database_time(Server(), 5.0) == 1_900_000_000.5
    assert moments.database_time(File(), 5.0) == 5.0


@pytest.mark.proves("beyond: drift history is bounded")
def test_findings_are_forgotten_when_they_are_long_over():
    """What drifts still is kept, whatever its age."""

    async def story(control):
        stack = await made(control, TWO)
        await by_hand(control, stack)
        await by_hand(control, stack, "other")
        await looked(control, stack)
        await by_hand(control, stack, name="inner")
        await looked(control, stack)
        later = control.clock.now() + control.settings.drift_history_seconds + 1
        await Upkeep(control).forget(later)
        past, _ = await list_drift(control, stack, ended=True)
        assert [each.difference.resource for each in past] == ["other"]

    told(story)


def test_a_missing_object_is_shown_as_gone_once_and_not_by_its_values():
    async def story(control):
        stack = await made(control, TWO)
        net = await by_hand(control, stack)
        await looked(control, stack)
        await control.machine.session(stack).networks.delete(net)
        await asyncio.sleep(5)
        assert await looked(control, stack) == [("net", GONE)]
        with pytest.raises(Missing):
            await control.machine.session(stack).networks.get(net)

    told(story)
