"""`/v2/servers`, `/v2/sweeps` and a cloud's hosts over HTTP: who may, what is refused."""

import json

import httpx
import pytest

TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        f"web{number}": {
            "type": "OS::Nova::Server",
            "properties": {
                "name": f"sweep-{number}",
                "flavor": "m1.small",
                "image": "cirros",
                "tags": ["swept", f"n{number}"],
            },
        }
        for number in range(3)
    },
}


@pytest.fixture(scope="module")
def stack(people):
    """Three servers in a stack of its own."""
    people["maker"].create("swept", TEMPLATE)
    return "swept"


def off(**more):
    return {"verb": "off", "selector": {"stacks": ["swept"]}} | more


def test_servers_are_listed_by_what_they_are(people, stack):
    """Every selector narrows; a server says which stack it belongs to."""
    own = people["maker"].own

    def names(query):
        found = own.get(f"/servers?{query}")
        assert found.status_code == 200, found.text
        return [(each["name"], each["stack"]) for each in found.json()["servers"]]

    all_three = [(f"sweep-{number}", "swept") for number in range(3)]
    assert names("stack=swept") == all_three
    assert names("name=sweep-*&tag=swept&tag=n1") == all_three[1:2]
    assert names("name=sweep-0&name=sweep-2&status=active") == [all_three[0], all_three[2]]
    assert names("cloud=none") == names("region=R") == names("stack=swept&host=no*") == []
    assert people["stranger"].own.get("/servers?name=sweep-*").json()["servers"] == []
    assert own.get("/servers?metadata=nonsense").status_code == 400


def test_a_sweep_is_planned_applied_and_followed(people, stack):
    """The stream ends with the sweep's end, and holds each server's outcome."""
    own = people["maker"].own
    planned = own.post("/sweeps", json=off()).json()
    assert (planned["sweep"]["status"], planned["sweep"]["total"]) == ("planned", 3)
    path = f"/sweeps/{planned['sweep']['id']}"
    assert own.post(f"{path}/apply").status_code == 202
    outcomes = {}
    with own.stream("GET", f"{path}/stream") as stream:
        kinds = []
        for line in stream.iter_lines():
            if line.startswith("event:"):
                kinds.append(line.partition(":")[2].strip())
            if line.startswith("data:"):
                message = json.loads(line.partition(":")[2])
                outcomes |= {each["name"]: each["state"] for each in message["servers"]}
    assert (kinds[-1], outcomes) == ("end", {f"sweep-{number}": "done" for number in range(3)})
    assert own.get(path).json()["sweep"]["status"] == "complete"
    assert planned["sweep"]["id"] in {each["id"] for each in own.get("/sweeps").json()["sweeps"]}
    on = own.post("/sweeps", json=off(verb="on")).json()["sweep"]["id"]
    own.post(f"/sweeps/{on}/apply")
    with own.stream("GET", f"/sweeps/{on}/stream") as stream:
        assert "end" in stream.read().decode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verb": "off"},
        {"verb": "explode", "selector": {"names": ["*"]}},
        {"verb": "off", "selector": {}},
        {"verb": "off", "selector": {"names": []}},
        {"verb": "off", "selector": {"names": "*"}},
        {"verb": "off", "selector": {"names": ["*"]}, "parallel": 1e9},
        {"verb": "off", "selector": {"names": ["*"]}, "at_most": 1},
        {"verb": "resize", "selector": {"names": ["*"]}, "flavor": "none"},
        {"verb": "off", "selector": {"names": ["x" * 10] * 6000}},
        {"verb": "off", "selector": {"everything": True}},
    ],
    ids=str,
)
def test_a_bad_sweep_is_a_400(people, stack, body):
    """With a sentence, and without a row."""
    own = people["maker"].own
    before = own.get("/sweeps").json()
    answer = own.post("/sweeps", json=body)
    assert (answer.status_code, own.get("/sweeps").json()) == (400, before), answer.text


def test_each_role_may_what_the_policy_says(people, stack):
    """Readers look, members switch, administrators migrate; hosts are the administrators'."""
    plan = {
        name: people[name].own.post("/sweeps", json=off()).status_code
        for name in ("root", "maker", "looker")
    }
    move = off(verb="migrate")
    moved = {
        name: people[name].own.post("/sweeps", json=move).status_code
        for name in ("root", "maker", "looker")
    }
    hosts = {
        name: people[name].own.get("/clouds/simulated/hosts").status_code
        for name in ("root", "maker", "looker")
    }
    assert plan == {"root": 201, "maker": 201, "looker": 403}
    assert moved == {"root": 201, "maker": 403, "looker": 403}
    assert hosts == {"root": 200, "maker": 403, "looker": 403}


def test_what_an_administrator_planned_is_not_a_members_to_apply(people, stack):
    """A migration needs the role again when it is applied."""
    planned = people["root"].own.post("/sweeps", json=off(verb="migrate")).json()["sweep"]["id"]
    answers = [
        people[name].own.post(f"/sweeps/{planned}/apply").status_code
        for name in ("maker", "looker")
    ]
    assert answers == [403, 403]
    assert people["root"].own.post(f"/sweeps/{planned}/cancel").status_code == 202


def test_a_foreign_sweep_is_not_there(people, stack):
    """404 for every verb on it, as for one that never was."""
    planned = people["maker"].own.post("/sweeps", json=off()).json()["sweep"]["id"]
    stranger: httpx.Client = people["stranger"].own
    answers = {
        stranger.request(method, f"/sweeps/{which}{verb}").status_code
        for which in (planned, "none")
        for method, verb in (
            ("GET", ""),
            ("POST", "/apply"),
            ("POST", "/cancel"),
            ("GET", "/stream"),
        )
    }
    assert answers == {404}


def test_hosts_tell_their_guests_and_services_are_switched(people, stack):
    """An administrator sees servers of every project there; unknown things are 404."""
    own = people["root"].own
    hosts = own.get("/clouds/simulated/hosts").json()["hosts"]
    guests = [
        each["name"]
        for host in hosts
        for each in own.get(f"/clouds/simulated/hosts/{host['name']}/servers").json()["servers"]
    ]
    assert {f"sweep-{number}" for number in range(3)} <= set(guests)
    body = {"enabled": False, "reason": "fans"}
    path = "/clouds/simulated/services/compute:simulated-4"
    services = own.post(path, json=body).json()["services"]
    own.post(path, json={"enabled": True})
    off_ones = [(each["host"], each["reason"]) for each in services if not each["enabled"]]
    assert off_ones == [("simulated-4", "fans")]
    for missing in (
        "clouds/none/hosts",
        "clouds/none/services",
        "clouds/simulated/hosts/x/servers",
    ):
        assert own.get(f"/{missing}").status_code == 404
