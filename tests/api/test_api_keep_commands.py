"""`mantle project`, `mantle admin`, and snapshots that keep contents, on a control plane."""

import json
import time

import pytest

from mantle.cli.app import build_app, run

TEMPLATE = """\
heat_template_version: 2018-08-31
resources:
  disk: {type: OS::Cinder::Volume, properties: {size: 1}}
"""


@pytest.fixture
def mantle(maker, capsys, tmp_path, monkeypatch):
    """Runs one command line as the named person; answers exit code and output."""
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


def test_limits_on_the_command_line(mantle, maker):
    """What there is of everything; setting a limit and purging are the administrator's: 5."""
    code, text = mantle("project", "limits")
    assert (code, "operations that have not ended" in text) == (0, True)
    shown = json.loads(mantle("project", "limits", "--json")[1])
    assert {each["name"]: each["limit"] for each in shown["limits"]}["operations"] == 256
    project = maker.project_id
    assert mantle("project", "set-limit", "operations", "3", "--project", project)[0] == 5
    assert mantle("project", "unset-limit", "operations", "--project", project)[0] == 5
    assert mantle("admin", "purge", "7d")[0] == 5
    assert mantle("admin", "purge", "someday")[0] == 2


def test_a_snapshot_says_what_it_keeps(mantle, tmp_path):
    """And hidden stacks are listed only when asked for."""
    path = tmp_path / "kept.yaml"
    path.write_text(TEMPLATE)
    code, text = mantle(
        "stack", "create", "holder", "-t", str(path), "--yes", "--tag", "data-processing-cluster"
    )
    assert code == 0, text
    assert "holder" not in mantle("stack", "list")[1]
    assert "holder" in mantle("stack", "list", "--hidden")[1]
    assert mantle("stack", "snapshot", "take", "holder", "--name", "first")[0] == 0
    for _ in range(200):
        answer = json.loads(mantle("stack", "snapshot", "list", "holder", "--json")[1])
        (snapshot,) = answer["snapshots"]
        if snapshot["status"] != "IN_PROGRESS":
            break
        time.sleep(0.05)
    assert snapshot["status"] == "COMPLETE", snapshot["reason"]
    (copy,) = snapshot["contents"]
    assert (copy["resource"], list(copy["kept"])) == ("disk", ["backup_id"])
    assert "disk" in mantle("stack", "snapshot", "list", "holder")[1]
    assert mantle("stack", "delete", "holder", "--yes")[0] == 0
