"""The stock `openstack` command, with only python-openstackclient and python-heatclient installed.

What is compared is the shape of its output: the columns and keys it shows against a real Heat.
"""

import json
import time

import pytest

pytestmark = pytest.mark.clients

TEMPLATE = """\
heat_template_version: 2021-04-16
description: For the stock client.
parameters:
  length: {type: number, default: 8}
resources:
  word:
    type: OS::Heat::RandomString
    properties: {length: {get_param: length}}
  echo:
    type: OS::Heat::TestResource
    properties: {value: {get_attr: [word, value]}}
outputs:
  said:
    description: What was said.
    value: {get_attr: [echo, output]}
"""

SLOW = """\
heat_template_version: 2021-04-16
parameters:
  seconds: {type: number, default: 0}
resources:
  slow:
    type: OS::Heat::TestResource
    properties:
      value: {get_param: seconds}
      action_wait_secs: {update: {get_param: seconds}}
  next:
    type: OS::Heat::TestResource
    depends_on: slow
    properties: {value: {get_param: seconds}}
"""

SUMMARY = [
    *("id", "stack_name", "description", "creation_time"),
    *("updated_time", "stack_status", "stack_status_reason"),
]
LISTED = ["ID", "Stack Name", "Stack Status", "Creation Time", "Updated Time"]
SHOWN = [
    *SUMMARY,
    *("parameters", "outputs", "links", "deletion_time", "stack_owner", "parent"),
    *("stack_user_project_id", "tags", "notification_topics", "capabilities"),
    *("disable_rollback", "timeout_mins"),
]
CHANGES = ["added", "deleted", "replaced", "unchanged", "updated"]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("templates") / "plain.yaml"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture(scope="module")
def stack(plane, template):
    """A stack created with `--wait`, named `stock`."""
    text = plane.openstack("stack create --wait -f json stock --tags red,blue -t", template)
    # The events come first, then the table; the events are told by their times.
    assert "[stock]: CREATE_COMPLETE" in text
    row = json.loads(text[text.index("{\n") :])
    assert sorted(row) == sorted(SUMMARY)
    assert row["stack_status"] == "CREATE_COMPLETE"
    return row


def test_list(plane, stack):
    """`stack list`."""
    (row,) = [row for row in plane.data("stack list") if row["Stack Name"] == "stock"]
    assert list(row) == LISTED
    assert row["ID"] == stack["id"]


def test_show(plane, stack):
    """`stack show`."""
    row = plane.data("stack show stock")
    assert sorted(row) == sorted(SHOWN)
    assert row["parameters"]["length"] == "8"
    assert row["tags"] == ["red", "blue"]
    assert row["outputs"][0]["description"] == "What was said."


def test_resource_list_show_and_metadata(plane, stack):
    """`stack resource …`."""
    rows = plane.data("stack resource list stock")
    assert {row["resource_name"] for row in rows} == {"word", "echo"}
    assert sorted(rows[0]) == [
        "physical_resource_id",
        "resource_name",
        "resource_status",
        "resource_type",
        "updated_time",
    ]
    word = plane.data("stack resource show stock word")
    assert len(word["attributes"]["value"]) == 8
    assert plane.data("stack resource metadata stock word") == {}


def test_event_list(plane, stack):
    """`stack event list`, in its log format and as a table."""
    log = plane.openstack("stack event list stock").splitlines()
    assert log[0].endswith("[stock]: CREATE_IN_PROGRESS  Stack CREATE started")
    assert "[stock]: CREATE_COMPLETE" in log[-1]
    rows = plane.data("stack event list stock")
    assert {"resource_name", "id", "resource_status", "event_time"} <= set(rows[0])
    one = next(row for row in rows if row["resource_name"] == "word")
    shown = plane.data(f"stack event show stock word {one['id']}")
    assert shown["resource_type"] == "OS::Heat::RandomString"


def test_output_list_and_show(plane, stack):
    """`stack output …`."""
    assert plane.data("stack output list stock") == [
        {"output_key": "said", "description": "What was said."}
    ]
    shown = plane.data("stack output show stock said")
    assert sorted(shown) == ["description", "output_key", "output_value"]
    assert len(shown["output_value"]) == 8


def test_update_dry_run(plane, stack, template):
    """`stack update --dry-run`: five lists; nothing changes."""
    changes = plane.data("stack update --dry-run stock --parameter length=9 -t", template)
    lists = {
        name: [row["resource_name"] for row in json.loads(rows)] if isinstance(rows, str) else rows
        for name, rows in changes.items()
    }
    assert sorted(lists) == CHANGES
    assert plane.data("stack show stock")["parameters"]["length"] == "8"


def test_update_by_file_and_existing(plane, template):
    """`stack update --wait`, whole and `--existing`."""
    plane.openstack("stack create --wait changing -t", template)
    text = plane.openstack("stack update --wait changing --parameter length=9 -t", template)
    assert "UPDATE_COMPLETE" in text
    plane.openstack("stack update --wait --existing --parameter length=10 changing")
    shown = plane.data("stack output show changing said")
    assert len(shown["output_value"]) == 10
    plane.openstack("stack delete --yes --wait changing")


def test_check_suspend_and_resume(plane, template):
    """Each with `--wait`, on one stack."""
    plane.openstack("stack create --wait acting -t", template)
    for verb in ("check", "suspend", "resume"):
        text = plane.openstack(f"stack {verb} --wait acting")
        assert f"{verb.upper()}_COMPLETE" in text
    plane.openstack("stack delete --yes --wait acting")


def test_cancel(plane, tmp_path):
    """`stack cancel --wait` takes an update back."""
    path = tmp_path / "slow.yaml"
    path.write_text(SLOW)
    plane.openstack("stack create --wait slow -t", path)
    plane.openstack("stack update slow --parameter seconds=10 -t", path)
    text = plane.openstack("stack cancel --wait slow")
    assert "ROLLBACK_COMPLETE" in text
    assert plane.data("stack show slow")["parameters"]["seconds"] == "0"
    plane.openstack("stack delete --yes --wait slow")


def test_export(plane, stack):
    """`stack export` prints the document."""
    document = json.loads(plane.openstack("stack export stock"))
    assert {"name", "template", "environment", "files", "resources", "status"} <= set(document)


def test_template_environment_and_files(plane, stack):
    """What a stack is made from."""
    assert "heat_template_version" in plane.openstack("stack template show stock")
    assert "parameters" in plane.openstack("stack environment show stock")
    plane.openstack("stack file list stock")


def test_delete(plane, template):
    """`stack delete --wait`, after which nothing is found by the name."""
    plane.openstack("stack create --wait brief -t", template)
    plane.openstack("stack delete --yes --wait brief")
    assert "not found" in plane.run("openstack", "stack", "show", "brief", code=1)


def test_create_dry_run(plane, template):
    """`stack create --dry-run` shows the resources there would be."""
    row = plane.data("stack create --dry-run never -t", template)
    assert row["stack_name"] == "never"
    assert "resources" in row


def test_a_broken_template_is_refused_with_its_places(plane, tmp_path):
    """The client prints our message: both problems, each with its remedy."""
    path = tmp_path / "broken.yaml"
    path.write_text(TEMPLATE.replace("RandomString", "RandomStrin").replace("get_attr", "get_at"))
    said = plane.run("openstack", "stack", "create", "broken", "-t", path, code=1)
    assert "RandomString" in said


def test_orchestration_commands(plane):
    """Types, versions, functions, validation and build."""
    types = [row["Resource Type"] for row in plane.data("orchestration resource type list")]
    assert "OS::Nova::Server" in types
    shown = plane.data("orchestration resource type show OS::Heat::Value")
    assert shown["resource_type"] == "OS::Heat::Value"
    versions = plane.data("orchestration template version list")
    assert "heat_template_version.2021-04-16" in {row["Version"] for row in versions}
    functions = plane.data("orchestration template function list heat_template_version.2021-04-16")
    assert "get_file" in {row["Functions"] for row in functions}
    assert plane.data("orchestration build info")


def test_template_validate(plane, template):
    """`orchestration template validate`."""
    found = plane.data("orchestration template validate -t", template)
    assert found["Parameters"]["length"]["Type"] == "Number"


def test_software_configs(plane, tmp_path):
    """`software config create`, `list`, `show`, `delete`."""
    script = tmp_path / "hello.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    made = plane.data("software config create --group script hello --config-file", script)
    assert "hello" in {row["name"] for row in plane.data("software config list")}
    shown = plane.data(f"software config show {made['id']}")
    assert shown["group"] == "script"
    plane.openstack(f"software config delete {made['id']}")


def test_identity_commands(plane):
    """Logging in, the catalog, and an application credential."""
    assert plane.data("token issue")["id"]
    kinds = {row["Type"] for row in plane.data("catalog list")}
    assert {"orchestration", "identity"} <= kinds
    made = plane.data("application credential create robot")
    assert made["Secret"]
    assert plane.data("application credential show robot")["Name"] == "robot"
    plane.openstack("application credential delete robot")


def test_the_older_heat_command(plane, stack):
    """`heat`, without a Keystone of its own: the address and a token are given."""
    token = plane.data("token issue")
    url = f"{plane.url}/heat/v1/{token['project_id']}"
    text = plane.run(
        "heat",
        "--os-no-client-auth",
        "--heat-url",
        url,
        "--os-auth-token",
        token["id"],
        "stack-list",
    )
    assert "stock" in text


def test_admin_token_authentication(plane, stack):
    """`--os-auth-type admin_token` uses the endpoint it is given."""
    token = plane.data("token issue")
    url = f"{plane.url}/heat/v1/{token['project_id']}"
    text = plane.run(
        "openstack",
        *("--os-cloud", "", "--os-auth-type", "admin_token"),
        *("--os-endpoint", url, "--os-token", token["id"], "stack", "list"),
    )
    assert "stock" in text


@pytest.mark.proves("api: snapshots")
def test_snapshots(plane, template):
    """`stack snapshot create`, `list`, `show`, `restore`, `delete`."""
    plane.openstack("stack create --wait snapped -t", template)
    made = plane.data("stack snapshot create snapped --name first")
    assert (made["name"], made["status"]) == ("first", "IN_PROGRESS")
    for _ in range(50):
        shown = plane.data(f"stack snapshot show snapped {made['ID']}")
        if shown["snapshot"]["status"] == "COMPLETE":
            break
        time.sleep(0.2)
    assert [row["status"] for row in plane.data("stack snapshot list snapped")] == ["COMPLETE"]
    plane.openstack(f"stack snapshot restore snapped {made['ID']}")
    for _ in range(50):
        if plane.data("stack show snapped")["stack_status"] == "RESTORE_COMPLETE":
            break
        time.sleep(0.2)
    plane.openstack(f"stack snapshot delete -y snapped {made['ID']}")
    assert plane.data("stack snapshot list snapped") == []


@pytest.mark.proves("api: abandon and adopt")
def test_abandon_and_adopt(plane, template, tmp_path):
    """`stack abandon` writes a file that `stack adopt` takes, with the same values."""
    plane.openstack("stack create --wait left -t", template)
    before = plane.data("stack output show left said")["output_value"]
    document = tmp_path / "left.json"
    document.write_text(plane.openstack("stack abandon left -f json"))
    plane.run("openstack", "stack", "show", "left", code=1)
    plane.openstack("stack adopt --wait found --adopt-file", document)
    assert plane.data("stack show found")["stack_status"] == "ADOPT_COMPLETE"
    assert plane.data("stack output show found said")["output_value"] == before


@pytest.mark.proves("api: hooks")
def test_hooks(plane, template, tmp_path):
    """`stack hook poll` shows what waits; `stack hook clear` lets it go on."""
    environment = tmp_path / "hooks.yaml"
    environment.write_text("resource_registry: {resources: {word: {hooks: pre-create}}}")
    plane.openstack("stack create hooked -e", environment, "-t", template)
    for _ in range(50):
        rows = plane.data("stack hook poll hooked")
        if rows:
            break
        time.sleep(0.2)
    assert [row["Resource Name"] for row in rows] == ["word"]
    plane.openstack("stack hook clear --pre-create hooked word")
    for _ in range(50):
        if plane.data("stack show hooked")["stack_status"] == "CREATE_COMPLETE":
            break
        time.sleep(0.2)
    assert plane.data("stack show hooked")["stack_status"] == "CREATE_COMPLETE"
