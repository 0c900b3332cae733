"""Constraints that only a cloud can check: asked in bulk, refused with what there is instead."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import Denied, NetworkSpec, Unavailable
from mantle.clouds.simulated.faults import Moment
from mantle.model.errors import Invalid, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import Token
from mantle.stacks.asking import KINDS, Catalogue
from mantle.stacks.create import CreateRequest, create_stack, preview_stack
from mantle.stacks.queries import find_stack
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.stacks.validate import validate_template
from mantle.template.constraints import OF_SERVICES

HEAD = "heat_template_version: 2018-08-31\n"
SERVER = """resources:
  web:
    type: OS::Nova::Server
    properties:
      image: cirros
      flavor: m1.smal
      networks: [{network: public}]
"""
PORTS = "resources:\n" + "".join(
    f"  p{each}: {{type: OS::Neutron::Port, properties: {{network: NETWORK}}}}\n"
    for each in range(5)
)


def parameter(constraint, value, more=""):
    return f"""{HEAD}parameters:
  wanted:
    type: string
    default: {value}
    constraints: [{{custom_constraint: {constraint}{more}}}]
"""


def told(story, plant=None):
    assert (plant or Plant()).life(story)


async def problems(control, template, **given):
    request = CreateRequest(name="s", source=TemplateSource(template=template, **given))
    with pytest.raises(Invalid) as caught:
        await create_stack(control, CALLER, request)
    return caught.value.problems


@pytest.mark.proves("parameter: custom constraints asked of the cloud")
def test_an_unknown_flavor_is_refused_with_its_line_and_what_there_is():
    """Where it stands, what it may have been meant to be, and what the cloud has."""

    async def story(control):
        (problem,) = await problems(control, HEAD + SERVER)
        assert (problem.where, str(problem.mark)) == (
            "resources.web.properties.flavor",
            "template:7:7",
        )
        assert problem.message == (
            "Property error: : resources.web.properties.flavor: : Error validating value "
            "'m1.smal': The flavor (m1.smal) could not be found."
        )
        assert problem.remedy == (
            "Did you mean 'm1.small'? Cloud 'simulated' has: "
            "m1.large, m1.medium, m1.small, m1.tiny."
        )

    told(story)


def test_all_problems_come_at_once():
    """Those the cloud finds beside those of the template itself."""

    async def story(control):
        template = HEAD + SERVER.replace("cirros", "windows") + "      nonsense: 1\n"
        found = await problems(control, template)
        assert sorted(each.code for each in found) == [
            "cloud-constraint",
            "cloud-constraint",
            "unknown-property",
        ]

    told(story)


@pytest.mark.parametrize(
    ("constraint", "value", "message"),
    [
        ("nova.flavor", "huge", "The flavor (huge) could not be found."),
        ("glance.image", "windows", "The image (windows) could not be found."),
        ("neutron.network", "dark", "The network (dark) could not be found."),
        ("neutron.subnet", "dark", "The subnet (dark) could not be found."),
        ("neutron.port", "dark", "The port (dark) could not be found."),
        ("neutron.router", "dark", "The router (dark) could not be found."),
        ("neutron.security_group", "g", "The security group (g) could not be found."),
        ("nova.keypair", "k", "The key pair (k) could not be found."),
        ("nova.server", "s", "The server (s) could not be found."),
        ("cinder.volume", "v", "The volume (v) could not be found."),
        ("octavia.loadbalancer", "v", "The load balancer (v) could not be found."),
        ("octavia.pool", "v", "The pool (v) could not be found."),
        ("trove.flavor", "x", "asks the service 'trove', which cloud 'simulated' does not have"),
        ("zaqar.queue", "x", "asks the service 'zaqar', which cloud 'simulated' does not have"),
    ],
)
def test_a_parameter_with_a_constraint_is_asked_about(constraint, value, message):
    """At the line of the parameter, in Heat's form; a service the cloud lacks is named."""

    async def story(control):
        (problem,) = await problems(control, parameter(constraint, value))
        assert problem.message.startswith("Parameter 'wanted' is invalid: ")
        assert (message in problem.message, problem.mark.line) == (True, 3)
        assert problem.remedy

    told(story)


@pytest.mark.parametrize(
    "template",
    [
        parameter("nova.flavor", "m1.tiny"),
        parameter("nova.flavor", "'1'"),
        parameter("nova.flavor", "''"),
        parameter("neutron.network", "public"),
        parameter("neutron.security_group", "default"),
        parameter("cinder.vtype", "fast"),
    ],
)
def test_what_is_there_passes(template):
    """By name or by id; an empty text asks for nothing; what cannot be listed is let through."""

    async def story(control):
        source = TemplateSource(template=template)
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))

    told(story)


def test_the_authors_own_words_come_first_and_hidden_values_stay_hidden():
    """A constraint's description replaces the reason; a hidden value is in no message."""

    async def story(control):
        given = parameter("nova.flavor", "s3cret", ", description: Ask the platform team")
        (problem,) = await problems(control, given)
        assert problem.message == "Parameter 'wanted' is invalid: Ask the platform team"
        hidden = parameter("nova.flavor", "s3cret").replace(
            "type: string", "type: string\n    hidden: true"
        )
        (problem,) = await problems(control, hidden)
        assert "s3cret" not in str(problem)

    told(story)


def test_two_of_the_same_name_are_ambiguous():
    """As for Heat's clients: then only an id will do."""

    async def story(control):
        networks = control.cloud.session(CALLER.project_id).networks
        for token in ("a", "b"):
            await networks.create(NetworkSpec(name="twin"), Token(token))
        (problem,) = await problems(control, parameter("neutron.network", "twin"))
        assert "there are 2 of this name" in problem.message
        assert problem.remedy.startswith("Use an id instead: ")

    told(story)


def test_one_list_call_answers_for_any_number_of_resources():
    """The cloud is asked once for each kind in one request, also through nested templates."""
    calls = []

    async def story(control):
        plain = plant.faults.hook

        def counting(moment, call):
            if moment is Moment.BEFORE:
                calls.append(call)
            plain(moment, call)

        plant.faults.hook = counting
        template = HEAD + PORTS.replace("NETWORK", "public") + "  inner: {type: inner.yaml}\n"
        source = TemplateSource(
            template=template, files={"inner.yaml": HEAD + PORTS.replace("NETWORK", "public")}
        )
        await preview_stack(control, CALLER, CreateRequest(name="s", source=source))
        assert calls == ["networks.list"]

    plant = Plant()
    told(story, plant)


def test_inside_nested_templates_the_file_is_named():
    """The place is that of the nested file."""

    async def story(control):
        inner = HEAD + PORTS.replace("NETWORK", "dark")
        found = await problems(
            control,
            HEAD + "resources: {inner: {type: inner.yaml}}\n",
            files={"inner.yaml": inner},
        )
        assert {each.mark.file for each in found} == {"inner.yaml"}

    told(story)


@pytest.mark.parametrize("error", [Unavailable("the network is down"), Denied("no rights")])
def test_a_cloud_that_cannot_answer_refuses_nothing(error):
    """Validating warns and says what was not checked; a create goes on."""

    async def story(control):
        plain = plant.faults.hook

        def broken(moment, call):
            plain(moment, call)
            if call == "networks.list":
                raise error

        plant.faults.hook = broken
        source = TemplateSource(template=parameter("neutron.network", "dark"))
        report = await validate_template(control, CALLER, source)
        (warned,) = [each for each in report.warnings if each.rule == "MTL044"]
        assert warned.message == (
            "'dark': not checked against neutron.network: cloud 'simulated' could not be asked "
            f"({error.message})."
        )
        assert (warned.line, warned.fix) == (
            3,
            "A wrong value would show when the resource is made.",
        )
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))

    plant = Plant()
    told(story, plant)


def test_a_cloud_that_does_not_answer_in_time_is_not_waited_for():
    """A request ends; virtual time shows the bound."""

    async def story(control):
        plant.faults.latency_seconds = 3600.0
        begun = control.clock.now()
        catalogue = Catalogue(clouds=control.clouds, project_id=CALLER.project_id, now=0.0)
        answers = await catalogue.of("simulated", ["neutron.network", "neutron.port"])
        assert {type(each).__name__ for each in answers.values()} == {"NotAsked"}
        assert control.clock.now() - begun == pytest.approx(15.0)

    plant = Plant()
    told(story, plant)


@pytest.mark.proves("beyond: a stack stays updatable when what it was made from is gone")
def test_an_update_asks_only_about_what_is_new():
    """A value the stack has already is no reason to refuse its update; another one is."""

    async def story(control):
        networks = control.cloud.session(CALLER.project_id).networks
        old = await networks.create(NetworkSpec(name="old"), Token("old"))
        template = parameter("neutron.network", "old")
        source = TemplateSource(template=template)
        stack, _ = await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        await quiet(control)
        await networks.delete(old.id)
        await update_stack(control, CALLER, stack, UpdateRequest(template=template))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_COMPLETE"
        request = UpdateRequest(template=parameter("neutron.network", "gone"))
        with pytest.raises(MantleError, match=r"The network \(gone\) could not be found"):
            await update_stack(control, CALLER, stack, request)

    told(story)


def test_every_constraint_that_is_asked_is_one_of_heats():
    """The table holds no name of our own."""
    names = {f"{service}.{what}" for service, all_ in OF_SERVICES.items() for what in all_.split()}
    assert set(KINDS) <= names
