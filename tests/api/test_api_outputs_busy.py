"""Outputs of a stack under way, on Heat's API, on `/v2` and on the command line."""

import json
import time

import pytest

from mantle.cli.app import build_app, run

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  early: {type: OS::Heat::Value, properties: {value: here}}
  handle: {type: OS::Heat::WaitConditionHandle}
  held:
    type: OS::Heat::WaitCondition
    properties: {handle: {get_resource: handle}, timeout: 7200}
outputs:
  early: {value: {get_attr: [early, value]}}
  late: {value: {get_attr: [held, data]}}
"""


@pytest.fixture
def path(maker):
    """A stack that waits for a signal; it is cancelled and deleted afterwards."""
    answer = maker.heat.post("/stacks", json={"stack_name": "held", "template": TEMPLATE})
    path = f"/stacks/held/{answer.json()['stack']['id']}"
    for _ in range(200):
        found = maker.heat.get(f"{path}/resources").json()["resources"]
        states = {each["resource_name"]: each["resource_status"] for each in found}
        if (states["early"], states["held"]) == ("CREATE_COMPLETE", "CREATE_IN_PROGRESS"):
            break
        time.sleep(0.05)
    yield path
    maker.heat.delete(path)
    maker.wait(path)


@pytest.fixture
def mantle(maker, capsys, tmp_path, monkeypatch):
    """Runs one command line; answers exit code and output."""
    for name in ("OS_CLOUD", "OS_TOKEN", "MANTLE_DATA_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OS_AUTH_URL", f"{maker.base}/identity/v3")
    monkeypatch.setenv("OS_USERNAME", "maker")
    monkeypatch.setenv("OS_PASSWORD", "correct horse")
    monkeypatch.setenv("OS_PROJECT_NAME", "ours")

    def call(*arguments):
        code = run(build_app(), list(arguments))
        captured = capsys.readouterr()
        return int(code), captured.out + captured.err

    return call


@pytest.mark.proves("api: GET /stacks/{name}/{id}/outputs/{key}, while an operation is under way")
def test_heats_api_gives_what_is_there_and_null_for_the_rest(maker, path):
    """As in Heat, without an output_error: nothing is wrong with what is not there yet."""
    shown = maker.heat.get(path).json()["stack"]["outputs"]
    assert {each["output_key"]: each["output_value"] for each in shown} == {
        "early": "here",
        "late": None,
    }
    one = maker.heat.get(f"{path}/outputs/late").json()["output"]
    assert (one["output_value"], "output_error" in one) == (None, False)
    assert maker.heat.get(f"{path}/outputs/early").json()["output"]["output_value"] == "here"


def test_our_own_api_names_what_is_waited_for(maker, path):
    """By resource."""
    outputs = maker.own.get("/stacks/held").json()["stack"]["outputs"]
    assert {each["name"]: (each["value"], each["waits_for"]) for each in outputs} == {
        "early": ("here", []),
        "late": (None, ["held"]),
    }


@pytest.mark.usefixtures("path")
def test_the_command_line_says_so_too(mantle):
    """A script that asks for one value is told that there is none yet, by the exit code as well."""
    code, text = mantle("stack", "outputs", "held")
    assert (code, "(waits for held)" in text, "here" in text) == (0, True, True)
    assert mantle("stack", "outputs", "held", "early") == (0, "here\n")
    code, text = mantle("stack", "outputs", "held", "late")
    assert (code != 0, "no value yet: it needs held" in text) == (True, True)
    found = json.loads(mantle("stack", "outputs", "held", "--json")[1])["outputs"]
    assert found[1]["waits_for"] == ["held"]
