"""Software deployments: what is deployed, what an answer means, and phases called again."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.model.event import Signal
from mantle.model.software import SoftwareConfig
from mantle.resources.heat.deriving import MissingInput, filled, judged, renewing, substituted
from mantle.resources.kit import Delegate, Done, Failed, Replace
from mantle.resources.registry import default_registry

REGISTRY = default_registry()
DEPLOYMENT, STRUCTURED = "OS::Heat::SoftwareDeployment", "OS::Heat::StructuredDeployment"


def config(**fields) -> SoftwareConfig:
    return SoftwareConfig(
        **{"id": "c1", "project_id": "p1", "name": "c", "created_at": 1, **fields}
    )


class Shelf:
    """The port in memory; every write is counted."""

    def __init__(self, *configs):
        self.configs = {each.id: each for each in configs}
        self.deployments = {}
        self.writes = []

    async def config(self, config_id):
        return self.configs.get(config_id)

    async def deployment(self, deployment_id):
        return self.deployments.get(deployment_id)

    async def deploy(self, config, deployment):
        self.writes.append((deployment.action, deployment.status))
        self.configs[config.id] = config
        self.deployments[deployment.id] = deployment

    async def withdraw(self, deployment_id):
        self.deployments.pop(deployment_id, None)

    @property
    def one(self):
        (deployment,) = self.deployments.values()
        return deployment

    @property
    def inputs(self):
        return {each["name"]: each["value"] for each in self.configs[self.one.config_id].inputs}


def said(at: float = 2000.0, **body) -> Signal:
    return Signal(id=str(at), body=body, at=at)


@pytest.fixture
def deployed(row):
    """A deployment over a shelf: `deployed(shelf, {...})`."""

    def make(shelf, properties=None, kind=DEPLOYMENT, **context):
        given = {"config": "c1", "server": "srv", **(properties or {})}
        return row(kind, given, software=shelf, **context)

    return make


# --- the derived config ----------------------------------------------------------------------


def test_inputs_are_those_declared_those_given_and_our_own(deployed):
    """A value that was given counts before a default; one nobody declared is a string."""
    shelf = Shelf(
        config(
            config="echo",
            inputs=({"name": "a", "type": "Number", "default": 1}, {"name": "b", "default": 2}),
        )
    )
    it = deployed(shelf, {"input_values": {"a": 5, "extra": "x"}}, signals=(said(),))
    assert isinstance(it.create(stutter=True), Done)
    ours = {name: value for name, value in shelf.inputs.items() if name.startswith("deploy_")}
    rest = {name: value for name, value in shelf.inputs.items() if name not in ours}
    assert rest == {"a": 5, "b": 2, "extra": "x"}
    assert {name: ours[name] for name in ours if name != "deploy_signal_id"} == {
        "deploy_server_id": "srv",
        "deploy_action": "CREATE",
        "deploy_stack_id": "st/s1",
        "deploy_resource_name": "it",
        "deploy_signal_transport": "CFN_SIGNAL",
        "deploy_signal_verb": "POST",
    }
    assert ours["deploy_signal_id"].startswith("http://m/cfn/v1/signal/arn")


@pytest.mark.parametrize(
    ("transport", "names"),
    [
        ("TEMP_URL_SIGNAL", {"deploy_signal_id", "deploy_signal_verb"}),
        ("NO_SIGNAL", set()),
        (
            "HEAT_SIGNAL",
            {
                *("deploy_auth_url", "deploy_username", "deploy_user_id", "deploy_password"),
                *("deploy_project_id", "deploy_region_name"),
            },
        ),
    ],
)
def test_each_transport_tells_how_to_answer(deployed, transport, names):
    """And nothing of the others."""
    shelf = Shelf(config())
    deployed(shelf, {"signal_transport": transport}, signals=(said(),)).create()
    always = {
        *("deploy_server_id", "deploy_action", "deploy_stack_id", "deploy_resource_name"),
        "deploy_signal_transport",
    }
    assert shelf.inputs.keys() - always == names


def test_a_queue_is_refused_by_name():
    """At validation, for each of the types."""
    for kind in (DEPLOYMENT, STRUCTURED, f"{DEPLOYMENT}Group", f"{STRUCTURED}Group"):
        check = REGISTRY.get(kind).facts.check_properties
        (problem,) = check({"signal_transport": "ZAQAR_SIGNAL"})
        assert "message queue" in problem
        assert check({"signal_transport": "CFN_SIGNAL"}) == []


# --- what an answer means --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({}, ""),
        ({"deploy_status_code": 0}, ""),
        ({"deploy_status_code": "0", "deploy_stderr": "warn"}, ""),
        ({"deploy_status_code": 3}, "deploy_status_code : Deployment exited with non-zero"),
        ({"deploy_status_code": "3"}, "deploy_status_code : Deployment exited with non-zero"),
        ({"result": "x"}, ""),
        ({"oops": "on fire"}, "oops : on fire"),
        ({"oops": ""}, ""),
        ({"oops": "a", "deploy_status_code": 1}, "deploy_status_code : "),
    ],
)
def test_a_status_or_an_error_output_is_a_failure(body, failure):
    """Anything else is a success."""
    declared = ({"name": "result"}, {"name": "oops", "error_output": True})
    told = judged(body, declared)
    assert told.failure.startswith(failure)
    assert bool(told.failure) == bool(failure)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5) | st.integers()))
def test_only_declared_outputs_are_kept(body):
    """Whatever else is in the answer, and whatever its values are."""
    told = judged(body, ({"name": "result"},))
    assert told.outputs.keys() <= {
        *("deploy_stdout", "deploy_stderr", "deploy_status_code", "result")
    }


def test_the_answers_outputs_are_attributes(deployed):
    """Null before there is one."""
    shelf = Shelf(config(outputs=({"name": "result"},)))
    it = deployed(shelf)
    assert set(it.attributes().values()) == {None}
    it = deployed(shelf, signals=(said(deploy_stdout="out", result="r", deploy_status_code=0),))
    it.create()
    assert it.attributes() == {
        "deploy_stdout": "out",
        "deploy_stderr": None,
        "deploy_status_code": 0,
        "result": "r",
    }


def test_a_failed_answer_fails_with_its_reason(deployed):
    """The deployment's record says the same."""
    shelf = Shelf(config())
    outcome = deployed(shelf, signals=(said(deploy_status_code=7),)).create()
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("Deployment to server failed: deploy_status_code : ")
    assert (shelf.one.status, shelf.one.output_values["deploy_status_code"]) == ("FAILED", 7)


# --- phases ----------------------------------------------------------------------------------


def test_a_phase_called_again_deploys_once(deployed):
    """Every call is made twice here, its first reply lost."""
    shelf = Shelf(config())
    it = deployed(shelf)
    ctx = it.ctx(started_at=1000.0)
    for _ in range(3):
        asyncio.run(it.type.create(ctx))
    assert shelf.writes == [("CREATE", "IN_PROGRESS")]


def test_an_agent_may_also_change_the_record(deployed):
    """As `openstack software deployment` and Heat's own API do."""
    shelf = Shelf(config())
    it = deployed(shelf)
    with pytest.raises(AssertionError, match="has not answered CREATE"):
        it.create(limit=1)
    shelf.deployments[it.ref.id] = replace(
        shelf.one, status="COMPLETE", output_values={"deploy_stdout": "put"}
    )
    assert isinstance(it.drive("create", started_at=1000.0), Done)
    assert it.attributes()["deploy_stdout"] == "put"


def test_actions_that_are_not_listed_deploy_nothing(deployed):
    """By default only create and update do; the end withdraws what was deployed."""
    shelf = Shelf(config())
    it = deployed(shelf, {"signal_transport": "NO_SIGNAL"})
    for phase in ("create", "suspend", "resume"):
        assert isinstance(it.drive(phase), Done)
    it.update({**it.properties, "input_values": {"a": 1}})
    assert shelf.writes == [("CREATE", "COMPLETE"), ("UPDATE", "COMPLETE")]
    assert isinstance(it.drive("delete"), Done)
    assert shelf.deployments == {}
    assert len(shelf.writes) == 2


def test_a_delete_may_be_deployed_first(deployed):
    """And is waited for; a config that is gone is not."""
    shelf = Shelf(config())
    wanted = {"actions": ["CREATE", "DELETE"]}
    it = deployed(shelf, wanted, signals=(said(),))
    it.create()
    assert isinstance(it.drive("delete", signals=(said(9000.0),)), Done)
    assert shelf.writes[-2:] == [("DELETE", "IN_PROGRESS"), ("DELETE", "COMPLETE")]
    assert shelf.deployments == {}
    again = deployed(shelf, wanted, signals=(said(),))
    again.create()
    del shelf.configs["c1"]
    assert isinstance(again.drive("delete"), Done)


def test_a_changed_input_may_ask_for_another_deployment(deployed):
    """As in Heat: nothing is deployed then, and the reason names the input."""
    shelf = Shelf(config(inputs=({"name": "a", "replace_on_change": True}, {"name": "b"})))
    given = {"actions": ["CREATE", "UPDATE", "DELETE"], "input_values": {"a": 1, "b": 1}}
    it = deployed(shelf, given, signals=(said(),))
    it.create()
    shelf.writes.clear()
    it.update({**it.properties, "input_values": {"a": 1, "b": 2}})
    assert [action for action, _ in shelf.writes] == ["UPDATE", "UPDATE"]
    shelf.writes.clear()
    outcome = it.update({**it.properties, "input_values": {"a": 2, "b": 2}})
    assert outcome == Replace(reason="the input a changes, and has replace_on_change")
    assert shelf.writes == []


def test_a_config_that_is_not_there_is_told(deployed):
    """By its id, with what to do."""
    outcome = deployed(Shelf(), {"config": "gone"}).create()
    assert isinstance(outcome, Failed)
    assert "'gone'" in outcome.reason


def test_a_deployment_without_a_config_deploys_an_empty_one(deployed):
    """As Heat allows: the agent is told of the server and the action."""
    shelf = Shelf()
    it = deployed(shelf, {"config": None, "signal_transport": "NO_SIGNAL"})
    assert isinstance(it.create(), Done)
    assert shelf.configs[shelf.one.config_id].config == ""


# --- components and structured configs -------------------------------------------------------

PARTS = {
    "configs": [
        {"actions": ["CREATE"], "tool": "script", "config": "make"},
        {"actions": ["DELETE"], "tool": "ansible", "config": "unmake"},
    ]
}


def test_a_component_deploys_the_part_of_the_action(deployed):
    """Whatever the deployment's own list of actions says."""
    shelf = Shelf(config(group="component", config=PARTS))
    it = deployed(shelf, {"signal_transport": "NO_SIGNAL", "actions": ["UPDATE"]})
    it.create()
    made = shelf.configs[shelf.one.config_id]
    assert (made.group, made.config) == ("script", "make")
    assert isinstance(it.update({**it.properties, "name": "n"}), Done)
    assert shelf.one.action == "CREATE"
    it.drive("delete")
    assert shelf.writes == [("CREATE", "COMPLETE"), ("DELETE", "COMPLETE")]


def test_an_action_is_named_by_one_part_of_a_component():
    """Two would leave open which is run."""
    check = REGISTRY.get("OS::Heat::SoftwareComponent").facts.check_properties
    (problem,) = check({"configs": [{"actions": ["A"]}, {"actions": ["B", "A"]}]})
    assert problem.startswith("configs[1].actions: A is named by configs[0] too")
    assert check(PARTS) == []


def test_a_structured_config_is_a_map_with_inputs_put_in(deployed):
    """Our own inputs too; a key of another name leaves `get_input` alone."""
    text = {"a": {"get_input": "x"}, "b": [{"get_input": "deploy_action"}], "c": {"get_input": "y"}}
    shelf = Shelf(config(config=text))
    it = deployed(
        shelf, {"signal_transport": "NO_SIGNAL", "input_values": {"x": {"k": 1}}}, kind=STRUCTURED
    )
    it.create()
    made = shelf.configs[shelf.one.config_id].config
    assert made == {"a": {"k": 1}, "b": ["CREATE"], "c": None}
    other = deployed(
        Shelf(config(config={"a": {"get_input": "x"}, "b": {"put": "x"}})),
        {"signal_transport": "NO_SIGNAL", "input_values": {"x": 1}, "input_key": "put"},
        kind=STRUCTURED,
    )
    other.create()
    shelf = other.context["software"]
    assert shelf.configs[shelf.one.config_id].config == {"a": {"get_input": "x"}, "b": 1}


def test_strict_inputs_have_to_be_there(deployed):
    """Told by name, before anything is deployed."""
    shelf = Shelf(config(config={"a": {"get_input": "x"}}))
    outcome = deployed(shelf, {"input_values_validate": "STRICT"}, kind=STRUCTURED).create()
    assert isinstance(outcome, Failed)
    assert "'x'" in outcome.reason
    assert shelf.deployments == {}


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(JSON, st.dictionaries(st.text(max_size=4), st.integers()))
def test_a_map_without_the_key_stays_as_it_is(value, inputs):
    """And is never the worse for strange keys."""
    assert substituted(value, inputs, "no such key", strict=True) == value


def test_an_input_must_be_named_by_a_text():
    """A list under the key is no name."""
    assert substituted({"get_input": [1]}, {}, "get_input", strict=False) is None
    with pytest.raises(MissingInput):
        substituted({"get_input": [1]}, {}, "get_input", strict=True)


def test_inputs_that_renew():
    """Only those that say so, with their values or defaults."""
    declared = ({"name": "a", "replace_on_change": True, "default": 1}, {"name": "b"})
    assert renewing(declared, {"b": 2}) == {"a": 1}
    assert filled(declared, {}, {})[0]["value"] == 1


# --- groups ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        (f"{DEPLOYMENT}Group", DEPLOYMENT),
        (f"{STRUCTURED}Group", STRUCTURED),
        (f"{DEPLOYMENT}s", DEPLOYMENT),
        (f"{STRUCTURED}s", STRUCTURED),
    ],
)
def test_a_group_deploys_to_each_server(row, kind, member):
    """Members are named by the keys of `servers`, in batches where the policy says so."""
    it = row(kind, {"config": "c1", "servers": {"web": "s1", "db": "s2"}})
    outcome = it.create(update_policy={"batch_create": {"max_batch_size": 1, "pause_time": 2}})
    assert isinstance(outcome, Delegate)
    assert (outcome.batch_size, outcome.pause_seconds) == (1, 2.0)
    resources = outcome.template["resources"]
    assert {name: each["properties"]["server"] for name, each in resources.items()} == {
        "web": "s1",
        "db": "s2",
    }
    assert {each["type"] for each in resources.values()} == {member}
    assert all(each["properties"]["config"] == "c1" for each in resources.values())


def test_old_group_names_are_accepted_and_not_offered():
    """They are Heat's hidden ones."""
    for kind in (f"{DEPLOYMENT}s", f"{STRUCTURED}s"):
        assert REGISTRY.get(kind).schema.support == "HIDDEN"
