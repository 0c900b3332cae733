"""Resources change their stack or their name: one transaction, and nothing on the cloud moves."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.drift import DriftPolicy
from mantle.model.errors import Conflict, Invalid, MantleError, NotFound, NotSupported
from mantle.model.graph import TemplateSource
from mantle.model.moves import MoveKind, MoveRequest, MoveStatus
from mantle.stacks.actions import suspend_stack
from mantle.stacks.adopt import AdoptRequest, abandon_stack, adopt_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.drift import list_drift, look, set_drift_policy
from mantle.stacks.guards import protect_stack, set_ttl, show_guard
from mantle.stacks.move_draft import drafted
from mantle.stacks.move_rows import store_move
from mantle.stacks.moving import apply_move, find_move, list_moves, plan_move
from mantle.stacks.queries import find_stack, list_resources, stack_source
from mantle.stacks.snapshots import take_snapshot
from mantle.stacks.unmanaged import unmanaged
from mantle.stacks.update import UpdateRequest, preview_update, update_stack
from mantle.store import resources as resource_rows
from mantle.template.load import parse

HEAD = "heat_template_version: 2018-08-31\n"
WEB = (
    HEAD
    + """
parameters:
  flavor: {type: string, default: m1.small}
  pin: {type: string, hidden: true}
conditions:
  large: {equals: [{get_param: flavor}, m1.large]}
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  secret: {type: OS::Heat::RandomString, properties: {length: 8}}
  volume: {type: OS::Cinder::Volume, properties: {size: {if: [large, 20, 2]}}}
  server:
    type: OS::Nova::Server
    depends_on: [subnet, volume]
    properties:
      flavor: {get_param: flavor}
      image: cirros
      networks: [{network: {get_resource: net}}]
      metadata:
        secret: {get_attr: [secret, value]}
        pin: {get_param: pin}
        stack: {get_param: OS::stack_name}
outputs:
  address: {value: {get_attr: [server, first_address]}}
  volume: {value: {get_resource: volume}}
"""
)
OTHER = HEAD + "resources:\n  other: {type: OS::Neutron::Net, properties: {name: other}}\n"


def told(story, plant=None):
    plant = plant or Plant()
    assert plant.life(story)
    return plant


async def made(control, template=WEB, name="web", parameters=None, **options):
    given = {"pin": "1234"} if parameters is None and template is WEB else parameters or {}
    source = TemplateSource(template=template, parameters=given)
    await create_stack(control, CALLER, CreateRequest(name=name, source=source, **options))
    return await settled(control, name)


async def settled(control, name):
    await quiet(control)
    stack = await find_stack(control, CALLER.project_id, name)
    assert stack.state.endswith("_COMPLETE"), stack.reason
    return stack


def request(kind, source, names=(), target=None, name=""):
    pairs = names if isinstance(names, dict) else {each: each for each in names}
    return MoveRequest(
        kind=kind,
        source_id=source.id,
        names=pairs,
        target_id=target.id if target is not None else None,
        name=name,
    )


async def moved(control, kind, source, names=(), target=None, name=""):
    saved = await plan_move(control, CALLER, request(kind, source, names, target, name))
    return await apply_move(control, CALLER, saved.id)


async def steps(control, name):
    """What an update with the stack's own template would do."""
    stack = await find_stack(control, CALLER.project_id, name)
    plan = (await preview_update(control, CALLER, stack, UpdateRequest(existing=True))).plan
    return [(str(step.key), step.reason) for step in plan.steps]


async def names(control, name):
    stack = await find_stack(control, CALLER.project_id, name)
    return sorted(view.record.name for view in await list_resources(control, stack))


async def on_the_cloud(control):
    """Everything the project has there, as it is."""
    session = control.cloud.session(CALLER.project_id)
    found = {}
    for kind in ("networks", "subnets", "servers", "volumes", "ports"):
        found[kind] = list(await getattr(session, kind).list())
    return found


async def template_of(control, name):
    stack = await find_stack(control, CALLER.project_id, name)
    template = (await stack_source(control, stack)).template
    return parse(template).data if isinstance(template, str) else template


@pytest.mark.proves("beyond: move resources between stacks")
def test_resources_move_and_both_plans_are_empty():
    """Rows go as they are, references across the cut become parameters, the cloud sees nothing."""

    async def story(control):
        web, other = await made(control), await made(control, OTHER, "other")
        before = await on_the_cloud(control)
        saved = await plan_move(
            control,
            CALLER,
            request(MoveKind.MOVE, web, {"server": "frontend", "secret": "secret"}, other),
        )
        assert await names(control, "other") == ["other"]
        assert [(each["name"], each["new_name"]) for each in saved.document["resources"]] == [
            ("server", "frontend"),
            ("secret", "secret"),
        ]
        done = await apply_move(control, CALLER, saved.id)
        assert done.status is MoveStatus.APPLIED
        assert await on_the_cloud(control) == before
        assert await names(control, "web") == ["net", "subnet", "volume"]
        assert await names(control, "other") == ["frontend", "other", "secret"]
        assert (await steps(control, "web"), await steps(control, "other")) == ([], [])
        there = await template_of(control, "other")
        assert there["resources"]["frontend"]["properties"] == {
            "flavor": {"get_param": "flavor"},
            "image": "cirros",
            "networks": [{"network": {"get_param": "net_id"}}],
            "metadata": {
                "secret": {"get_attr": ["secret", "value"]},
                "pin": {"get_param": "pin"},
                "stack": {"get_param": "stack_name"},
            },
        }
        assert "depends_on" not in there["resources"]["frontend"]
        assert there["parameters"]["pin"] == {"type": "string", "hidden": True}
        left = await find_stack(control, CALLER.project_id, "web")
        assert left.outputs == web.outputs
        for name in ("other", "web"):
            await delete_stack(control, CALLER, await settled(control, name))
            await quiet(control)

    assert told(story).problems(None) == []


def test_what_is_shown_says_what_becomes_of_every_reference():
    """With lines; a hidden value is in no part of it."""

    async def story(control):
        web, other = await made(control), await made(control, OTHER, "other")
        saved = await plan_move(control, CALLER, request(MoveKind.MOVE, web, ["server"], other))
        shown = {
            (each["path"].rpartition("resources.server.properties.")[2], each["reads"])
            for each in saved.document["crossings"]
        }
        assert ("networks[0].network", "get_resource: net") in shown
        assert ("outputs.address.value", 'get_attr: ["server", "first_address"]') in shown
        assert all(each["line"] for each in saved.document["crossings"])
        assert {each["depends_on"] for each in saved.document["dropped"]} == {"subnet", "volume"}
        assert "1234" not in str(saved.document)

    told(story)


@pytest.mark.proves("beyond: split a stack")
def test_a_stack_is_split():
    """The new one has the settings and the protection of the old, and is complete at once."""

    async def story(control):
        web = await made(control, tags=("a",), disable_rollback=False)
        await protect_stack(control, CALLER, web, protected=True, why="ours")
        before = await on_the_cloud(control)
        await moved(control, MoveKind.SPLIT, web, ["volume", "net", "subnet"], name="base")
        base = await find_stack(control, CALLER.project_id, "base")
        assert (base.state, base.tags, base.disable_rollback) == ("CREATE_COMPLETE", ("a",), False)
        assert (await show_guard(control, base)).protected
        assert (await template_of(control, "base"))["conditions"] == {
            "large": {"equals": [{"get_param": "flavor"}, "m1.large"]}
        }
        assert (await steps(control, "web"), await steps(control, "base")) == ([], [])
        assert await on_the_cloud(control) == before

    told(story)


@pytest.mark.proves("beyond: rename a stack")
def test_a_renamed_stack_is_the_same_stack():
    """Its objects keep their names, now and after an update; the old name is free."""

    async def story(control):
        web = await made(control)
        before = await on_the_cloud(control)
        await moved(control, MoveKind.RENAME_STACK, web, name="shop")
        shop = await find_stack(control, CALLER.project_id, "shop")
        assert (shop.id, await steps(control, "shop")) == (web.id, [])
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "web")
        assert await on_the_cloud(control) == before
        change = UpdateRequest(existing=True, parameters={"pin": "5678"})
        await update_stack(control, CALLER, shop, change)
        await settled(control, "shop")
        after = await on_the_cloud(control)
        assert [each.name for each in after["servers"]] == [each.name for each in before["servers"]]
        await made(control, OTHER, "web")

    told(story)


@pytest.mark.proves("beyond: rename a resource")
def test_a_renamed_resource_is_the_same_resource():
    """Whoever reads it reads it by its new name; a group keeps the stack inside it."""
    template = HEAD + (
        "resources:\n"
        "  a: {type: OS::Heat::TestResource, properties: {value: 1}}\n"
        "  b: {type: OS::Heat::TestResource, depends_on: a,"
        " properties: {value: {get_attr: [a, output]}}}\n"
        "  group: {type: OS::Heat::ResourceGroup, properties: {count: 2,"
        " resource_def: {type: OS::Neutron::Net}}}\n"
        "outputs: {o: {value: {get_attr: [a, output]}}}\n"
    )

    async def story(control):
        stack = await made(control, template, "s")
        new = {"a": "first", "group": "members"}
        await moved(control, MoveKind.RENAME, stack, new)
        assert await names(control, "s") == ["b", "first", "members"]
        assert await steps(control, "s") == []
        assert (await template_of(control, "s"))["resources"]["b"] == {
            "type": "OS::Heat::TestResource",
            "depends_on": "first",
            "properties": {"value": {"get_attr": ["first", "output"]}},
        }
        inner = await list_resources(control, stack, 1)
        assert {view.parent_resource for view in inner} == {None, "members"}
        await delete_stack(control, CALLER, await settled(control, "s"))
        await quiet(control)

    assert told(story).problems(None) == []


def test_a_move_that_others_have_spoilt_is_refused_and_names_them():
    """Changes elsewhere in the stack do not spoil it; a second applying does nothing."""
    template = (
        HEAD
        + "resources:\n"
        + "".join(
            f"  {name}: {{type: OS::Heat::TestResource, properties: {{value: 1}}}}\n"
            for name in "abc"
        )
    )

    async def story(control):
        stack, other = await made(control, template, "s"), await made(control, OTHER, "other")
        one = await plan_move(control, CALLER, request(MoveKind.MOVE, stack, ["a"], other))
        two = await plan_move(control, CALLER, request(MoveKind.MOVE, stack, ["b"], other))
        changed = template.replace(
            "a: {type: OS::Heat::TestResource, properties: {value: 1",
            "a: {type: OS::Heat::TestResource, properties: {value: 2",
        )
        await update_stack(control, CALLER, stack, UpdateRequest(template=changed))
        await settled(control, "s")
        with pytest.raises(Conflict, match="resource a") as caught:
            await apply_move(control, CALLER, one.id)
        assert caught.value.fault == "PlanStale"
        await apply_move(control, CALLER, two.id)
        assert await names(control, "s") == ["a", "c"]
        with pytest.raises(Conflict, match="applied already"):
            await apply_move(control, CALLER, two.id)
        assert [each.id for each in await list_moves(control, CALLER.project_id)] != []

    told(story)


@pytest.mark.parametrize("rival", ["update", "move"])
def test_what_comes_between_the_last_look_and_the_transaction_wins(rival):
    """The transaction finds that something has changed, and writes nothing."""
    template = (
        HEAD
        + "resources:\n"
        + "".join(
            f"  {name}: {{type: OS::Heat::TestResource, properties: {{value: 1}}}}\n"
            for name in "abc"
        )
    )

    async def story(control):
        stack, other = await made(control, template, "s"), await made(control, OTHER, "t")
        saved = await plan_move(control, CALLER, request(MoveKind.MOVE, stack, ["a"], other))
        drawn = await drafted(control, CALLER, saved.request, None)
        if rival == "update":
            await update_stack(control, CALLER, stack, UpdateRequest(existing=True))
        else:
            await moved(control, MoveKind.RENAME, stack, {"b": "d"})
        with pytest.raises(Conflict, match="in this moment"):
            await store_move(control, CALLER, saved, drawn)
        await quiet(control)
        assert (await names(control, "t")) == ["other"]
        assert (await find_move(control, CALLER.project_id, saved.id)).status is MoveStatus.OPEN
        await apply_move(control, CALLER, saved.id)
        assert (await names(control, "t")) == ["a", "other"]

    told(story)


def test_what_cannot_be_moved_is_refused_by_name():
    """Busy, suspended, foreign, protected, taken, unknown, inner: nothing is touched."""
    group = HEAD + (
        "resources:\n  g: {type: OS::Heat::ResourceGroup, properties: {count: 1,"
        " resource_def: {type: OS::Neutron::Net}}}\n  other: {type: OS::Neutron::Net}\n"
    )

    async def story(control):
        other = await made(control, OTHER, "other")
        stack = await made(control, group, "s")

        async def refused(error, match, *args, **rest):
            with pytest.raises(error, match=match):
                await plan_move(control, CALLER, request(*args, **rest))

        await refused(Invalid, "'other' already", MoveKind.MOVE, stack, ["other"], other)
        await refused(Invalid, "not in the stack", MoveKind.MOVE, stack, ["none"], other)
        await refused(MantleError, "No resource", MoveKind.MOVE, stack, [], other)
        await refused(MantleError, "same stack", MoveKind.MOVE, stack, ["other"], stack)
        await refused(Conflict, "exists", MoveKind.SPLIT, stack, ["other"], name="s")
        await refused(Conflict, "exists", MoveKind.RENAME_STACK, stack, name="other")
        await refused(MantleError, "name", MoveKind.RENAME_STACK, stack, name="0/")
        inner = next(
            view.stack for view in await list_resources(control, stack, 1) if view.parent_resource
        )
        await refused(NotSupported, "part of another", MoveKind.MOVE, inner, ["0"], other)
        await protect_stack(control, CALLER, stack, protected=True)
        await refused(NotSupported, "protected", MoveKind.MOVE, stack, {"other": "mine"}, other)
        foreign = MoveRequest(kind=MoveKind.RENAME_STACK, source_id="nothing", name="x")
        with pytest.raises(NotFound):
            await plan_move(control, CALLER, foreign)
        await protect_stack(control, CALLER, stack, protected=False)
        await update_stack(control, CALLER, stack, UpdateRequest(template=group + " \n"))
        await refused(Conflict, "in progress", MoveKind.MOVE, stack, ["other"], other)
        await quiet(control)
        await suspend_stack(control, CALLER, other)
        await quiet(control)
        await refused(NotSupported, "SUSPEND", MoveKind.MOVE, stack, {"other": "mine"}, other)

    told(story)


def test_claims_and_orphans_follow_the_rows():
    """A moved object is unmanaged in no moment, and still nobody else's to adopt."""

    async def story(control):
        web, other = await made(control), await made(control, OTHER, "other")
        await set_drift_policy(control, web, DriftPolicy.IGNORE, "volume")
        await moved(control, MoveKind.MOVE, web, {"volume": "disk"}, other)
        await moved(control, MoveKind.RENAME_STACK, other, name="disks")
        found = await unmanaged(control, CALLER.project_id, "simulated")
        assert found.objects == ()
        disks = await find_stack(control, CALLER.project_id, "disks")
        volume = next(
            view.record
            for view in await list_resources(control, disks)
            if view.record.name == "disk"
        )
        document = {
            "template": {
                "heat_template_version": "2018-08-31",
                "resources": {"v": {"type": "OS::Cinder::Volume", "properties": {"size": 2}}},
            },
            "resources": {"v": {"type": "OS::Cinder::Volume", "resource_id": volume.physical_id}},
        }
        create = CreateRequest(name="thief", source=TemplateSource(template=document["template"]))
        with pytest.raises(Conflict, match="'disk' of stack 'disks'"):
            await adopt_stack(control, CALLER, AdoptRequest(create=create, document=document))
        session = control.cloud.session(CALLER.project_id)
        live = await session.volumes.get(volume.physical_id)
        await session.volumes.update(live.id, replace(live.spec, description="by hand"))
        await look(control, CALLER.project_id, "simulated")
        assert await list_drift(control, disks) == ([], (await list_drift(control, disks))[1])
        document = await abandon_stack(control, CALLER, disks)
        assert set(document["resources"]) == {"disk", "other"}

    told(story)


def test_a_power_cut_during_a_move_leaves_it_undone_or_done():
    """At every moment of it; applying it again ends it, and nothing is in two stacks."""
    template = HEAD + (
        "resources:\n  a: {type: OS::Neutron::Net}\n"
        "  b: {type: OS::Heat::Value, properties: {value: {get_resource: a}}}\n"
    )
    kept = {}

    async def prepare(control):
        stack = await made(control, template, "s")
        saved = await plan_move(control, CALLER, request(MoveKind.SPLIT, stack, ["a"], name="t"))
        kept["id"] = saved.id

    async def apply(control):
        if (await find_move(control, CALLER.project_id, kept["id"])).status is MoveStatus.OPEN:
            await apply_move(control, CALLER, kept["id"])

    async def look_at_it(control):
        assert (await names(control, "s"), await names(control, "t")) == (["b"], ["a"])
        assert (await steps(control, "s"), await steps(control, "t")) == ([], [])

    whole = Plant()
    assert whole.life(prepare)
    whole.armed = True
    assert whole.life(apply)
    assert len(whole.moments) >= 2
    for moment in range(len(whole.moments)):
        plant = Plant()
        assert plant.life(prepare)
        plant.armed, plant.cut_at = True, moment
        plant.life(apply)
        plant.cut_at = None
        assert plant.life(apply)
        assert plant.life(look_at_it)


# --- what goes along -------------------------------------------------------------------------

RICH = (
    HEAD
    + """
parameters:
  text: {type: string, default: here}
  limit: {type: number, default: 3}
conditions:
  big: {equals: [{get_param: limit}, 3]}
resources:
  a: {type: OS::Heat::Value, condition: big, properties: {value: {get_file: motd}}}
  b: {type: OS::Heat::Value, properties: {value: {get_param: text}}}
  c: {type: OS::Heat::Value, properties: {value: [{get_attr: [d, value, nothing]}, x]}}
  d: {type: OS::Heat::Value, properties: {value: {k: v}}}
"""
)


async def rich(control, **environment):
    source = TemplateSource(template=RICH, files={"motd": "hi"}, environment=environment)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source))
    return await settled(control, "s")


async def target(control, text, files=None):
    source = TemplateSource(template=HEAD + text, files=files or {})
    await create_stack(control, CALLER, CreateRequest(name="t", source=source))
    return await settled(control, "t")


EMPTY = "resources: {z: {type: OS::Heat::Value, properties: {value: 1}}}\n"


def test_parameters_files_and_conditions_go_along():
    """A parameter of the same name and value is shared, another one gets another name."""

    async def story(control):
        stack = await rich(control, parameters={"text": "there"})
        other = await target(
            control,
            "parameters: {text: {type: string, default: mine},"
            " limit: {type: number, default: 3}}\n" + EMPTY,
            {"motd": "hi"},
        )
        await moved(control, MoveKind.MOVE, stack, ["a", "b", "c"], other)
        assert (await steps(control, "s"), await steps(control, "t")) == ([], [])
        found = await find_stack(control, CALLER.project_id, "t")
        source = await stack_source(control, found)
        there = parse(source.template).data
        assert there["resources"]["b"]["properties"] == {"value": {"get_param": "s_text"}}
        assert source.environment["parameters"] == {"s_text": "there"}
        assert there["resources"]["c"]["properties"] == {"value": [None, "x"]}
        assert set(there["parameters"]) == {"text", "limit", "s_text"}
        assert source.files == {"motd": "hi"}

    told(story)


def test_hooks_and_restrictions_go_along():
    """Those of the resource's own entry, and those that a pattern gave it."""

    async def story(control):
        entries = {"b": {"hooks": "pre-update"}, "*": {"restricted_actions": "replace"}}
        stack = await rich(control, resource_registry={"resources": entries})
        other = await target(control, EMPTY)
        await moved(control, MoveKind.MOVE, stack, {"b": "new"}, other)
        found = await find_stack(control, CALLER.project_id, "t")
        registry = (await stack_source(control, found)).environment["resource_registry"]
        assert registry["resources"] == {
            "new": {"hooks": ["pre-update"], "restricted_actions": ["replace"]}
        }
        left = await find_stack(control, CALLER.project_id, "s")
        registry = (await stack_source(control, left)).environment["resource_registry"]
        assert registry["resources"] == {"*": {"restricted_actions": "replace"}}

    told(story)


@pytest.mark.parametrize(
    ("text", "files", "match"),
    [
        (EMPTY, {"motd": "other"}, "another file 'motd'"),
        ("conditions: {big: {equals: [1, 2]}}\n" + EMPTY, {}, "another condition 'big'"),
        ("resources: {a: {type: OS::Heat::TestResource}}\n", {}, "resource 'a' already"),
    ],
)
def test_what_the_target_has_otherwise_is_refused_with_its_line(text, files, match):
    """Nothing is guessed about which of the two is meant."""

    async def story(control):
        stack = await rich(control)
        other = await target(control, text, files)
        with pytest.raises(Invalid, match=match) as caught:
            await plan_move(control, CALLER, request(MoveKind.MOVE, stack, ["a"], other))
        assert all(each.mark and each.mark.line > 1 for each in caught.value.problems)

    told(story)


def test_a_template_of_cfn_is_refused_with_the_way_out():
    """Its sections are others."""
    cfn = {
        "HeatTemplateFormatVersion": "2012-12-12",
        "Resources": {"a": {"Type": "OS::Heat::RandomString"}},
    }

    async def story(control):
        await create_stack(
            control, CALLER, CreateRequest(name="s", source=TemplateSource(template=cfn))
        )
        stack = await settled(control, "s")
        for kind in (MoveKind.RENAME, MoveKind.SPLIT):
            with pytest.raises(Invalid, match="template convert"):
                await plan_move(control, CALLER, request(kind, stack, ["a"], name="t"))

    told(story)


def test_what_has_given_out_its_place_stays_there():
    """A signal by a URL that names stack and resource; one by a key of its own may go."""
    text = HEAD + (
        "resources:\n"
        "  heat: {type: OS::Heat::WaitConditionHandle,"
        " properties: {signal_transport: HEAT_SIGNAL}}\n"
        "  cfn: {type: OS::Heat::WaitConditionHandle,"
        " properties: {signal_transport: CFN_SIGNAL}}\n"
        "  plain: {type: OS::Heat::WaitConditionHandle}\n"
    )

    async def story(control):
        stack, other = await made(control, text, "s"), await made(control, OTHER, "t")
        for kind in (MoveKind.MOVE, MoveKind.RENAME):
            to = other if kind is MoveKind.MOVE else None
            with pytest.raises(Invalid, match="with its stack and name"):
                await plan_move(control, CALLER, request(kind, stack, {"heat": "h"}, to))
        await moved(control, MoveKind.MOVE, stack, ["cfn", "plain"], other)
        assert (await steps(control, "s"), await steps(control, "t")) == ([], [])

    told(story)


def test_a_server_whose_agent_asks_by_name_keeps_its_names():
    """One that asks by a URL of its own may go where it likes."""
    server = (
        "{type: OS::Nova::Server, properties: {flavor: m1.small, image: cirros,"
        " user_data_format: SOFTWARE_CONFIG, software_config_transport: %s}}"
    )
    text = (
        HEAD
        + "resources:\n"
        + "".join(
            f"  {name}: {server % transport}\n"
            for name, transport in (("cfn", "POLL_SERVER_CFN"), ("url", "POLL_TEMP_URL"))
        )
    )

    async def story(control):
        stack, other = await made(control, text, "s"), await made(control, OTHER, "t")
        for asked in (
            request(MoveKind.MOVE, stack, ["cfn"], other),
            request(MoveKind.RENAME, stack, {"cfn": "new"}),
            request(MoveKind.RENAME_STACK, stack, name="new"),
        ):
            with pytest.raises(Invalid, match="POLL_TEMP_URL"):
                await plan_move(control, CALLER, asked)
        await moved(control, MoveKind.MOVE, stack, ["url"], other)
        assert (await steps(control, "s"), await steps(control, "t")) == ([], [])
        await moved(control, MoveKind.RENAME_STACK, other, name="new")
        assert await steps(control, "new") == []

    told(story)


def test_notes_tell_of_snapshots_and_time():
    """What a person should know before saying yes."""

    async def story(control):
        stack = await made(control, WEB, "s", {"pin": "1"})
        other = await made(control, OTHER, "t")
        await take_snapshot(control, CALLER, stack, "kept")
        await set_ttl(control, CALLER, other, 9999.0)
        stack = await settled(control, "s")
        saved = await plan_move(control, CALLER, request(MoveKind.MOVE, stack, ["volume"], other))
        notes = " ".join(saved.document["notes"])
        assert "comments" not in notes
        assert "kept" in notes
        assert "time to live" in notes

    told(story)


def test_a_stack_that_is_not_what_its_template_says_is_updated_first():
    """Its own plan is not empty: that is said, and not blamed on the move."""

    async def story(control):
        stack, other = await made(control), await made(control, OTHER, "other")
        rows = await list_resources(control, stack)
        row = next(view.record for view in rows if view.record.name == "volume")
        wrong = structs.replace(row, properties={**row.properties, "size": 7})
        await control.database.write(resource_rows.save, [wrong])
        with pytest.raises(Conflict, match="not what its template says: volume"):
            await plan_move(control, CALLER, request(MoveKind.MOVE, stack, ["net"], other))

    told(story)


# --- any graph, any cut ----------------------------------------------------------------------


@st.composite
def graphs(draw):
    """A template in which resources read parameters and each other, and some of them."""
    count = draw(st.integers(2, 6))
    lines = [
        HEAD + "parameters:",
        "  text: {type: string, default: hello}",
        "  number: {type: number, default: 3}",
        "  list: {type: comma_delimited_list, default: 'a,b'}",
        "  secret: {type: string, default: swordfish, hidden: true}",
        "conditions:",
        "  yes: {equals: [{get_param: number}, 3]}",
        "  no: {not: yes}",
        "resources:",
    ]
    for number in range(count):
        before = [f"r{each}" for each in range(number)]
        values = [
            "plain",
            "{get_param: text}",
            "{get_param: [list, 1]}",
            "{get_param: secret}",
            "{get_param: number}",
            "{get_param: OS::stack_name}",
            "{if: [no, a, {get_param: text}]}",
            "{str_replace: {template: x-y, params: {y: {get_param: text}}}}",
        ]
        for name in before:
            values += [
                f"{{get_attr: [{name}, value]}}",
                f"{{get_resource: {name}}}",
                f"{{str_replace: {{template: x-y, params: {{y: {{get_attr: [{name}, value]}}}}}}}}",
                f"{{a: {{get_attr: [{name}, value]}}, b: [{{get_resource: {name}}}]}}",
                f"{{if: [yes, {{get_attr: [{name}, value]}}, {{get_resource: {name}}}]}}",
            ]
        extra = ""
        if before and draw(st.booleans()):
            extra += f", depends_on: [{draw(st.sampled_from(before))}]"
        if draw(st.booleans()):
            extra += ", condition: yes"
        if draw(st.booleans()):
            extra += ", metadata: {m: {get_param: text}}"
        value = draw(st.sampled_from(values))
        lines.append(
            f"  r{number}: {{type: OS::Heat::Value, properties: {{value: {value}}}{extra}}}"
        )
    lines.append("outputs:")
    lines += [f"  o{each}: {{value: {{get_attr: [r{each}, value]}}}}" for each in range(count)]
    going = draw(st.sets(st.integers(0, count - 1), min_size=1))
    return "\n".join(lines) + "\n", {f"r{each}": f"n{each}" for each in sorted(going)}


@pytest.mark.proves("beyond: move resources between stacks")
@given(graph=graphs(), kind=st.sampled_from([MoveKind.MOVE, MoveKind.SPLIT, MoveKind.RENAME]))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_moved_both_plans_are_empty(graph, kind):
    """And the values, the outputs and the secrets are what they were."""
    template, going = graph

    async def values(control, name):
        stack = await find_stack(control, CALLER.project_id, name)
        views = await list_resources(control, stack)
        return {view.record.id: view.record.attributes.get("value") for view in views}

    async def story(control):
        stack = await made(control, template, "s")
        other = await made(control, OTHER, "t") if kind is MoveKind.MOVE else None
        before, outputs = await values(control, "s"), stack.outputs
        await moved(control, kind, stack, going, other, "t" if kind is MoveKind.SPLIT else "")
        assert await steps(control, "s") == []
        after = await values(control, "s")
        if kind is not MoveKind.RENAME:
            assert await steps(control, "t") == []
            after |= await values(control, "t")
            assert "swordfish" not in str((await template_of(control, "t"))["resources"])
        assert {key: value for key, value in after.items() if key in before} == before
        assert (await find_stack(control, CALLER.project_id, "s")).outputs == outputs
        for name in ("t", "s") if kind is not MoveKind.RENAME else ("s",):
            found = await find_stack(control, CALLER.project_id, name)
            await update_stack(control, CALLER, found, UpdateRequest(existing=True))
            await settled(control, name)

    told(story)
