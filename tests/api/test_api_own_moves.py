"""`/v2/moves` and `mantle stack move|split|rename` against a whole control plane."""

import json

import pytest

from mantle.cli.app import build_app, run

pytestmark = pytest.mark.proves("beyond: move resources between stacks")

TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "a": {"type": "OS::Heat::TestResource", "properties": {"value": 1}},
        "b": {
            "type": "OS::Heat::TestResource",
            "properties": {"value": {"get_attr": ["a", "output"]}},
        },
    },
}
EMPTY = {"heat_template_version": "2018-08-31", "resources": {}}


def plan(person, **body):
    return person.own.post("/moves", json=body)


def resources(person, name):
    found = person.own.get(f"/stacks/{name}/resources").json()["resources"]
    return sorted(each["name"] for each in found)


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


def test_a_move_is_planned_shown_applied_and_deleted(maker, people):
    """Its whole life; another project sees nothing of it, a reader may only look."""
    maker.create("from-one", TEMPLATE)
    maker.create("to-other", EMPTY)
    body = {
        "kind": "move",
        "source": "from-one",
        "target": "to-other",
        "resources": {"b": "c"},
    }
    assert plan(people["looker"], **body).status_code == 403
    assert plan(people["stranger"], **body).status_code == 404
    answer = plan(maker, **body)
    assert answer.status_code == 201, answer.text
    move = answer.json()["move"]
    assert "b -> c" in answer.json()["rendered"]
    assert move["crossings"] == [
        {
            "stack": "to-other",
            "path": "resources.b.properties.value",
            "line": None,
            "reads": 'get_attr: ["a", "output"]',
            "parameter": "a_output",
            "value": "1",
        }
    ]
    path = f"/moves/{move['id']}"
    for method, where in (("GET", ""), ("POST", "/apply"), ("DELETE", "")):
        asked = people["stranger"].own.request(method, path + where)
        assert asked.status_code == 404
    assert people["looker"].own.get(path).json() == answer.json()
    done = maker.own.post(f"{path}/apply")
    assert (done.status_code, done.json()["move"]["status"]) == (200, "applied")
    assert (resources(maker, "from-one"), resources(maker, "to-other")) == (["a"], ["c"])
    assert maker.own.post(f"{path}/apply").status_code == 409
    assert move["id"] in [each["id"] for each in maker.own.get("/moves").json()["moves"]]
    assert maker.own.delete(path).status_code == 204
    assert maker.own.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "move", "source": "bad-moves", "resources": {"a": "a"}}, 400),
        ({"kind": "split", "source": "bad-moves", "resources": {"a": "a"}}, 400),
        ({"kind": "split", "source": "bad-moves", "name": "x"}, 400),
        ({"kind": "rename", "source": "bad-moves", "resources": {"a": "a/b"}}, 400),
        ({"kind": "rename", "source": "bad-moves", "resources": {"a": "b"}}, 400),
        ({"kind": "rename", "source": "bad-moves", "resources": {"a": 7}}, 400),
        ({"kind": "rename_stack", "source": "bad-moves", "name": "0"}, 400),
        ({"kind": "rename_stack", "source": "bad-moves", "name": "bad-moves"}, 400),
        ({"kind": "rename_stack", "source": "none", "name": "x"}, 404),
        ({"kind": "turn", "source": "bad-moves"}, 400),
        (
            {
                "kind": "split",
                "source": "bad-moves",
                "name": "x",
                "resources": {str(each): "a" for each in range(2000)},
            },
            400,
        ),
        ([], 400),
        (None, 400),
    ],
)
def test_a_wrong_request_is_refused(maker, body, status):
    """With a message, and nothing is kept."""
    if maker.own.get("/stacks/bad-moves").status_code == 404:
        maker.create("bad-moves", TEMPLATE)
    answer = maker.own.post("/moves", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_moves_on_the_command_line(maker, mantle):
    """Planned and shown, kept for later, applied; each refusal with its exit code."""
    maker.create("cut-up", TEMPLATE)
    code, text = mantle("stack", "split", "cut-up", "--resources", "a", "--into", "cut-up-base")
    assert code == 0, text
    assert "Split 1 resource off stack cut-up into a new stack cut-up-base" in text
    assert text.endswith("Done. Nothing on the cloud was touched.\n")
    code, text = mantle("stack", "move", "cut-up", "b", "cut-up-base", "--as", "c", "--plan-only")
    assert (code, resources(maker, "cut-up")) == (0, ["b"])
    (move, *_) = json.loads(mantle("move", "list", "--json")[1])["moves"]
    assert f"mantle move apply {move['id']}" in text
    assert mantle("move", "show", move["id"])[0] == 0
    assert mantle("move", "apply", move["id"])[0] == 0
    assert resources(maker, "cut-up-base") == ["a", "c"]
    assert mantle("move", "apply", move["id"])[0] == 6
    assert mantle("stack", "rename-resource", "cut-up-base", "c", "d", "--yes")[0] == 0
    assert mantle("stack", "rename", "cut-up-base", "cut-up-end")[0] == 0
    assert resources(maker, "cut-up-end") == ["a", "d"]
    assert mantle("stack", "rename", "cut-up-base", "x")[0] == 4
    assert mantle("stack", "move", "cut-up", "a,b", "cut-up-end", "--as", "c")[0] == 2
    assert mantle("move", "delete", move["id"])[0] == 0


def test_a_group_moves_with_the_stack_inside_it(maker, mantle):
    """The plan names the stack inside; it is found as before, in another tree."""
    member = {"type": "OS::Heat::TestResource", "properties": {"value": "%index%"}}
    group = {
        "type": "OS::Heat::ResourceGroup",
        "properties": {"count": 2, "resource_def": member},
    }
    maker.create("with-group", {**TEMPLATE, "resources": {"g": group, **TEMPLATE["resources"]}})
    maker.create("takes-group", EMPTY)
    move = plan(
        maker, kind="move", source="with-group", target="takes-group", resources={"g": "h"}
    ).json()["move"]
    ((inside),) = move["stacks"]
    assert (inside["resource"], inside["resources"]) == ("g", 2)
    code, text = mantle("stack", "move", "with-group", "g", "takes-group", "--as", "h")
    assert code == 0, text
    assert f"with stack {inside['name']} inside g (2 resources)" in text
    assert "the plan of both stacks, and of those inside, is empty" in text
    assert resources(maker, inside["id"]) == ["0", "1"]
    root = maker.own.get("/stacks/takes-group").json()["stack"]["id"]
    found = maker.heat.get(f"/stacks/{inside['name']}/{inside['id']}").json()["stack"]
    assert found["parent"] == root
    late = maker.own.post(f"/moves/{move['id']}/apply")
    assert (late.status_code, late.json()["error"]["type"]) == (409, "PlanStale")
    assert "Resource 'g' is not in the stack" in late.json()["error"]["message"]
