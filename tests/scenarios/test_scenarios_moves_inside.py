"""Resources that have a stack inside go to another root stack, with all that is in them."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.engine.operation import load
from mantle.model.drift import DriftPolicy
from mantle.model.errors import Conflict, Denied, Invalid, LimitExceeded, NotSupported
from mantle.model.graph import TemplateSource
from mantle.model.moves import MoveKind, MoveRequest, MoveStatus
from mantle.model.software import DEPLOYMENT
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.drift import set_drift_policy
from mantle.stacks.limits import set_limit
from mantle.stacks.move_draft import drafted
from mantle.stacks.move_going import stays_known
from mantle.stacks.move_inside import steps_left
from mantle.stacks.move_rows import store_move
from mantle.stacks.moving import apply_move, find_move, plan_move
from mantle.stacks.policies import RuleRequest, set_rule
from mantle.stacks.queries import EventQuery, find_stack, list_events, list_resources, stack_source
from mantle.stacks.resources import signal_resource
from mantle.stacks.snapshots import find_snapshot, list_snapshots, restore_snapshot, take_snapshot
from mantle.stacks.unmanaged import unmanaged
from mantle.stacks.update import UpdateRequest, preview_update, update_stack
from mantle.stacks.users import reached, stack_of_user
from mantle.store import drift as drift_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stack_users
from mantle.store import stacks as stack_rows
from mantle.template.environment import Environment
from mantle.template.operator import Operator

HEAD = "heat_template_version: 2018-08-31\n"
OTHER = HEAD + "resources:\n  other: {type: OS::Neutron::Net, properties: {name: other}}\n"
GROUP = HEAD + (
    "resources:\n"
    "  net: {type: OS::Neutron::Net}\n"
    "  g:\n"
    "    type: OS::Heat::ResourceGroup\n"
    "    properties:\n"
    "      count: 2\n"
    "      resource_def:\n"
    "        type: OS::Neutron::Subnet\n"
    "        properties: {network: {get_resource: net}, cidr: 10.%index%.0.0/24}\n"
    "outputs: {all: {value: {get_attr: [g, refs]}}}\n"
)
PLAIN_GROUP = HEAD + (
    "resources:\n"
    "  n: {type: OS::Neutron::Net}\n"
    "  g: {type: OS::Heat::ResourceGroup, properties: {count: 2,"
    " resource_def: {type: OS::Cinder::Volume, properties: {size: 1}}}}\n"
)

TREE = HEAD + (
    "resources:\n"
    "  n: {type: OS::Neutron::Net}\n"
    "  app: {type: My::App, properties: {text: hi}}\n"
    "  many: {type: OS::Heat::ResourceGroup, properties: {count: 2,"
    " resource_def: {type: My::Leaf, properties: {text: '%index%'}}}}\n"
    "  chain: {type: OS::Heat::ResourceChain, properties: {resources: [My::Leaf, My::Leaf]}}\n"
    "  text: {type: OS::Heat::Stack, properties: {template: {get_file: text.yaml},"
    " parameters: {size: 2}}}\n"
)
FILES = {
    "app.yaml": HEAD + "parameters: {text: {type: string}, size: {type: number, default: 1}}\n"
    "resources:\n"
    "  leaf: {type: leaf.yaml, properties: {text: {get_param: text}}}\n"
    "  volume: {type: OS::Cinder::Volume, properties: {size: {get_param: size},"
    " description: {get_file: motd}}}\n"
    "outputs: {said: {value: {get_attr: [leaf, said]}}}\n",
    "leaf.yaml": HEAD + "parameters: {text: {type: string, default: none},"
    " colour: {type: string, default: red}}\n"
    "resources: {v: {type: OS::Heat::Value, properties: {value:"
    " {list_join: ['-', [{get_param: text}, {get_param: colour}]]}}}}\n"
    "outputs: {said: {value: {get_attr: [v, value]}}}\n",
    "text.yaml": HEAD + "parameters: {size: {type: number}}\n"
    "resources: {inner: {type: My::App, properties: {text: inner, size: {get_param: size}}}}\n",
    "motd": "good day",
}
REGISTRY = {"My::App": "app.yaml", "My::L*": "leaf.yaml"}
DEFAULTS = {"colour": "blue"}


def told(story, plant=None):
    plant = plant or Plant()
    assert plant.life(story)
    return plant


async def made(control, template, name="s", files=None, environment=None, **options):
    source = TemplateSource(template=template, files=files or {}, environment=environment or {})
    await create_stack(control, CALLER, CreateRequest(name=name, source=source, **options))
    return await settled(control, name)


async def tree(control, name="s", **more):
    environment = {"resource_registry": REGISTRY, "parameter_defaults": DEFAULTS, **more}
    return await made(control, TREE, name, FILES, environment)


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
    await apply_move(control, CALLER, saved.id)
    return saved


def operations_of(connection, stack_id):
    return operation_rows.listing(connection, stack_id=stack_id)


async def whole(control, name):
    """The stack and every one inside it."""
    stack = await find_stack(control, CALLER.project_id, name)
    return await control.database.read(stack_rows.below, stack)


async def unlike(control, *names):
    """What any stack of these trees would change, were it updated as it is; and bad filing."""
    found = []
    for name in names:
        stack = await find_stack(control, CALLER.project_id, name)
        plan = (await preview_update(control, CALLER, stack, UpdateRequest(existing=True))).plan
        found += [(name, str(step.key), step.reason) for step in plan.steps if step.kind != "keep"]
        by_id = {each.id: each for each in await whole(control, name)}
        for each in by_id.values():
            loaded = await load(control.machine, each, await stack_source(control, each))
            rows = await control.database.read(resource_rows.of_stack, each.id)
            left = await steps_left(control, each, loaded, rows)
            found += [(each.name, str(step.key), step.reason) for step in left]
            if each.parent_id is not None:
                parent = by_id[each.parent_id]
                if (each.depth, each.root_id) != (parent.depth + 1, stack.id):
                    found.append((each.name, "filed wrongly", ""))
    return found


async def names(control, name, depth=5):
    stack = await find_stack(control, CALLER.project_id, name)
    views = await list_resources(control, stack, depth)
    return sorted(view.record.name for view in views)


async def ids(control, *stacks):
    """Every row to its physical id, in these stacks and inside."""
    found = {}
    for name in stacks:
        stack = await find_stack(control, CALLER.project_id, name)
        for view in await list_resources(control, stack, 5):
            found[view.record.id] = view.record.physical_id
    return found


async def on_the_cloud(control):
    session = control.cloud.session(CALLER.project_id)
    kinds = ("networks", "subnets", "servers", "volumes")
    return {kind: list(await getattr(session, kind).list()) for kind in kinds}


async def gone(control, *stacks):
    for name in stacks:
        await delete_stack(control, CALLER, await settled(control, name))
        await quiet(control)


@pytest.mark.proves("beyond: move what has a stack inside to another root stack")
def test_a_group_moves_with_its_members():
    """The stack inside is the same stack of another root; the cloud sees nothing."""

    async def story(control):
        source, other = await made(control, GROUP), await made(control, OTHER, "t")
        before, known = await on_the_cloud(control), await ids(control, "s", "t")
        (_, inner) = await whole(control, "s")
        saved = await plan_move(control, CALLER, request(MoveKind.MOVE, source, {"g": "h"}, other))
        assert saved.document["stacks"] == [
            {"resource": "g", "name": inner.name, "id": inner.id, "resources": 2}
        ]
        await apply_move(control, CALLER, saved.id)
        assert (await on_the_cloud(control), await ids(control, "s", "t")) == (before, known)
        assert await names(control, "s") == ["net"]
        assert await names(control, "t") == ["0", "1", "h", "other"]
        (_, after) = await whole(control, "t")
        assert (after.id, after.name, after.parent_resource) == (inner.id, inner.name, "h")
        assert await unlike(control, "s", "t") == []
        left = await find_stack(control, CALLER.project_id, "s")
        assert left.outputs == source.outputs
        text = (await stack_source(control, await settled(control, "t"))).template
        grown = UpdateRequest(template=text.replace("count: 2", "count: 3"), existing=True)
        await update_stack(control, CALLER, await settled(control, "t"), grown)
        await settled(control, "t")
        assert await names(control, "t") == ["0", "1", "2", "h", "other"]
        assert known.items() <= (await ids(control, "s", "t")).items()
        await gone(control, "t", "s")

    assert told(story).problems(None) == []


@pytest.mark.proves("beyond: move what has a stack inside to another root stack")
@pytest.mark.parametrize("kind", [MoveKind.MOVE, MoveKind.SPLIT])
def test_templates_within_templates_move_with_what_they_read(kind):
    """Files, entries of the registry and defaults go along; what a group may grow by as well."""

    async def story(control):
        source = await tree(control)
        if kind is MoveKind.MOVE:
            other = await made(control, PLAIN_GROUP, "t", {"own": "x"})
        else:
            other = None
        known = await ids(control, "s")
        going = ["app", "many", "chain", "text"]
        saved = await moved(control, kind, source, going, other, "t" if other is None else "")
        assert len(saved.document["stacks"]) == 11
        assert set(saved.document["files"]) == set(FILES)
        if kind is MoveKind.MOVE:
            assert sorted(saved.document["types"]) == sorted(REGISTRY)
        assert saved.document["defaults"] == ["colour"]
        assert await unlike(control, "s", "t") == []
        assert known.items() <= (await ids(control, "s", "t")).items()
        target = await settled(control, "t")
        text = (await stack_source(control, target)).template
        change = {"text": "bye", "count": 3}
        data = text.replace("text: hi", f"text: {change['text']}").replace("count: 2", "count: 3")
        await update_stack(control, CALLER, target, UpdateRequest(template=data, existing=True))
        await settled(control, "t")
        said = {
            view.record.attributes.get("value")
            for view in await list_resources(control, await settled(control, "t"), 5)
        }
        assert {"bye-blue", "2-blue"} <= said
        await gone(control, "s", "t")

    assert told(story).problems(None) == []


@pytest.mark.parametrize(
    ("environment", "files", "match"),
    [
        ({}, {"motd": "bad day"}, "another file 'motd'"),
        ({}, {"leaf.yaml": HEAD}, "another file 'leaf.yaml'"),
        ({"resource_registry": {"My::App": "OS::Heat::None"}}, {}, "My::App stands for 'OS::Heat"),
        ({"resource_registry": {"OS::Cinder::*": "OS::Heat::None"}}, {}, "Cinder::Volume stands"),
        ({"parameter_defaults": {"colour": "green"}}, {}, "'colour' .* another default"),
        (
            {"resource_registry": {"resources": {"app": {"leaf": {"hooks": "pre-update"}}}}},
            {},
            "says something of the resources inside 'app': leaf",
        ),
    ],
)
def test_what_the_target_has_otherwise_is_refused_by_its_name(environment, files, match):
    """Nothing is guessed about which of the two is meant, and nothing is touched."""

    async def story(control):
        source = await tree(control)
        other = await made(control, OTHER, "t", files, environment)
        with pytest.raises(Invalid, match=match) as caught:
            await plan_move(control, CALLER, request(MoveKind.MOVE, source, ["app"], other))
        assert all(each.mark and each.mark.line > 1 for each in caught.value.problems)
        assert await names(control, "t") == ["other"]

    told(story)


def test_a_default_that_the_target_would_take_too_is_refused():
    """Its own parameter of that name would get another value."""
    own = HEAD + (
        "parameters: {colour: {type: string, default: red}}\n"
        "resources: {v: {type: OS::Heat::Value, properties: {value: {get_param: colour}}}}\n"
    )

    async def story(control):
        source, other = await tree(control), await made(control, own, "t")
        with pytest.raises(Invalid, match=r"'colour' .* would also be that of stack 't'"):
            await plan_move(control, CALLER, request(MoveKind.MOVE, source, ["app"], other))

    told(story)


def test_what_is_said_by_name_of_the_resources_inside_goes_along():
    """Hooks deep below, by the resource's own entry and by a pattern; patterns of types too."""

    async def story(control):
        said = {
            "app": {"leaf": {"hooks": "pre-update"}},
            "a*": {"volume": {"restricted_actions": "replace"}},
        }
        registry = {"resource_registry": {**REGISTRY, "resources": said}}
        source, other = await tree(control, **registry), await made(control, OTHER, "t")
        await moved(control, MoveKind.MOVE, source, {"app": "new"}, other)
        assert await unlike(control, "s", "t") == []
        source = await stack_source(control, await settled(control, "t"))
        assert source.environment["resource_registry"]["resources"] == {
            "new": {
                "leaf": {"hooks": "pre-update"},
                "volume": {"restricted_actions": "replace"},
            }
        }
        (inner,) = [each for each in await whole(control, "t") if each.parent_resource == "new"]
        source = await stack_source(control, inner)
        assert source.environment["resource_registry"]["resources"]["leaf"] == {
            "hooks": "pre-update"
        }

    told(story)


def test_what_the_operator_says_is_not_written_into_either_stack():
    """It lies under both, and may be another one tomorrow."""
    said = {
        "resource_registry": {"My::Op": "op.yaml"},
        "parameter_defaults": {"tone": "low"},
    }
    files = {
        "op.yaml": HEAD + "parameters: {tone: {type: string}}\n"
        "resources: {v: {type: OS::Heat::Value, properties: {value: {get_param: tone}}}}\n"
    }
    text = HEAD + "resources: {a: {type: My::Op}, b: {type: My::Op}}\n"

    async def story(control):
        operator = Operator(environment=Environment(**said), files=files)
        control.machine.settings = replace(control.machine.settings, operator=operator)
        source, other = await made(control, text), await made(control, OTHER, "t")
        saved = await moved(control, MoveKind.MOVE, source, ["a"], other)
        assert (saved.document["types"], saved.document["defaults"]) == ([], [])
        await moved(control, MoveKind.SPLIT, source, ["b"], name="u")
        for name in ("s", "t", "u"):
            kept = (await stack_source(control, await settled(control, name))).environment
            assert kept["parameter_defaults"] == {}
            assert kept["resource_registry"] == {"resources": {}}
        assert await unlike(control, "s", "t", "u") == []

    told(story)


def test_groups_that_stay_are_none_the_worse_for_files_that_come_and_go():
    """Their digest is of all files and types of their stack: it is made anew, and proven."""
    reads = HEAD + "resources:\n  v: {type: OS::Heat::Value, properties: {value: {get_file: m}}}\n"

    async def story(control):
        entries = {"resource_registry": {"resources": {"v": {"hooks": "pre-update"}}}}
        both = reads + PLAIN_GROUP.split("resources:\n")[1]
        source = await made(control, both, "s", {"m": "hi"}, entries)
        other = await made(control, PLAIN_GROUP, "t")
        known = await ids(control, "s", "t")
        await moved(control, MoveKind.MOVE, source, ["v"], other)
        assert await unlike(control, "s", "t") == []
        assert await ids(control, "s", "t") == known

    told(story)


@pytest.mark.parametrize(
    ("transport", "goes"), [("HEAT_SIGNAL", False), ("CFN_SIGNAL", True), ("TEMP_URL_SIGNAL", True)]
)
def test_an_account_of_the_root_that_was_given_out_inside_stays(transport, goes):
    """A user's project is derived from the root; keys and URLs from the row: those go on."""
    leaf = HEAD + (
        "resources: {handle: {type: OS::Heat::WaitConditionHandle,"
        f" properties: {{signal_transport: {transport}}}}}}}\n"
    )
    top = HEAD + "resources: {a: {type: l.yaml}, b: {type: OS::Heat::RandomString}}\n"

    async def story(control):
        source = await made(control, top, "s", {"l.yaml": leaf})
        other = await made(control, OTHER, "t")
        if not goes:
            with pytest.raises(Invalid, match=r"'a/handle' \(OS::Heat::WaitCond.*account"):
                await plan_move(control, CALLER, request(MoveKind.MOVE, source, ["a"], other))
            await moved(control, MoveKind.RENAME, source, {"a": "c"})
            return
        await moved(control, MoveKind.MOVE, source, ["a"], other)
        (inner,) = [each for each in await whole(control, "t") if each.parent_resource == "a"]
        body = {"status": "SUCCESS", "data": "x", "id": "1"}
        await signal_resource(control, inner, "handle", body)
        await quiet(control)
        assert await unlike(control, "s", "t") == []

    told(story)


@pytest.mark.parametrize(
    ("transport", "goes"), [("POLL_SERVER_HEAT", False), ("POLL_SERVER_CFN", True)]
)
def test_an_agent_inside_that_logs_in_to_the_roots_users_stays(transport, goes):
    """One that asks by the stack inside, with a key of its own, is answered as before."""
    leaf = HEAD + (
        "resources: {server: {type: OS::Nova::Server, properties: {flavor: m1.small, image: cirros,"
        f" user_data_format: SOFTWARE_CONFIG, software_config_transport: {transport}}}}}}}\n"
    )
    top = HEAD + "resources: {a: {type: l.yaml}, b: {type: OS::Heat::RandomString}}\n"

    async def story(control):
        source = await made(control, top, "s", {"l.yaml": leaf})
        other = await made(control, OTHER, "t")
        wanted = request(MoveKind.MOVE, source, ["a"], other)
        if not goes:
            with pytest.raises(Invalid, match=r"'a/server' .*account"):
                await plan_move(control, CALLER, wanted)
            return
        (_, inner) = await whole(control, "s")
        (row,) = await control.database.read(resource_rows.of_stack, inner.id)
        config = row.attributes["os_collect_config"]["cfn"]
        keys = control.machine.links.keys

        def user_of(connection):
            return stack_users.owner_of_key(connection, keys, config["access_key_id"])

        await apply_move(control, CALLER, (await plan_move(control, CALLER, wanted)).id)
        user_id, project_id = await control.database.read(user_of)
        assert project_id == keys.project_id(other.id)
        agent = replace(CALLER, user_id=user_id, project_id=project_id, roles=frozenset())
        asked, name = config["stack_name"], config["path"].partition(".")[0]
        assert (await stack_of_user(control, agent, asked)).id == inner.id
        assert (await reached(control, agent, asked, inner.id, name)).id == inner.id

    told(story)


def test_a_deployment_that_answers_with_an_account_of_the_root_stays():
    """The credentials are in its config's inputs, which the agent has."""
    said = {DEPLOYMENT: "id"}

    async def story(control):
        stack = await made(control, OTHER, "t")
        (row,) = await control.database.read(resource_rows.of_stack, stack.id)
        for transport, stays in (("HEAT_SIGNAL", True), ("CFN_SIGNAL", False)):
            one = structs.replace(row, data=said, properties={"signal_transport": transport})
            problem = stays_known(control, stack.id, "g/0", one)
            assert (problem is not None) is stays
            assert problem is None or "'g/0'" in problem.message

    told(story)


def test_an_account_that_reaches_its_stack_by_name_stays_in_it():
    """A key of AWS::IAM::AccessKey is for the stack it is in, whatever holds it."""
    text = HEAD + (
        "resources:\n  user: {type: AWS::IAM::User}\n"
        "  key: {type: AWS::IAM::AccessKey, properties: {UserName: {get_resource: user}}}\n"
    )

    async def story(control):
        source, other = await made(control, text), await made(control, OTHER, "t")
        wanted = request(MoveKind.MOVE, source, ["user", "key"], other)
        with pytest.raises(Invalid, match=r"'user'.*\n.*'key'"):
            await plan_move(control, CALLER, wanted)
        await moved(control, MoveKind.RENAME, source, {"key": "new"})

    told(story)


def test_a_stack_inside_that_is_busy_or_unwell_stays():
    """Named with the way to it."""

    async def story(control):
        source, other = await made(control, PLAIN_GROUP), await made(control, OTHER, "t")
        (_, inner) = await whole(control, "s")
        wanted = request(MoveKind.MOVE, source, ["g"], other)
        await control.database.write(stack_rows.save, replace(inner, status="FAILED"))
        with pytest.raises(NotSupported, match="inside 'g' is CREATE_FAILED"):
            await plan_move(control, CALLER, wanted)
        await control.database.write(stack_rows.save, inner)
        rows = await control.database.read(resource_rows.of_stack, inner.id)
        wrong = structs.replace(rows[0], properties={**rows[0].properties, "size": 7})
        await control.database.write(resource_rows.save, [wrong])
        with pytest.raises(Invalid, match="inside 'g' would not stay what it is: 0 would need"):
            await plan_move(control, CALLER, wanted)

    told(story)


def test_what_happens_to_a_stack_inside_in_the_last_moment_wins():
    """The transaction looks at every stack inside again, and writes nothing."""

    async def story(control):
        source, other = await made(control, PLAIN_GROUP), await made(control, OTHER, "t")
        (_, inner) = await whole(control, "s")
        wanted = request(MoveKind.MOVE, source, ["g"], other)
        saved = await plan_move(control, CALLER, wanted)
        drawn = await drafted(control, CALLER, wanted, None)
        last = (await control.database.read(operations_of, inner.id))[0]
        begun = replace(last, id="late", status="running", ended_at=None)
        await control.database.write(operation_rows.add, begun)
        with pytest.raises(Conflict, match="in this moment"):
            await store_move(control, CALLER, saved, drawn)
        with pytest.raises(Conflict, match="inside 'g' has an action"):
            await apply_move(control, CALLER, saved.id)
        await control.database.write(operation_rows.save, replace(begun, status="complete"))
        assert (await find_move(control, CALLER.project_id, saved.id)).status is MoveStatus.OPEN

    told(story)


def test_a_target_that_would_be_too_large_is_named():
    """Everything inside counts, at the plan and again when it is applied."""

    async def story(control):
        source, other = await made(control, PLAIN_GROUP), await made(control, OTHER, "t")
        saved = await plan_move(control, CALLER, request(MoveKind.MOVE, source, ["g"], other))
        await set_limit(control, CALLER, CALLER.project_id, "resources_per_stack", 3)
        wanted = request(MoveKind.MOVE, source, ["g"], other)
        with pytest.raises(LimitExceeded, match=r"1 are in stack 't' .* 3 would come; 3 are"):
            await plan_move(control, CALLER, wanted)
        with pytest.raises(LimitExceeded):
            await apply_move(control, CALLER, saved.id)
        await set_limit(control, CALLER, CALLER.project_id, "resources_per_stack", 4)
        await apply_move(control, CALLER, saved.id)
        assert await names(control, "t") == ["0", "1", "g", "other"]

    told(story)


def test_two_groups_exchange_their_names():
    """Each keeps the stack inside it, and what is said of its drift."""
    text = HEAD + "".join(
        ["resources:\n"]
        + [
            f"  {name}: {{type: OS::Heat::ResourceGroup, properties: {{count: {count},"
            " resource_def: {type: OS::Heat::Value, properties: {value: x}}}}\n"
            for name, count in (("a", 1), ("b", 2))
        ]
    )

    async def story(control):
        stack = await made(control, text)
        await set_drift_policy(control, stack, DriftPolicy.IGNORE, "a")
        before = {each.parent_resource: each.id for each in await whole(control, "s")}
        await moved(control, MoveKind.RENAME, stack, {"a": "b", "b": "a"})
        after = {each.parent_resource: each.id for each in await whole(control, "s")}
        assert (after["a"], after["b"]) == (before["b"], before["a"])
        assert await unlike(control, "s") == []
        policies = await control.database.read(drift_rows.policies, [stack.id])
        assert [key for key in policies if key[1]] == [(stack.id, "b")]

    told(story)


def test_events_stay_with_the_stack_inside_and_every_history_says_it():
    """What happened before is where it was."""

    async def story(control):
        source = await made(control, PLAIN_GROUP)
        other = await made(control, OTHER, "t")
        (_, inner) = await whole(control, "s")
        before = await list_events(control, inner, EventQuery())
        await moved(control, MoveKind.MOVE, source, ["g"], other)
        after = await list_events(control, inner, EventQuery())
        assert after[: len(before)] == before or after[-len(before) :] == before
        told_now = [each.event.reason for each in after if each not in before]
        assert told_now == ["Stack went along from stack s to stack t"]
        events = await list_events(control, source, EventQuery())
        assert any(each.event.reason == "Moved g to stack t" for each in events)

    told(story)


def test_events_of_a_stack_inside_go_to_the_sinks_of_its_new_root():
    """As those of everything that is in it."""
    sink = {"type": "webhook", "target": "https://example.org/in"}

    async def story(control):
        source, other = await made(control, PLAIN_GROUP), await made(control, OTHER, "t")
        said = replace(await stack_source(control, other), environment={"event_sinks": [sink]})
        source_id = await control.database.write(stack_rows.add_source, said, 0.0)
        await control.database.write(stack_rows.save, replace(other, source_id=source_id))
        wanted = request(MoveKind.MOVE, source, ["g"], other)
        (drawn,) = (await drafted(control, CALLER, wanted, None)).inner
        assert [each.target for each in drawn.sinks] == ["https://example.org/in"]

    told(story)


@pytest.mark.proves("beyond: policy rules are asked about moves")
def test_rules_are_asked_where_resources_leave_and_where_they_arrive():
    """Also of what is inside; a denial names the rule and the line, a warning is in the plan."""

    async def story(control):
        source, other = await made(control, PLAIN_GROUP), await made(control, OTHER, "t")

        async def ruled(expression, effect="deny", actions=("move",)):
            rule = RuleRequest(
                name="no", effect=effect, expression=expression, actions=actions,
                origin="rules.yaml:3", description="stays here",
            )  # fmt: skip
            await set_rule(control, CALLER, rule)
            wanted = request(MoveKind.MOVE, source, {"g": "h"}, other)
            return await plan_move(control, CALLER, wanted)

        for expression, what in (
            ("change == 'leave' && stack.name == 's' && resource.name == 'g'", "leave g"),
            ("change == 'arrive' && stack.name == 't' && resource.name == 'h'", "arrive g"),
            ("change == 'arrive' && stack.nested && after.size == 1", "arrive g/0"),
        ):
            where = r"template:4:3: " + what + r": denied by project rule 'no' \(rules.yaml:3\)"
            with pytest.raises(Denied, match=where):
                await ruled(expression)
            with pytest.raises(Denied, match=where):
                await ruled(expression, actions=())
        await ruled("change != 'leave' && change != 'arrive'")
        saved = await ruled("change == 'leave'", effect="warn")
        assert "leave g/1: warning of project rule 'no'" in " ".join(saved.document["notes"])
        with pytest.raises(Denied):
            await ruled("change == 'leave'")
        with pytest.raises(Denied):
            await apply_move(control, CALLER, saved.id)
        await ruled("change == 'rename'")
        for wanted in (
            request(MoveKind.RENAME, source, {"g": "h"}),
            request(MoveKind.RENAME_STACK, source, name="new"),
        ):
            with pytest.raises(Denied, match="rename"):
                await plan_move(control, CALLER, wanted)
        await apply_move(control, CALLER, saved.id)

    told(story)


@pytest.mark.proves("life cycle: snapshots of contents, kept by the stack they are of")
def test_snapshots_stay_with_the_stack_they_are_of():
    """Deleting the resource where it is now leaves its copies; their own snapshot's end does not.

    Restoring makes what has moved anew, and fills it.
    """
    plant = Plant()

    async def story(control):
        source, other = await made(control, PLAIN_GROUP), await made(control, OTHER, "t")
        volumes = [each for each in (await ids(control, "s")).values() if each]
        plant.world.contents |= {(CALLER.project_id, "volumes", each): "data" for each in volumes}
        snapshot = await take_snapshot(control, CALLER, source, "kept")
        await settled(control, "s")
        source = await find_stack(control, CALLER.project_id, "s")
        saved = await moved(control, MoveKind.MOVE, source, ["g"], other)
        assert "kept" in " ".join(saved.document["notes"])
        found = await find_snapshot(control, source, snapshot.id)
        assert [each.path for each in found.contents] == [("g", "0"), ("g", "1")]
        other = await settled(control, "t")
        assert await list_snapshots(control, other) == []
        source = await find_stack(control, CALLER.project_id, "s")
        await restore_snapshot(control, CALLER, source, snapshot.id)
        source = await settled(control, "s")
        session = control.cloud.session(CALLER.project_id)
        live = [each.id for each in await session.volumes.list()]
        assert len(live) == 4
        held = [plant.world.contents.get((CALLER.project_id, "volumes", each)) for each in live]
        assert held == ["data"] * 4
        assert (await unmanaged(control, CALLER.project_id, "simulated")).objects == ()
        await gone(control, "t")
        found = await find_snapshot(control, source, snapshot.id)
        assert len([each for each in found.contents if not each.leaving]) == 2
        assert (await unmanaged(control, CALLER.project_id, "simulated")).objects == ()
        await gone(control, "s")

    told(story, plant)
    told(quiet, plant)
    assert plant.problems(None) == []


def test_a_power_cut_while_a_group_moves_leaves_it_undone_or_done():
    """At every moment of it: the stack inside is of one root, the one its resource is in."""
    kept = {}

    async def prepare(control):
        source = await made(control, PLAIN_GROUP)
        other = await made(control, OTHER, "t")
        saved = await plan_move(control, CALLER, request(MoveKind.MOVE, source, ["g"], other))
        kept["id"] = saved.id

    async def apply(control):
        if (await find_move(control, CALLER.project_id, kept["id"])).status is MoveStatus.OPEN:
            assert await names(control, "t") == ["other"]
            await apply_move(control, CALLER, kept["id"])

    async def look_at_it(control):
        assert await names(control, "s") == ["n"]
        assert await names(control, "t") == ["0", "1", "g", "other"]
        assert await unlike(control, "s", "t") == []
        await gone(control, "t", "s")

    whole_one = Plant()
    assert whole_one.life(prepare)
    whole_one.armed = True
    assert whole_one.life(apply)
    assert len(whole_one.moments) >= 2
    for moment in range(len(whole_one.moments)):
        plant = Plant()
        assert plant.life(prepare)
        plant.armed, plant.cut_at = True, moment
        plant.life(apply)
        plant.cut_at = None
        assert plant.life(apply)
        plant.armed = False
        assert plant.life(look_at_it)
        assert plant.problems(None) == []


# --- any tree, any cut -----------------------------------------------------------------------


@st.composite
def trees(draw):
    """A template of plain resources, groups and nested templates, which read each other."""
    count = draw(st.integers(2, 4))
    kinds = ["group", "My::App", "leaf.yaml", "empty"]
    lines = [HEAD + "parameters: {text: {type: string, default: hello}}", "resources:"]
    speaking: list[str] = []
    for number in range(count):
        texts = ["plain", "{get_param: text}", "{get_param: OS::stack_name}"]
        texts += [f"{{get_attr: [{each}, said]}}" for each in speaking]
        text = draw(st.sampled_from(texts))
        kind = draw(st.sampled_from(kinds))
        match kind:
            case "group" | "empty":
                size = 0 if kind == "empty" else draw(st.integers(1, 2))
                body = (
                    f"{{type: OS::Heat::ResourceGroup, properties: {{count: {size}, resource_def:"
                    f" {{type: My::Leaf, properties: {{text: '%index%'}}}}}}}}"
                )
            case _:
                body = f"{{type: {kind}, properties: {{text: {text}}}}}"
        if kind not in {"group", "empty"}:
            speaking.append(f"r{number}")
        lines.append(f"  r{number}: {body}")
    lines.append("outputs:")
    lines += [f"  o{each}: {{value: {{get_attr: [r{each}, said]}}}}" for each in range(count)]
    going = draw(st.sets(st.integers(0, count - 1), min_size=1))
    return "\n".join(lines) + "\n", {f"r{each}": f"n{each}" for each in sorted(going)}


@pytest.mark.proves("beyond: move what has a stack inside to another root stack")
@given(graph=trees(), kind=st.sampled_from([MoveKind.MOVE, MoveKind.SPLIT, MoveKind.RENAME]))
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_tree_is_moved_every_plan_is_empty(graph, kind):
    """Of both roots and all inside, with the rows, the objects and the outputs as they were."""
    template, going = graph

    async def story(control):
        environment = {"resource_registry": REGISTRY, "parameter_defaults": DEFAULTS}
        stack = await made(control, template, "s", FILES, environment)
        other = await made(control, PLAIN_GROUP, "t") if kind is MoveKind.MOVE else None
        known, outputs, live = await ids(control, "s"), stack.outputs, await on_the_cloud(control)
        await moved(control, kind, stack, going, other, "t" if kind is MoveKind.SPLIT else "")
        both = ("s",) if kind is MoveKind.RENAME else ("s", "t")
        assert await unlike(control, *both) == []
        assert known.items() <= (await ids(control, *both)).items()
        assert await on_the_cloud(control) == live
        assert (await find_stack(control, CALLER.project_id, "s")).outputs == outputs
        for name in both:
            found = await find_stack(control, CALLER.project_id, name)
            await update_stack(control, CALLER, found, UpdateRequest(existing=True))
            await settled(control, name)
        await gone(control, *both)

    assert told(story).problems(None) == []
