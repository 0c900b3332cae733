"""What callers see of secrets: what Heat shows, and no more, in answers, metrics and errors."""

import pytest

from mantle.api.open_doors import told_path

CANARY = "canary-of-the-api-91c2"
TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "parameters": {
        "password": {"type": "string", "hidden": True},
        "other": {"type": "string", "default": "x", "hidden": True},
        "word": {"type": "string", "default": "loud"},
    },
    "resources": {
        "one": {"type": "OS::Heat::Value", "properties": {"value": {"get_param": "password"}}},
        "two": {"type": "OS::Heat::RandomString", "properties": {"salt": {"get_param": "word"}}},
    },
}


@pytest.fixture(scope="module")
def path(people):
    return people["maker"].create("confidential", TEMPLATE, parameters={"password": CANARY})


@pytest.mark.proves("environment: encrypted_param_names")
def test_the_environment_names_what_is_sealed(maker, path):
    """As Heat with its option on: the hidden parameters that were given."""
    environment = maker.heat.get(f"{path}/environment").json()
    assert environment["encrypted_param_names"] == ["password"]
    assert environment["parameters"]["password"] == CANARY


def test_a_patch_keeps_a_hidden_parameter_and_compares_what_was_sealed(maker, path):
    """Nothing is replaced: the value is the same, though it is sealed anew each time."""
    before = maker.heat.get(f"{path}/resources/two").json()["resource"]["attributes"]["value"]
    answer = maker.heat.patch(path, json={"parameters": {"word": "loud"}})
    assert answer.status_code == 202
    assert maker.wait(path) == "UPDATE_COMPLETE"
    after = maker.heat.get(f"{path}/resources/two").json()["resource"]["attributes"]["value"]
    environment = maker.heat.get(f"{path}/environment").json()
    assert (before == after, environment["parameters"]["password"]) == (True, CANARY)


def test_no_answer_but_the_owners_own_environment_shows_it(maker, path, base, people):
    stack_id = path.rsplit("/", 1)[-1]
    looks = [
        people["looker"].heat.get(f"{path}/environment"),
        *(maker.heat.get(f"{path}{part}") for part in ("", "/events", "/resources")),
        maker.heat.get("/stacks/detail"),
        *(maker.own.get(f"/stacks/{stack_id}{part}") for part in ("", "/events", "/operations")),
        maker.heat.put(
            f"{path}/preview",
            json={"template": TEMPLATE, "parameters": {"password": CANARY + "2"}},
        ),
        maker.own.get(f"{base}/metrics"),
    ]
    assert [look.url.path for look in looks if CANARY in look.text] == []


def test_an_error_that_quotes_a_value_does_not_quote_a_secret_one(maker, path):
    """Who may change a stack could else read its hidden parameters, one refusal at a time."""
    server = {"image": "cirros", "flavor": {"get_param": "password"}}
    wrong = {
        **TEMPLATE,
        "resources": {"three": {"type": "OS::Nova::Server", "properties": server}},
    }
    answer = maker.heat.patch(path, json={"template": wrong})
    assert answer.status_code == 400
    assert CANARY not in answer.text
    assert "******" in answer.text
    assert "Give one that" in answer.text


def test_a_log_tells_no_path_that_is_a_secret():
    """Signal addresses and those of servers' metadata are good for whoever has them."""
    paths = ("/signal/abc", "/metadata/abc/latest/user-data", "/v2/stacks", "/", "/signal")
    told = ["/signal/******", "/metadata/******/latest/user-data", "/v2/stacks", "/", "/signal"]
    assert [told_path(path) for path in paths] == told
