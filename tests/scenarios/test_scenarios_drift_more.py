"""More rules of drift: corrections that are refused or killed, secrets, and what is compared."""

import asyncio
import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from power import CALLER, Plant, quiet
from test_scenarios_drift import drift, made, rows, settled

from mantle.clouds.ports import KeyPairSpec
from mantle.model.drift import DriftPolicy
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import Token
from mantle.model.status import Status
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.drift import correct_drift, list_drift, look, set_drift_policy
from mantle.stacks.policies import RuleRequest, set_rule
from mantle.stacks.queries import EventQuery, list_events
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import stacks as stack_rows

TWO = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  other: {type: OS::Neutron::Net, properties: {name: outer}}
"""


def told(story, plant=None):
    assert (plant or Plant()).life(story)


async def by_hand(control, stack, resource, name):
    session = control.machine.session(stack)
    net = (await rows(control, stack))[resource].physical_id
    spec = (await session.networks.get(net)).spec
    await session.networks.update(net, dataclasses.replace(spec, name=name))
    return net


async def name_of(control, stack, net):
    return (await control.machine.session(stack).networks.get(net)).name


def test_correct_for_one_resource_leaves_the_alert_of_another_alone():
    async def story(control):
        stack = await made(control, TWO)
        await set_drift_policy(control, stack, DriftPolicy.CORRECT, "net")
        await by_hand(control, stack, "net", "x")
        other = await by_hand(control, stack, "other", "y")
        await look(control, stack.project_id, stack.cloud)
        stack = await settled(control)
        assert await name_of(control, stack, other) == "y"

    told(story)


def test_a_correction_that_is_refused_leaves_rows_and_findings_as_they_were():
    async def story(control):
        stack = await made(control, TWO)
        rule = RuleRequest(name="frozen", effect="deny", expression="true", actions=("update",))
        await by_hand(control, stack, "net", "x")
        await look(control, stack.project_id, stack.cloud)
        await set_rule(control, CALLER, rule)
        with pytest.raises(MantleError):
            await correct_drift(control, CALLER, stack)
        row = (await rows(control, stack))["net"]
        assert (row.status, await drift(control, stack)) == (Status.COMPLETE, [("net", "name")])

    told(story)


def test_a_kill_while_correcting_loses_nothing():
    """After every cut: either the drift is corrected, or it is still told."""
    bad, cut = [], 0
    while True:
        plant = Plant()

        async def prepare(control):
            stack = await made(control, TWO)
            await by_hand(control, stack, "net", "x")
            await look(control, stack.project_id, stack.cloud)

        assert plant.life(prepare)
        plant.armed, plant.cut_at, plant.moments = True, cut, []

        async def correct(control):
            await correct_drift(control, CALLER, await settled(control))
            await quiet(control)

        whole = plant.life(correct)
        moments = list(plant.moments)
        plant.armed = False

        async def after(control, moments=moments, cut=cut):
            stack = await settled(control)
            await look(control, stack.project_id, stack.cloud)
            row = (await rows(control, stack))["net"]
            name = await name_of(control, stack, row.physical_id)
            if name != "inner" and await drift(control, stack) == []:
                bad.append((cut, moments[-1], name, str(row.status), stack.state))

        assert plant.life(after)
        if whole:
            break
        cut += 1
    assert bad == []


def test_a_finding_ends_when_its_resource_leaves_the_template():
    async def story(control):
        stack = await made(control, TWO)
        await by_hand(control, stack, "other", "y")
        await look(control, stack.project_id, stack.cloud)
        only = TWO[: TWO.index("  other")]
        await update_stack(control, CALLER, stack, UpdateRequest(template=only))
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []

    told(story)


def test_a_finding_that_is_ignored_later_ends_as_ignored():
    async def story(control):
        stack = await made(control, TWO)
        await by_hand(control, stack, "net", "x")
        await look(control, stack.project_id, stack.cloud)
        await set_drift_policy(control, stack, DriftPolicy.IGNORE)
        await look(control, stack.project_id, stack.cloud)
        (past,), _ = await list_drift(control, stack, ended=True)
        assert past.ending == "ignored"

    told(story)


def test_a_hidden_value_is_in_no_finding_and_no_event():
    template = """
heat_template_version: 2018-08-31
parameters: {secret: {type: string, hidden: true}}
resources:
  net: {type: OS::Neutron::Net}
  port: {type: OS::Neutron::Port, properties: {network: {get_resource: net}}}
  server:
    type: OS::Nova::Server
    properties:
      {flavor: m1.small, image: cirros, metadata: {p: {get_param: secret}},
       networks: [{port: {get_resource: port}}]}
"""

    async def story(control):
        source = TemplateSource(template=template, parameters={"secret": "s3cr3t"})
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        stack = await settled(control)
        assert stack.state == "CREATE_COMPLETE", stack.reason
        session = control.machine.session(stack)
        server = (await rows(control, stack))["server"].physical_id
        spec = (await session.servers.get(server)).spec
        await session.servers.update(server, dataclasses.replace(spec, metadata={"p": "other"}))
        await look(control, stack.project_id, stack.cloud)
        findings, _ = await list_drift(control, stack)
        assert findings
        events = await list_events(control, stack, EventQuery(resource="server"))
        said = repr(findings) + repr([view.event.reason for view in events])
        assert "s3cr3t" not in said

    told(story)


def test_all_values_are_hidden_where_the_template_cannot_be_read_any_more():
    """Which parameters are hidden nobody knows then; that something differs is told even so."""
    template = """
heat_template_version: 2018-08-31
parameters: {secret: {type: string, hidden: true, default: s3cr3t}}
resources: {net: {type: OS::Neutron::Net, properties: {name: {get_param: secret}}}}
"""

    async def story(control):
        stack = await made(control, template)
        await by_hand(control, stack, "net", "x")

        def unread(connection):
            source = TemplateSource(template="heat_template_version: 2999-01-01")
            source_id = stack_rows.add_source(connection, source, 0.0)
            stack_rows.save(connection, dataclasses.replace(stack, source_id=source_id))

        await control.database.write(unread)
        await look(control, stack.project_id, stack.cloud)
        (finding,), _ = await list_drift(control, stack)
        assert "s3cr3t" not in repr(finding)
        assert finding.difference.path == "name"

    told(story)


WHOLE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24, dns_nameservers: [10.1.0.5]}
  group: {type: OS::Neutron::SecurityGroup, properties: {rules: [{protocol: tcp}]}}
  port:
    type: OS::Neutron::Port
    depends_on: subnet
    properties: {network: {get_resource: net}, security_groups: [{get_resource: group}]}
  volume: {type: OS::Cinder::Volume, properties: {size: 1, metadata: {a: b}}}
"""


@pytest.mark.parametrize(
    ("resource", "collection", "field", "value"),
    [
        ("port", "ports", "security_groups", ()),
        ("port", "ports", "allowed_address_pairs", ({"ip_address": "0.0.0.0/0"},)),
        ("port", "ports", "port_security_enabled", False),
        ("group", "security_groups", "rules", ()),
        ("subnet", "subnets", "dns_nameservers", ("10.6.6.6",)),
        ("volume", "volumes", "metadata", {"a": "c"}),
    ],
)
def test_a_changed_field_is_found(resource, collection, field, value):
    async def story(control):
        stack = await made(control, WHOLE)
        objects = getattr(control.machine.session(stack), collection)
        physical = (await rows(control, stack))[resource].physical_id
        spec = (await objects.get(physical)).spec
        await objects.update(physical, dataclasses.replace(spec, **{field: value}))
        now = await objects.get(physical)
        await look(control, stack.project_id, stack.cloud)
        assert (await drift(control, stack), getattr(now.spec, field)) == (
            [(resource, field)],
            value,
        )

    told(story)


def test_a_key_pair_made_anew_with_another_key_is_found():
    """Its id is its name, so that the object is there, and is another."""
    template = """
heat_template_version: 2018-08-31
resources:
  key: {type: OS::Nova::KeyPair, properties: {name: k, public_key: ssh-ed25519 AAAA}}
"""

    async def story(control):
        stack = await made(control, template)
        pairs = control.machine.session(stack).key_pairs
        await pairs.delete("k")
        await asyncio.sleep(5)
        await pairs.create(KeyPairSpec(name="k", public_key="ssh-ed25519 BBBB"), Token("other"))
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) != []

    told(story)
