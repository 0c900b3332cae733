"""Drift over `/v2`, over Heat's API, and on the command line."""

import asyncio
import dataclasses
import json
import uuid

import pytest

from mantle.cli.app import build_app, run

TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "net": {"type": "OS::Neutron::Net", "properties": {"name": "inner"}},
        "members": {
            "type": "OS::Heat::ResourceGroup",
            "properties": {"count": 2, "resource_def": {"type": "OS::Neutron::Net"}},
        },
    },
}


class Stack:
    """A stack, and somebody who changes its networks beside Mantle."""

    def __init__(self, server, maker):
        self.server, self.maker = server, maker
        self.name = f"drift-{uuid.uuid4().hex[:8]}"
        self.path = maker.create(self.name, TEMPLATE)

    def rename(self, resource, name):
        listed = self.maker.own.get(
            f"/stacks/{self.name}/resources", params={"nested_depth": 1}
        ).json()["resources"]
        physical = next(one["physical_id"] for one in listed if one["name"] == resource)
        cloud = next(iter(self.server.control.clouds.values()))
        networks = cloud.session(self.maker.project_id).networks

        async def change():
            spec = (await networks.get(physical)).spec
            await networks.update(physical, dataclasses.replace(spec, name=name))

        asyncio.run(change())

    def drift(self, verb="", method="GET", **query):
        url = f"/stacks/{self.name}/drift{verb}"
        answer = self.maker.own.request(method, url, params=query)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def found(self):
        return [(one["within"], one["resource"], one["path"]) for one in self.drift()["drift"]]


@pytest.fixture
def stack(server, maker):
    return Stack(server, maker)


@pytest.mark.proves("beyond: drift over /v2")
def test_a_stack_tells_its_drift_and_that_of_those_inside(stack):
    """With the way to it, its age, its policy, and how much is inside; then it is corrected."""
    assert stack.drift()["looked_at"] is None
    stack.rename("net", "x")
    stack.rename("1", "y")
    seen = stack.drift("/check", "POST")
    assert (seen["count"], seen["inside"], seen["not_looked"]) == (2, 1, [])
    assert seen["age_seconds"] < 60
    told = {(one["within"], one["resource"], one["kind"], one["policy"]) for one in seen["drift"]}
    assert told == {("", "net", "value", "alert"), ("members", "1", "value", "alert")}
    assert stack.drift("/correct", "POST", resource="net")["operation"] is not None
    stack.maker.wait(stack.path)
    assert stack.found() == [("members", "1", "name")]
    assert stack.drift("/correct", "POST")["operation"] is not None
    stack.maker.wait(stack.path)
    assert stack.drift("/correct", "POST") == {"operation": None}
    assert {one["ending"] for one in stack.drift(history=True)["drift"]} == {"corrected"}


@pytest.mark.proves("beyond: drift over /v2")
def test_drift_is_accepted_and_refused_by_name(stack):
    """The template has the new value from then on; a group's member says who makes it."""
    stack.rename("net", "x")
    stack.rename("0", "y")
    stack.drift("/check", "POST")
    answer = stack.drift("/accept", "POST")
    (done,), (refused,) = answer["accepted"], answer["refused"]
    assert done["place"] == "resources.net.properties.name"
    assert (refused["resource"], "members makes its template" in refused["reason"]) == ("0", True)
    template = stack.maker.heat.get(f"{stack.path}/template").json()
    assert template["resources"]["net"]["properties"] == {"name": "x"}
    (left,) = stack.drift()["drift"]
    assert left["note"].startswith("not accepted: 0 is in a stack inside")


@pytest.mark.proves("beyond: drift of a project")
def test_the_project_is_listed_in_pages(stack, people):
    """Filters and markers; another project sees nothing of it."""
    for name in ("net", "0", "1"):
        stack.rename(name, "x")
    stack.drift("/check", "POST")
    own = stack.maker.own
    query = {"stack": stack.name, "limit": 2}
    first = own.get("/drift", params=query).json()
    assert [len(first["drift"]), first["total"]] == [2, 3]
    assert first["stacks"] == [
        {"stack_name": stack.name, "stack_id": stack.path.rsplit("/", 1)[-1], "count": 3}
    ]
    rest = own.get("/drift", params={**query, "marker": first["next_marker"]}).json()
    assert [len(rest["drift"]), rest["next_marker"]] == [1, None]
    for filters, count in (
        ({"resource": "net"}, 1),
        ({"path": ["name", "status"]}, 3),
        ({"path": "@object"}, 0),
        ({"resource_type": "OS::Nova::Server"}, 0),
        ({"show": "ended"}, 0),
        ({"show": "all", "since_seconds": 3600}, 3),
    ):
        got = own.get("/drift", params={"stack": stack.name, **filters}).json()
        assert got["total"] == count, filters
    assert people["stranger"].own.get("/drift").json()["total"] == 0
    foreign = people["stranger"].own.get("/drift", params={"stack": stack.name})
    assert foreign.status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"show": "everything"},
        {"limit": 0},
        {"limit": 10**9},
        {"limit": "many"},
        {"marker": "x"},
        {"since_seconds": "yesterday"},
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(maker, query):
    answer = maker.own.get("/drift", params=query)
    assert answer.status_code == 400, answer.text


def test_policies_are_set_shown_and_taken_back(stack):
    own, url = stack.maker.own, f"/stacks/{stack.name}/drift/policy"
    assert own.put(url, json={"policy": "ignore", "resource": "net"}).status_code == 204
    assert own.put(url, json={"policy": "correct"}).status_code == 204
    assert own.get(url).json()["policies"] == [
        {"resource": "", "policy": "correct", "source": "stack"},
        {"resource": "net", "policy": "ignore", "source": "resource"},
    ]
    assert own.put(url, json={"policy": "perhaps"}).status_code == 400
    assert own.put(url, json={"policy": "alert", "resource": "nobody"}).status_code == 404
    for resource in ("net", "", "nobody"):
        assert own.delete(url, params={"resource": resource}).status_code == 204
    assert own.get(url).json()["policies"] == [
        {"resource": "", "policy": "alert", "source": "default"}
    ]


@pytest.mark.proves("api: PUT /stacks/{name}/{id} with converge")
@pytest.mark.parametrize("converge", [True, False])
def test_heats_converge_looks_first(stack, converge):
    """`converge: true` brings back what was changed; without it the same PUT changes nothing."""
    stack.rename("net", "x")
    heat = stack.maker.heat
    answer = heat.put(stack.path, json={"template": TEMPLATE, "converge": converge})
    assert answer.status_code == 202, answer.text
    assert stack.maker.wait(stack.path) == "UPDATE_COMPLETE"
    stack.drift("/check", "POST")
    assert stack.found() == ([] if converge else [("", "net", "name")])


def test_heats_converge_is_a_flag(stack):
    answer = stack.maker.heat.put(stack.path, json={"template": TEMPLATE, "converge": "perhaps"})
    assert answer.status_code == 400, answer.text


# --- the command line ------------------------------------------------------------------------


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

    def call(*arguments):
        code = run(build_app(), list(arguments))
        captured = capsys.readouterr()
        return int(code), captured.out + captured.err

    return call


def test_every_verb_on_the_command_line(mantle, stack):
    """Check, list, policy, plan with a look, accept, correct, converge: each says what it did."""
    name = stack.name
    stack.rename("net", "x")
    code, text = mantle("drift", "check", name)
    assert (code, "net\tname\tinner\tx\t" in text) == (0, True)
    code, text = mantle("drift", "list", "--all", "--stack", name, "--path", "name")
    assert (code, text.startswith(f"1 in all: {name} 1.")) == (0, True)
    assert mantle("drift", "policy", name, "ignore", "--resource", "members")[0] == 0
    assert "members\tignore\tresource" in mantle("drift", "policy", name)[1]
    assert mantle("drift", "policy", name, "default", "--resource", "members")[0] == 0
    code, text = mantle("stack", "plan", name, "--refresh")
    assert (code, '@drift.name: "x" -> "inner"' in text) == (0, True)
    assert "0 to change" not in text
    code, text = mantle("drift", "accept", name)
    assert (code, "resources.net.properties.name" in text) == (0, True)
    assert mantle("drift", "accept", name)[1].strip() == "Nothing drifts."
    stack.rename("net", "y")
    assert mantle("stack", "update", name, "--existing", "--converge", "--yes")[0] == 0
    assert mantle("drift", "correct", name)[1].strip() == "Nothing drifts."
    stack.rename("net", "z")
    plan = json.loads(mantle("plan", "create", name, "--existing", "--refresh", "--json")[1])
    assert [step["resource"] for step in plan["plan"]["steps"]] == ["net"]
    assert mantle("plan", "apply", plan["plan_id"], "--yes")[0] == 0
    code, text = mantle("drift", "check", name)
    assert "Nothing drifts." in text
    history = json.loads(mantle("drift", "show", name, "--history", "--json")[1])
    assert [one["ending"] for one in history["drift"]] == ["corrected", "corrected", "accepted"]
