"""Canaries: secrets of every kind, planted in a life of stacks, stand nowhere in plain text.

Not in the database's own bytes, free pages included, and in no event, plan, error or log.
"""

import asyncio
import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, RING, Plant, quiet
from sqlalchemy import text

from mantle.lib.sealing import Key, KeyRing
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.model.moves import MoveKind, MoveRequest
from mantle.model.sinks import Sink
from mantle.model.status import Action
from mantle.plan.render import plan_json, render
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.explain import explain_operation
from mantle.stacks.export import export_stack
from mantle.stacks.moving import apply_move, plan_move
from mantle.stacks.plans import find_plan, plan_update
from mantle.stacks.queries import (
    EventQuery,
    find_stack,
    list_events,
    list_operations,
    list_resources,
    show_resource,
    stack_parameters,
)
from mantle.stacks.resources import signal_resource
from mantle.stacks.saving import SaveRequest, save_plan
from mantle.stacks.secrets import add_secret
from mantle.stacks.snapshots import take_snapshot
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import events as event_rows
from mantle.store import resources as resource_rows
from mantle.store import sinks as sink_rows
from mantle.store.rotation import rotate, tidy, used_keys
from mantle.store.sealed import Locked

HIDDEN, AGAIN, SIGNALLED, KEPT, SINK = (
    f"canary-{word}-5d1e77" for word in ("hidden", "again", "signalled", "kept", "sink")
)

INNER = """
heat_template_version: 2018-08-31
parameters:
  given: {type: string}
resources:
  inside: {type: OS::Heat::Value, properties: {value: {get_param: given}}}
outputs:
  told: {value: {get_attr: [inside, value]}}
"""

TEMPLATE = """
heat_template_version: 2018-08-31
parameters:
  password: {type: string, hidden: true}
  size: {type: number, default: 12}
resources:
  random: {type: OS::Heat::RandomString, properties: {length: {get_param: size}}}
  pair: {type: OS::Nova::KeyPair, properties: {name: pair, save_private_key: true}}
  handle: {type: OS::Heat::WaitConditionHandle}
  wait:
    type: OS::Heat::WaitCondition
    properties: {handle: {get_resource: handle}, timeout: 600}
  aws_handle: {type: AWS::CloudFormation::WaitConditionHandle}
  user: {type: AWS::IAM::User, properties: {LoginProfile: {Password: {get_param: password}}}}
  key: {type: AWS::IAM::AccessKey, properties: {UserName: {get_resource: user}}}
  config:
    type: OS::Heat::SoftwareConfig
    properties: {group: script, config: {list_join: ['', ['echo ', {get_param: password}]]}}
  server:
    type: OS::Nova::Server
    metadata: {note: {get_param: password}}
    properties:
      flavor: m1.small
      image: cirros
      admin_pass: {get_param: password}
      user_data_format: SOFTWARE_CONFIG
      user_data:
        str_replace:
          template: "set $password $url $aws"
          params:
            $password: {get_param: password}
            $url: {get_attr: [handle, curl_cli]}
            $aws: {get_resource: aws_handle}
  deployment:
    type: OS::Heat::SoftwareDeployment
    properties:
      config: {get_resource: config}
      server: {get_resource: server}
      signal_transport: NO_SIGNAL
      input_values: {word: {get_param: password}}
  nested: {type: inner.yaml, properties: {given: {get_param: password}}}
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def: {type: inner.yaml, properties: {given: {get_attr: [random, value]}}}
outputs:
  told: {value: {get_attr: [nested, told]}}
  random: {value: {get_attr: [random, value]}}
"""

PLAIN = """
heat_template_version: 2018-08-31
parameters:
  size: {type: string, default: big}
resources:
  one: {type: OS::Heat::Value, properties: {value: {get_param: size}}}
  many:
    type: OS::Heat::ResourceGroup
    properties: {count: 3, resource_def: {type: OS::Heat::Value, properties: {value: x}}}
  server:
    type: OS::Nova::Server
    properties: {flavor: m1.small, image: cirros, user_data_format: RAW, user_data: "echo"}
outputs:
  size: {value: {get_attr: [one, value]}}
"""


def source(template=TEMPLATE, **parameters):
    return TemplateSource(template=template, files={"inner.yaml": INNER}, parameters=parameters)


def stored(database) -> bytes:
    """Every byte that the database keeps: SQLite's pages, or each value of each table."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            return connection.connection.driver_connection.serialize()
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        names = connection.execute(text(query)).scalars().all()
        rows = [
            row for name in names for row in connection.execute(text(f'SELECT * FROM "{name}"'))
        ]
        values = [value for row in rows for value in row]
        return b"\n".join(
            bytes(each) if isinstance(each, bytes | memoryview) else str(each).encode()
            for each in values
        )


def standing_in(data: bytes, canaries) -> list[str]:
    """The canaries that stand there: as they are, as JSON writes them, in base64 or hexadecimal."""
    found = []
    for name, canary in canaries.items():
        plain = canary.encode()
        middle = base64.b64encode(plain)[4:-4]
        forms = (plain, json.dumps(canary)[1:-1].encode(), middle, plain.hex().encode())
        if any(form and form in data for form in forms):
            found.append(name)
    return found


async def lived(control) -> dict[str, str]:
    """A stack's life with secrets in every place there is; answers what must stand nowhere."""
    created, _ = await create_stack(
        control, CALLER, CreateRequest(name="s", source=source(password=HIDDEN))
    )
    while (await show_resource(control, created, "handle")).record.state != "CREATE_COMPLETE":
        await asyncio.sleep(1)
    await signal_resource(control, created, "handle", {"id": "1", "data": SIGNALLED})
    await quiet(control)
    stack = await find_stack(control, CALLER.project_id, "s")
    assert stack.state == "CREATE_COMPLETE", stack.reason
    canaries = {"hidden": HIDDEN, "signalled": SIGNALLED, "again": AGAIN, "kept": KEPT}
    for view in await list_resources(control, stack):
        row = view.record
        held = {
            "random": row.attributes.get("value"),
            "pair": row.attributes.get("private_key"),
            "handle": row.attributes.get("token"),
            "key": row.attributes.get("SecretAccessKey"),
            "aws_handle": row.data.get("url"),
        }.get(row.name)
        if held:
            canaries[row.name] = held
    assert {"random", "pair", "handle", "key", "aws_handle"} <= set(canaries)
    await take_snapshot(control, CALLER, stack, "first")
    await quiet(control)
    change = UpdateRequest(existing=True, parameters={"password": AGAIN})
    await save_plan(control, CALLER, SaveRequest(action=Action.UPDATE, stack=stack, update=change))
    await update_stack(control, CALLER, stack, change)
    await quiet(control)
    await add_secret(control, CALLER, "far", json.dumps({"auth_type": "password", "x": KEPT}))
    return canaries


@pytest.mark.proves("language: hidden parameters are sealed at rest")
@pytest.mark.proves("environment: encrypted_param_names")
def test_no_canary_stands_in_the_database_and_all_are_read_as_before():
    plant, seen = Plant(), {}

    async def story(control):
        seen.update(await lived(control))
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        server = (await show_resource(control, stack, "server")).record
        seen_now = (server.properties["admin_pass"], dict(stack.outputs)["told"])
        assert seen_now == (AGAIN, AGAIN)
        document = await export_stack(control, stack)
        assert document["environment"]["parameters"]["password"] == AGAIN

    assert plant.life(story)
    assert standing_in(stored(plant.database), seen) == []


async def refused_inside(control) -> list[str]:
    """A stack whose nested stack gives the secret, no longer hidden, to a cloud that quotes it."""
    inner = INNER.partition("outputs:")[0] + (
        "  bad: {type: OS::Nova::Server, properties: {image: cirros, flavor: {get_param: given}}}\n"
    )
    outer = (
        "heat_template_version: 2018-08-31\n"
        "parameters: {password: {type: string, hidden: true}}\n"
        "resources:\n"
        "  random: {type: OS::Heat::RandomString}\n"
        "  one: {type: inner.yaml, properties: {given: {get_param: password}}}\n"
    )
    files = {"inner.yaml": inner}
    source = TemplateSource(template=outer, files=files, parameters={"password": HIDDEN})
    await create_stack(control, CALLER, CreateRequest(name="t", source=source))
    await quiet(control)
    stack = await find_stack(control, CALLER.project_id, "t")
    assert stack.state == "CREATE_FAILED"
    events = await list_events(control, stack, EventQuery(nested_depth=3))
    rows = await list_resources(control, stack, 3)
    assert "******" in stack.reason, stack.reason
    return [stack.reason, *(repr(each) for each in events), *(repr(each) for each in rows)]


async def nested_plans(control, stack) -> list[str]:
    """The plans of all stacks inside, which show what each is given."""
    found = []
    for view in await list_resources(control, stack, 3):
        inner = view.nested_stack
        for operation in await list_operations(control, inner) if inner is not None else ():
            plan = await find_plan(control, CALLER.project_id, operation.plan_id)
            found += [json.dumps(plan_json(plan), default=str)]
    assert found
    return found


@pytest.mark.proves("beyond: no secret in an event, a plan, a log or an error")
def test_no_canary_stands_in_an_event_a_plan_an_explanation_a_log_or_an_error(capfd, caplog):
    plant, told, seen = Plant(), [], {}

    async def story(control):
        seen.update(await lived(control))
        stack = await find_stack(control, CALLER.project_id, "s")
        change = UpdateRequest(existing=True, parameters={"password": HIDDEN, "size": 13})
        plan = await plan_update(control, CALLER, stack, change)
        told.append(json.dumps([plan_json(plan), render(plan)], default=str))
        told.append(json.dumps(await stack_parameters(control, stack)))
        events = await list_events(control, stack, EventQuery(nested_depth=3))
        told.extend(repr(view) for view in events)
        for operation in await list_operations(control, stack):
            told.append(repr(await explain_operation(control, operation)))
            told.append(operation.reason)
        wrong = "{'type': 'string', 'hidden': 'true', 'constraints': [{'length': {'max': 3}}]}"
        narrow = TEMPLATE.replace("{type: string, hidden: true}", wrong)
        short = UpdateRequest(
            template=narrow, files={"inner.yaml": INNER}, parameters={"password": HIDDEN}
        )
        with pytest.raises(MantleError) as refused:
            await update_stack(control, CALLER, stack, short)
        told.append(str(refused.value))
        plain = TEMPLATE.replace("flavor: m1.small", "flavor: {get_param: password}")
        broken = UpdateRequest(
            template=plain, files={"inner.yaml": INNER}, parameters={"password": HIDDEN}
        )
        try:
            await update_stack(control, CALLER, stack, broken)
        except MantleError as error:
            told.append(str(error))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        told.append(stack.reason)
        told.extend(view.record.reason for view in await list_resources(control, stack))
        told.extend(repr(view) for view in await list_events(control, stack, EventQuery()))
        told.extend(await refused_inside(control))
        told.extend(await nested_plans(control, stack))

    assert plant.life(story)
    out = capfd.readouterr()
    everything = [*told, out.out, out.err, caplog.text]
    leaks = [(each[:300], standing_in(each.encode(), seen)) for each in everything]
    assert not [leak for leak in leaks if leak[1]], [leak for leak in leaks if leak[1]]


def test_a_stack_without_secrets_seals_no_row(monkeypatch):
    """Only what there is one of for each request is sealed: plans and templates."""
    plant = Plant()

    async def story(control):
        request = CreateRequest(name="s", source=source(PLAIN))
        await create_stack(control, CALLER, request)
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert (stack.state, stack.confidential) == ("CREATE_COMPLETE", False)

    assert plant.life(story)
    with plant.database.engine.connect() as connection:
        count = "SELECT count(*) FROM {} WHERE substr({}, 1, 2) = :mark"
        found = {
            (table, column): connection.scalar(text(count.format(table, column)), {"mark": b"\0\1"})
            for table, column in (
                ("resources", "properties"),
                ("resources", "attributes"),
                ("resources", "data"),
                ("stacks", "outputs"),
            )
        }
    assert set(found.values()) == {0}


def test_a_secret_that_only_a_member_has_makes_the_tree_confidential():
    """What the group will hold is known only when it is made."""
    plant = Plant()
    template = """
heat_template_version: 2018-08-31
resources:
  name: {type: OS::Heat::Value, properties: {value: OS::Heat::RandomString}}
  child:
    type: OS::Heat::Stack
    properties:
      template:
        str_replace:
          template: |
            heat_template_version: 2018-08-31
            resources: {r: {type: KIND}}
            outputs: {o: {value: {get_attr: [r, value]}}}
          params: {KIND: {get_attr: [name, value]}}
  after:
    type: OS::Heat::Value
    properties: {value: {get_attr: [child, outputs, o]}}
outputs:
  o: {value: {get_attr: [after, value]}}
"""
    seen = {}

    async def story(control):
        await create_stack(control, CALLER, CreateRequest(name="s", source=source(template)))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "CREATE_COMPLETE", stack.reason
        seen["value"] = stack.outputs["o"]

    assert plant.life(story)
    assert len(seen["value"]) == 32
    assert standing_in(stored(plant.database), seen) == []


def test_a_move_seals_its_rows_for_their_new_place():
    """And what they come to is confidential from then on."""
    plant = Plant()

    async def story(control):
        template = (
            "heat_template_version: 2018-08-31\n"
            "parameters: {password: {type: string, hidden: true}}\n"
            "resources:\n"
            "  stays: {type: OS::Heat::Value, properties: {value: x}}\n"
            "  goes: {type: OS::Heat::RandomString}\n"
        )
        first = CreateRequest(name="one", source=source(template, password=HIDDEN))
        other = CreateRequest(name="two", source=source(PLAIN))
        for request in (first, other):
            await create_stack(control, CALLER, request)
        await quiet(control)
        one, two = [await find_stack(control, CALLER.project_id, n) for n in ("one", "two")]
        value = (await show_resource(control, one, "goes")).record.attributes["value"]
        asked = MoveRequest(
            kind=MoveKind.MOVE, source_id=one.id, names={"goes": "gone"}, target_id=two.id
        )
        saved = await plan_move(control, CALLER, asked)
        await apply_move(control, CALLER, saved.id)
        two = await find_stack(control, CALLER.project_id, "two")
        moved = (await show_resource(control, two, "gone")).record
        assert (moved.attributes["value"], two.confidential) == (value, True)
        assert standing_in(stored(plant.database), {"value": value, "hidden": HIDDEN}) == []

    assert plant.life(story)


def test_the_address_of_an_event_sink_and_the_signing_key_are_sealed():
    """Both are as good as passwords. The sink is found again by its address."""
    plant, seen = Plant(), {}

    async def story(control):
        await create_stack(control, CALLER, CreateRequest(name="s", source=source(PLAIN)))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        sinks = [Sink(target=f"https://hooks.example.org/{SINK}", ttl_seconds=60.0)]
        for _ in range(2):
            await control.database.write(sink_rows.follow, stack, sinks, control.new_id)
        (found,) = await control.database.read(sink_rows.of_stack, stack.id)
        assert found.target.endswith(SINK)
        await control.database.write(sink_rows.follow, stack, [], control.new_id)
        seen["sink"] = SINK
        seen["key"] = await control.database.write(event_rows.setting, "signing_key")
        assert await control.database.write(event_rows.setting, "signing_key") == seen["key"]

    assert plant.life(story)
    assert standing_in(stored(plant.database), seen) == []


# --- exchanging keys -------------------------------------------------------------------------

NEW = KeyRing([Key(b"n" * 32), *RING.keys])


@pytest.mark.proves("beyond: keys of secrets are exchanged while the control plane runs")
def test_after_the_exchange_nothing_needs_the_old_key():
    plant = Plant()
    told = {}

    async def story(control):
        await lived(control)
        told["before"] = await control.database.read(used_keys)
        control.database.seal_with(NEW)
        told["first"] = await rotate(control.database, NEW)
        told["second"] = await rotate(control.database, NEW)
        control.database.seal_with(KeyRing(NEW.keys[:1]))
        stack = await find_stack(control, CALLER.project_id, "s")
        change = UpdateRequest(existing=True, parameters={"size": 14})
        await update_stack(control, CALLER, stack, change)
        await quiet(control)
        told["state"] = (await find_stack(control, CALLER.project_id, "s")).state
        told["after"] = set(await control.database.read(used_keys))

    assert plant.life(story)
    assert set(told["before"]) == set(RING.ids)
    assert (told["first"].sealed, told["first"].failed) == (sum(told["before"].values()), [])
    assert told["second"].sealed == 0
    assert (told["state"], told["after"]) == ("UPDATE_COMPLETE", {NEW.ids[0]})


def test_what_an_earlier_release_left_plain_is_read_and_then_sealed():
    """Stacks of before are of unknown contents, so they count as confidential."""
    plant, seen = Plant(), {}

    async def before(control):
        from mantle.store.tables.base import _sealers

        _sealers.pop(control.database.engine.dialect)
        seen.update(await lived(control))

    async def after(control):
        control.database.seal_with(RING)
        with control.database.engine.begin() as connection:
            connection.execute(text("UPDATE stacks SET confidential = NULL"))
        stack = await find_stack(control, CALLER.project_id, "s")
        assert dict(stack.outputs)["told"] == AGAIN
        told = await rotate(control.database, RING)
        assert told.plain == told.sealed > 0
        assert (await rotate(control.database, RING)).sealed == 0
        stack = await find_stack(control, CALLER.project_id, "s")
        assert dict(stack.outputs)["told"] == AGAIN

    assert plant.life(before)
    assert plant.life(after)
    tidy(plant.database)
    assert standing_in(stored(plant.database), seen) == []


def test_what_does_not_open_fails_its_own_operation_and_no_other():
    """A row was altered beside Mantle while its stack's update waited for its turn."""
    plant = Plant()

    async def story(control):
        for name in ("s", "fine"):
            request = CreateRequest(name=name, source=source(password=HIDDEN))
            if name == "fine":
                request = replace(request, source=source(PLAIN))
            await create_stack(control, CALLER, request)
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        fine = await find_stack(control, CALLER.project_id, "fine")
        change = UpdateRequest(existing=True, parameters={"size": 13})
        await update_stack(control, CALLER, stack, change)
        await update_stack(control, CALLER, stack, replace(change, parameters={"size": 14}))
        with control.database.engine.begin() as connection:
            mine = f"stack_id = '{stack.id}' AND name = 'user'"
            bad = "(SELECT properties FROM resources WHERE name = 'server' AND stack_id = :s)"
            query = f"UPDATE resources SET properties = {bad} WHERE {mine}"
            connection.execute(text(query), {"s": stack.id})
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_FAILED", stack.state
        assert "cannot be opened" in stack.reason
        assert "Restore the row from a backup" in stack.reason
        await update_stack(control, CALLER, fine, UpdateRequest(existing=True))
        await quiet(control)
        fine = await find_stack(control, CALLER.project_id, "fine")
        assert fine.state == "UPDATE_COMPLETE"
        seen = await control.database.read(resource_rows.readable_of_stacks, [stack.id, fine.id])
        assert {row.stack_id for row in seen} == {fine.id}

    assert plant.life(story)


def test_a_wrong_key_stops_what_needs_it_and_nothing_else():
    """The error says what, why and what to do; a stack made since is not concerned."""
    plant = Plant()

    async def story(control):
        request = CreateRequest(name="s", source=source(password=HIDDEN))
        await create_stack(control, CALLER, replace(request, source=source(PLAIN), name="fine"))
        await quiet(control)
        control.database.seal_with(KeyRing(NEW.keys[:1]))
        stack = await find_stack(control, CALLER.project_id, "fine")
        with pytest.raises(Locked) as refused:
            await update_stack(control, CALLER, stack, UpdateRequest(existing=True))
        assert RING.ids[0] in str(refused.value)
        await create_stack(control, CALLER, replace(request, name="other", source=source(PLAIN)))
        await quiet(control)
        other = await find_stack(control, CALLER.project_id, "other")
        assert other.state == "CREATE_COMPLETE"
        control.database.seal_with(NEW)
        await update_stack(control, CALLER, stack, UpdateRequest(existing=True))

    assert plant.life(story)
