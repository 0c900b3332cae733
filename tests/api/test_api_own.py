"""`/v2`: plans, stacks, the event stream, probes; and the committed OpenAPI document."""

import json
import os
from pathlib import Path

import httpx
import pytest

TEMPLATE = """\
heat_template_version: 2021-04-16
parameters:
  word: {type: string, default: hello}
  pin: {type: string, hidden: true, default: swordfish}
resources:
  one:
    type: OS::Heat::TestResource
    properties: {value: {get_param: word}}
  two:
    type: OS::Heat::TestResource
    properties: {value: {get_attr: [one, output]}}
outputs:
  said: {value: {get_attr: [two, output]}}
"""
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def messages(answer: httpx.Response) -> list[dict[str, str]]:
    """Server-sent messages, each as its fields."""
    found: list[dict[str, str]] = [{}]
    for line in answer.iter_lines():
        if not line:
            found.append({})
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            found[-1][name] = value
    return [message for message in found if message]


def test_a_plan_comes_before_the_deed(maker):
    """As data, and as text for people; nothing is made by it; it can be shown again."""
    body = {"action": "create", "stack_name": "planned", "template": TEMPLATE}
    answer = maker.own.post("/plans", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert [step["resource"] for step in made["plan"]["steps"]] == ["one", "two"]
    assert "2 to create, 0 unchanged." in made["rendered"]
    assert maker.own.get(f"/plans/{made['plan_id']}").json() == made
    assert maker.own.get("/stacks/planned").status_code == 404


def test_a_stack_lives_and_dies(maker):
    """Create, follow, look, change, delete: each answer 202 says what runs and what it will do."""
    answer = maker.own.post("/stacks", json={"stack_name": "lives", "template": TEMPLATE})
    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted["stack"]["status"] == "CREATE_IN_PROGRESS"
    assert [step["kind"] for step in accepted["plan"]["steps"]] == ["create", "create"]
    stack_id = accepted["stack"]["id"]

    with maker.own.stream("GET", "/stacks/lives/events/stream") as stream:
        told = messages(stream)
    assert [message["event"] for message in told[:-1]] == ["event"] * (len(told) - 1)
    end = json.loads(told[-1]["data"])["operation"]
    assert (told[-1]["event"], end["status"], end["steps_done"]) == ("end", "complete", 2)

    shown = maker.own.get("/stacks/lives").json()["stack"]
    assert (
        shown["outputs"] == [{"name": "said", "value": "hello", "description": "", "error": ""}]
        or shown["outputs"][0]["value"] == "hello"
    )
    assert shown["parameters"]["pin"] == "******"
    rows = maker.own.get("/stacks/lives/resources").json()["resources"]
    assert {row["name"]: row["required_by"] for row in rows} == {"one": ["two"], "two": []}

    body = {"existing": True, "parameters": {"word": "bye"}}
    plan = maker.own.post("/plans", json={"action": "update", "stack_name": "lives", **body})
    assert plan.json()["plan"]["steps"][0]["changes"][0]["after"] == "bye"
    assert maker.own.put("/stacks/lives", json=body).status_code == 202
    assert maker.wait(f"/stacks/lives/{stack_id}") == "UPDATE_COMPLETE"

    assert maker.own.delete("/stacks/lives").status_code == 202
    assert maker.wait(f"/stacks/lives/{stack_id}") == "DELETE_COMPLETE"
    assert maker.own.get("/stacks/lives").status_code == 404
    gone = maker.own.get(f"/stacks/{stack_id}").json()["stack"]
    assert gone["status"] == "DELETE_COMPLETE"
    actions = [
        row["action"] for row in maker.own.get(f"/operations?stack={stack_id}").json()["operations"]
    ]
    assert actions == ["DELETE", "UPDATE", "CREATE"]


def test_a_broken_stream_goes_on_where_it_was(maker):
    """By the last event's id, in the query or in the header that browsers send."""
    path = maker.create("streams", {"heat_template_version": "2016-04-08"})
    stack_id = path.rsplit("/", 1)[-1]
    with maker.own.stream("GET", f"/stacks/{stack_id}/events/stream") as stream:
        first = messages(stream)[0]
    for how in ({"params": {"after": first["id"]}}, {"headers": {"Last-Event-ID": first["id"]}}):
        with maker.own.stream("GET", f"/stacks/{stack_id}/events/stream", **how) as stream:
            rest = messages(stream)
        assert [message["event"] for message in rest] == ["event", "end"]
        assert int(rest[0]["id"]) > int(first["id"])


def test_events_are_the_newest_oldest_first(maker):
    """`limit` cuts at the old end."""
    maker.create("recent", {"heat_template_version": "2016-04-08"})
    every = maker.own.get("/stacks/recent/events").json()["events"]
    assert [event["status"] for event in every] == ["IN_PROGRESS", "COMPLETE"]
    newest = maker.own.get("/stacks/recent/events?limit=1").json()["events"]
    assert newest == every[-1:]
    assert maker.own.get("/stacks/recent/events?sort_dir=up").status_code == 400


def test_cancel_with_nothing_under_way(maker):
    """Refused in our own shape."""
    maker.create("calm", {"heat_template_version": "2016-04-08"})
    answer = maker.own.post("/stacks/calm/cancel", json={"rollback": True})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "NotSupported")


def test_clouds_and_self(maker):
    """What there is to build on, and who asks."""
    (cloud,) = maker.own.get("/clouds").json()["clouds"]
    assert (cloud["kind"], cloud["default"]) == ("simulated", True)
    assert "limitations" in maker.own.get(f"/clouds/{cloud['name']}").json()
    assert maker.own.get("/clouds/nowhere").status_code == 404
    assert maker.own.get("/whoami").json() == {
        "user_id": "u-maker",
        "user_name": "maker",
        "project_id": "p-ours",
        "project_name": "ours",
        "roles": ["member"],
    }


def test_probes_need_no_token(base, maker):
    """Alive, ready, and counted by route and never by name."""
    assert httpx.get(f"{base}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{base}/readyz").json() == {"status": "ready"}
    path = maker.create("counted", {"heat_template_version": "2016-04-08"})
    maker.heat.get(path)
    maker.own.get("/stacks/counted")
    text = httpx.get(f"{base}/metrics").text
    assert 'route="/heat/v1/{project}/stacks/{name}/{id}"' in text
    assert 'mantle_operations{status="complete"}' in text
    assert "counted" not in text


def test_the_committed_openapi_document_is_the_one_served(base):
    """After a change: MANTLE_ACCEPT=1 pytest -k committed_openapi writes it anew."""
    served = (
        json.dumps(httpx.get(f"{base}/v2/openapi.json").json(), indent=2, sort_keys=True) + "\n"
    )
    if os.environ.get("MANTLE_ACCEPT"):
        DOCUMENT.write_text(served)
    assert json.loads(served)["openapi"].startswith("3.1")
    assert DOCUMENT.read_text() == served


@pytest.mark.parametrize("path", ["/nonsense", "/identity/v2.0", "/identity/v3/nonsense"])
def test_unknown_addresses_are_404(base, path):
    """Everywhere, and as JSON outside Heat's API."""
    assert httpx.get(base + path).json()["error"]["code"] == 404


def test_validating_warns_of_what_was_hardly_meant(maker):
    """Problems are refused with their lines; what is merely odd comes with the answer."""
    answer = maker.own.post("/validate", json={"template": TEMPLATE, "template_name": "w.yaml"})
    found = answer.json()
    assert answer.status_code == 200, found
    assert found["resources"] == {"one": "OS::Heat::TestResource", "two": "OS::Heat::TestResource"}
    unused = [each for each in found["warnings"] if "pin" in each["message"]]
    assert unused
    assert (unused[0]["file"], unused[0]["line"]) == ("w.yaml", 4)
    broken = TEMPLATE.replace("[one, output]", "[nobody, output]")
    refused = maker.own.post("/validate", json={"template": broken}).json()["error"]
    assert [(each["line"], each["path"]) for each in refused["problems"]] == [
        (11, "resources.two.properties.value")
    ]


def test_limits_and_purge_are_reached_and_guarded(people):
    """A member sees the project's limits; setting one, and purging, is the administrator's."""
    maker, root = people["maker"], people["root"]
    shown = maker.own.get("/limits").json()
    assert shown["project_id"] == maker.project_id
    assert {each["name"] for each in shown["limits"]} >= {"stacks", "operations"}
    path = f"/limits/{maker.project_id}/operations"
    assert maker.own.put(path, json={"limit": 5}).status_code == 403
    assert maker.own.get("/limits", params={"project_id": "another"}).status_code == 403
    assert maker.own.post("/admin/purge", json={"older_than_seconds": 0}).status_code == 403
    answer = root.own.put(path, json={"limit": 5}).json()
    assert next(each["limit"] for each in answer["limits"] if each["name"] == "operations") == 5
    assert root.own.delete(path).status_code == 200
    assert root.own.delete(path).status_code == 404
    assert root.own.put(path, json={"limit": "many"}).status_code == 400
    purged = root.own.post("/admin/purge", json={"older_than_seconds": 1e9})
    assert (purged.status_code, purged.json()) == (200, {"stacks": 0})
    assert root.own.post("/admin/purge", json={"older_than_seconds": -5}).status_code == 400
