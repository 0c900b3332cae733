"""`/v2/clouds/{name}/generate|adopt` and `mantle cloud adopt` against a whole control plane."""

import json

import pytest
import yaml

from mantle.cli.app import build_app, run

pytestmark = pytest.mark.proves("beyond: adopt into a generated template")

TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "net": {"type": "OS::Neutron::Net", "properties": {"name": "left-net"}},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {
                "name": "left-subnet",
                "network": {"get_resource": "net"},
                "cidr": "10.9.0.0/24",
            },
        },
    },
}


@pytest.fixture
def left(maker):
    """Objects in no stack, as TYPE and id."""

    def make(name):
        maker.create(name, TEMPLATE)
        document = maker.own.post(f"/stacks/{name}/abandon").json()
        return [
            {"type": each["type"], "id": each["resource_id"]}
            for each in document["resources"].values()
        ]

    return make


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


def test_objects_are_written_down_and_taken_over(maker, people, left):
    """The template is shown first; a stranger's request finds nothing, a reader may not."""
    objects = left("leaves-api")
    body = {"stack_name": "takes-api", "objects": objects}
    assert people["looker"].own.post("/clouds/simulated/generate", json=body).status_code == 403
    foreign = people["stranger"].own.post("/clouds/simulated/generate", json=body)
    assert foreign.json()["error"]["type"] == "EntityNotFound"
    answer = maker.own.post("/clouds/simulated/generate", json=body)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert yaml.safe_load(made["template"])["resources"]["left-subnet"]["properties"] == {
        "name": "left-subnet",
        "network": {"get_resource": "left-net"},
        "cidr": "10.9.0.0/24",
    }
    assert {step["kind"] for step in made["plan"]["steps"]} == {"adopt"}
    stale = {**body, "digest": "another"}
    assert maker.own.post("/clouds/simulated/adopt", json=stale).status_code == 409
    taken = maker.own.post("/clouds/simulated/adopt", json={**body, "digest": made["digest"]})
    assert taken.status_code == 202, taken.text
    path = f"/stacks/takes-api/{taken.json()['stack']['id']}"
    assert maker.wait(path) == "ADOPT_COMPLETE"
    plan = {"action": "update", "stack_name": "takes-api", "existing": True}
    assert maker.own.post("/plans", json=plan).json()["plan"]["steps"] == []
    assert maker.own.post("/clouds/simulated/generate", json=body).status_code == 409
    assert maker.own.delete("/stacks/takes-api").status_code == 202
    maker.wait(path)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"stack_name": "bad"}, 400),
        ({"stack_name": "bad", "objects": [{"type": "OS::Neutron::Net"}]}, 400),
        ({"stack_name": "bad", "objects": [{"type": "OS::Heat::Value", "id": "x"}]}, 400),
        ({"stack_name": "bad", "objects": [{"type": "OS::Neutron::Net", "id": "x"}]}, 404),
        ({"stack_name": "0", "all_unmanaged": True, "type": "OS::Neutron::Router"}, 404),
        ({"stack_name": "bad", "all_unmanaged": True, "type": "OS::Heat::Value"}, 404),
        ({"stack_name": "bad", "objects": [{"type": "t", "id": "i"}] * 6000}, 400),
        ({"stack_name": "bad", "properties": []}, 400),
        (None, 400),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "adopt"])
def test_a_wrong_request_is_refused(maker, body, status, verb):
    """With a message, and nothing is made."""
    answer = maker.own.post(f"/clouds/simulated/{verb}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_a_cloud_that_is_not_there_is_404(maker):
    """By its name."""
    body = {"stack_name": "x", "all_unmanaged": True}
    assert maker.own.post("/clouds/none/generate", json=body).status_code == 404


def test_taking_over_on_the_command_line(maker, mantle, left, tmp_path):
    """Shown, written to a file, done; each refusal with its exit code."""
    objects = [f"{each['type']}={each['id']}" for each in left("leaves-line")]
    code, text = mantle(
        "cloud", "adopt", "simulated", *objects, "--stack", "takes-line", "--plan-only",
        "-o", "out.yaml",
    )  # fmt: skip
    assert code == 0, text
    assert "cidr: 10.9.0.0/24" in text
    assert yaml.safe_load((tmp_path / "out.yaml").read_text())["resources"]
    filtered = ("--all-unmanaged", "--filter", "left-*", "--retain", "--yes")
    code, text = mantle("cloud", "adopt", "simulated", "--stack", "takes-line", *filtered)
    assert code == 0, text
    shown = json.loads(mantle("stack", "show", "takes-line", "--json")[1])
    assert shown["stack"]["status"] == "ADOPT_COMPLETE"
    assert mantle("cloud", "adopt", "simulated", "nonsense", "--stack", "x")[0] == 2
    wrong = ("--property", "nonsense")
    assert mantle("cloud", "adopt", "simulated", objects[0], "--stack", "x", *wrong)[0] == 2
    missing = ("--property", "a.b=@nowhere")
    assert mantle("cloud", "adopt", "simulated", objects[0], "--stack", "x", *missing)[0] == 2
    assert mantle("cloud", "adopt", "simulated", objects[0], "--stack", "x")[0] == 6
