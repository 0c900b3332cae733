"""`mantle plan`, `mantle policy` and the guards of stacks, against a whole control plane."""

import json
import time

import pytest

from mantle.cli.app import build_app, run

TEMPLATE = """\
heat_template_version: 2018-08-31
resources:
  a: {type: OS::Heat::TestResource, properties: {value: %s}}
  b: {type: OS::Heat::TestResource, properties: {value: 1}, depends_on: a}
"""


@pytest.fixture
def mantle(maker, capsys, tmp_path, monkeypatch):
    """Runs one command line as the maker; answers exit code and output."""
    for name in ("OS_CLOUD", "OS_TOKEN", "MANTLE_DATA_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OS_AUTH_URL", f"{maker.base}/identity/v3")
    monkeypatch.setenv("OS_USERNAME", "maker")
    monkeypatch.setenv("OS_PASSWORD", "correct horse")
    monkeypatch.setenv("OS_PROJECT_NAME", "ours")
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(build_app(), list(arguments))
        captured = capsys.readouterr()
        return int(code), captured.out + captured.err

    return call


@pytest.fixture
def template(tmp_path):
    def write(value):
        path = tmp_path / "web.yaml"
        path.write_text(TEMPLATE % value)
        return str(path)

    return write


def until(mantle, plan, *states):
    for _ in range(200):
        saved = json.loads(mantle("plan", "show", plan, "--json")[1])["saved"]
        if saved["status"] in states:
            return saved
        time.sleep(0.05)
    raise AssertionError(saved)


@pytest.mark.proves("beyond: binding plan")
def test_plans_on_the_command_line(mantle, template):
    """Create, show, diff, apply in parts, list, delete; each refusal with its exit code."""
    code, text = mantle("plan", "create", "lined", "-t", template(1), "--json")
    assert code == 0, text
    plan = json.loads(text)["plan_id"]
    assert mantle("plan", "show", plan)[0] == 0
    assert mantle("plan", "diff", plan) == (0, "nothing that this plan touches or uses has moved\n")
    code, text = mantle("plan", "apply", plan, "--include", "a", "--yes")
    assert code == 0, text
    assert until(mantle, plan, "partial")["pending"] == ["create b"]
    code, text = mantle("plan", "apply", plan, "--yes")
    assert code == 0, text
    until(mantle, plan, "applied")
    code, text = mantle("plan", "apply", plan, "--yes")
    assert (code, "was applied already" in text) == (6, True)
    code, text = mantle("stack", "plan", "lined", "-t", template(2), "--save")
    assert (code, "mantle plan apply" in text) == (0, True)
    code, text = mantle("plan", "list", "--stack", "lined")
    assert [line.split("\t")[3] for line in text.splitlines()] == ["status", "open", "applied"]
    assert mantle("plan", "delete", plan)[0] == 0
    assert mantle("plan", "show", plan)[0] == 4


def test_waves_on_the_command_line(mantle, template, tmp_path):
    """From options and from a file; continued by hand."""
    given = ["plan", "create", "wavy", "-t", template(1), "--json"]
    code, text = mantle(*given, "--wave", "50%", "--gate", "manual")
    assert code == 0, text
    plan = json.loads(text)["plan_id"]
    assert mantle("plan", "apply", plan, "--yes")[0] == 0
    until(mantle, plan, "waiting")
    assert mantle("plan", "continue", plan) == (0, f"plan {plan} goes on with wave 2\n")
    until(mantle, plan, "applied")
    file = tmp_path / "waves.yaml"
    file.write_text("- {resources: [a], gate: health}\n- {layer: true}\n")
    code, text = mantle(*given, "--waves", str(file))
    assert code == 0, text
    for bad in ("[1]", "{", "- {percent: 500}", "- {colour: red}"):
        file.write_text(bad)
        assert mantle(*given, "--waves", str(file))[0] == 3
    assert mantle(*given, "--wave", "x%")[0] == 2
    assert mantle(*given, "--wave", "10%", "--gate", "ajar")[0] == 2
    assert mantle(*given, "--waves", "nosuch.yaml")[0] == 2


@pytest.mark.proves("beyond: policy rules")
def test_rules_on_the_command_line(mantle, template, tmp_path):
    """Set from a file, with the line of the expression; a denied plan exits with 5."""
    file = tmp_path / "rules.yaml"
    file.write_text(
        "not-nine:\n  resource_types: [OS::Heat::TestResource]\n"
        "  expression: |\n    after.value == '9'\n  description: nine is too many\n"
    )
    assert mantle("policy", "set", "-f", str(file)) == (0, "project rule not-nine is set (deny)\n")
    code, text = mantle("stack", "create", "nine", "-t", template(9), "--yes")
    assert code == 5
    assert "denied by project rule 'not-nine' (rules.yaml:4): nine is too many" in text
    code, text = mantle("stack", "plan", "nine", "-t", template(9))
    assert (code, "web.yaml:3:3" in text) == (5, True)
    assert "not-nine" in mantle("policy", "list")[1]
    assert "nine is too many" in mantle("policy", "show", "not-nine")[1]
    assert mantle("policy", "delete", "not-nine")[0] == 0
    assert mantle("policy", "show", "not-nine")[0] == 4
    code, text = mantle("policy", "set", "bad", "-x", "after.value ==")
    assert (code, "line 1, column" in text) == (3, True)
    assert mantle("policy", "test", "after.n > 1", "-c", 'after={"n": 2}') == (0, "applies\n")
    assert mantle("policy", "test", "after.n > 1")[0] == 1


@pytest.mark.proves("beyond: termination protection")
def test_guards_on_the_command_line(mantle, template):
    """Protected and with an end from its creation; both taken back."""
    arguments = ["stack", "create", "kept", "-t", template(1), "--yes", "--ttl", "8h", "--protect"]
    assert mantle(*arguments)[0] == 0
    code, text = mantle("stack", "delete", "kept", "--yes")
    assert (code, "protected from deletion" in text) == (6, True)
    assert "expires at" in mantle("stack", "guard", "kept")[1]
    assert mantle("stack", "ttl", "kept", "--never")[0] == 0
    assert mantle("stack", "ttl", "kept", "soon")[0] == 2
    assert mantle("stack", "ttl", "kept")[0] == 2
    assert mantle("stack", "ttl", "kept", "1h30m", "--warn", "10m")[0] == 0
    assert mantle("stack", "unprotect", "kept")[0] == 0
    assert mantle("stack", "delete", "kept", "--yes")[0] == 0
