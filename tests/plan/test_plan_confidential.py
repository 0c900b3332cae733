"""Whether a stack may hold a secret: asked once, and wrong in one direction only."""

import pytest

from mantle.model.graph import TemplateSource
from mantle.plan.confidential import holds_secrets
from mantle.resources.registry import default_registry
from mantle.template.validate import load_template

FACTS = default_registry().facts
SERVER = {"image": "cirros", "flavor": "m1.small"}
VALUE = {"type": "OS::Heat::Value", "properties": {"value": "x"}}
RANDOM = {"type": "OS::Heat::RandomString"}
INNER = "heat_template_version: 2018-08-31\nresources: {r: {type: OS::Heat::RandomString}}\n"


def loaded(resource, *, parameters=None, environment=None, files=None):
    template = {
        "heat_template_version": "2018-08-31",
        "parameters": parameters
        or {
            "word": {"type": "string", "default": "RAW"},
            "keep": {"type": "boolean", "default": True},
        },
        "resources": {"one": resource},
    }
    source = TemplateSource(template=template, environment=environment or {}, files=files or {})
    return load_template(source, types=FACTS, stack_name="s", stack_id="s", project_id="p")


def server(**properties):
    return {"type": "OS::Nova::Server", "properties": {**SERVER, **properties}}


def pair(**properties):
    return {"type": "OS::Nova::KeyPair", "properties": {"name": "k", **properties}}


def user(**properties):
    return {"type": "AWS::IAM::User", "properties": properties}


def group(resource):
    return {
        "type": "OS::Heat::ResourceGroup",
        "properties": {"count": 2, "resource_def": resource},
    }


SECRET = {
    "a generated text": RANDOM,
    "a kept private key": pair(save_private_key=True),
    "a private key that may be kept": pair(save_private_key={"get_param": "keep"}),
    "a password": server(admin_pass="x", user_data_format="RAW"),
    "an agent's account": server(user_data_format="SOFTWARE_CONFIG"),
    "an account that may be": server(user_data_format={"get_param": "word"}),
    "an address for signals": {"type": "OS::Heat::WaitConditionHandle"},
    "a signed address by reference": {"type": "AWS::CloudFormation::WaitConditionHandle"},
    "a password deeper inside": user(LoginProfile={"Password": "x"}),
    "a member's": group(RANDOM),
    "a member's member's": group(group(RANDOM)),
    "a nested template's": {"type": "inner.yaml"},
}

NOT_SECRET = {
    "a value": VALUE,
    "a server": server(user_data_format="RAW", user_data="echo"),
    "a server as it is by default": server(),
    "a public key": pair(public_key="ssh-rsa x"),
    "a user that nobody logs in as": user(),
    "members": group(VALUE),
}


@pytest.mark.parametrize("resource", SECRET.values(), ids=SECRET)
def test_where_a_secret_can_come_from_the_stack_is_confidential(resource):
    assert holds_secrets(loaded(resource, files={"inner.yaml": INNER}))


@pytest.mark.parametrize("resource", NOT_SECRET.values(), ids=NOT_SECRET)
def test_where_none_can_come_from_it_is_not(resource):
    """Such a stack pays nothing."""
    assert not holds_secrets(loaded(resource))


@pytest.mark.proves("language: hidden parameters are sealed at rest")
def test_a_hidden_parameter_makes_it_confidential_though_it_is_empty_yet():
    """It may be given by the next update."""
    assert holds_secrets(
        loaded(VALUE, parameters={"p": {"type": "string", "hidden": True, "default": ""}})
    )


def test_an_operator_and_an_environment_can_name_parameters():
    parameters = {"db_token": {"type": "string", "default": "x"}}
    given = loaded(VALUE, parameters=parameters)
    assert [holds_secrets(given, names) for names in ((), ("*_token",), ("token",))] == [
        False,
        True,
        False,
    ]
    listed = loaded(
        VALUE, parameters=parameters, environment={"encrypted_param_names": ["db_token"]}
    )
    assert holds_secrets(listed)
