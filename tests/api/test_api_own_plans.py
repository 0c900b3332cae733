"""`/v2/plans`: saved plans over HTTP."""

import time

import pytest

TEMPLATE = """\
heat_template_version: 2018-08-31
parameters:
  pin: {type: string, hidden: true, default: swordfish}
resources:
  a: {type: OS::Heat::TestResource, properties: {value: %s}}
  b: {type: OS::Heat::TestResource, properties: {value: {get_param: pin}}, depends_on: a}
"""


def settled(person, plan_id, *states):
    """The saved plan, once it is in one of these states."""
    for _ in range(200):
        saved = person.own.get(f"/plans/{plan_id}").json()["saved"]
        if saved["status"] in states:
            return saved
        time.sleep(0.05)
    raise AssertionError(saved)


def saved(person, name, template, action="create", **rest):
    body = {"action": action, "stack_name": name, "template": template, "save": True, **rest}
    answer = person.own.post("/plans", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.proves("beyond: binding plan")
def test_a_plan_is_saved_shown_compared_applied_and_deleted(maker, people):
    """Its whole life; a stranger sees nothing of it, and no answer holds a secret."""
    made = saved(maker, "bound", TEMPLATE % 1)
    plan_id = made["plan_id"]
    assert made["saved"]["status"] == "open"
    assert f"mantle plan apply {plan_id}" in made["rendered"]
    assert maker.own.get(f"/plans/{plan_id}").json() == made
    assert maker.own.get(f"/plans/{plan_id}/diff").json() == {"applicable": True, "moved": []}
    for method, path in (("GET", ""), ("GET", "/diff"), ("POST", "/apply"), ("DELETE", "")):
        answer = people["stranger"].own.request(
            method, f"/plans/{plan_id}{path}", json={} if method == "POST" else None
        )
        assert answer.status_code == 404
    answer = maker.own.post(f"/plans/{plan_id}/apply", json={"request_id": "once"})
    assert answer.status_code == 202, answer.text
    again = maker.own.post(f"/plans/{plan_id}/apply", json={"request_id": "once"})
    assert again.json()["operation"]["id"] == answer.json()["operation"]["id"]
    assert settled(maker, plan_id, "applied")["pending"] == []
    twice = maker.own.post(f"/plans/{plan_id}/apply", json={})
    assert (twice.status_code, twice.json()["error"]["type"]) == (409, "PlanNotApplicable")
    listed = maker.own.get("/plans?stack=bound")
    assert [one["id"] for one in listed.json()["plans"]] == [plan_id]
    assert "swordfish" not in made["rendered"] + listed.text + answer.text
    assert maker.own.delete(f"/plans/{plan_id}").status_code == 204
    assert maker.own.get(f"/plans/{plan_id}").status_code == 404


@pytest.mark.proves("beyond: binding plan")
def test_a_spoiled_plan_is_a_409_with_names(maker):
    """Nothing is touched; `diff` says the same."""
    first = saved(maker, "spoiled", TEMPLATE % 1)["plan_id"]
    maker.own.post(f"/plans/{first}/apply", json={})
    settled(maker, first, "applied")
    plan_id = saved(maker, "spoiled", TEMPLATE % 2, "update")["plan_id"]
    other = saved(maker, "spoiled", TEMPLATE % 3, "update")["plan_id"]
    maker.own.post(f"/plans/{other}/apply", json={})
    settled(maker, other, "applied")
    answer = maker.own.post(f"/plans/{plan_id}/apply", json={})
    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "PlanStale")
    assert "resources.a" in answer.json()["error"]["message"]
    assert maker.own.get(f"/plans/{plan_id}/diff").json()["applicable"] is False


@pytest.mark.proves("beyond: gated waves")
def test_waves_and_gates(maker):
    """The plan waits at its gate until someone continues it."""
    waves = [{"resources": ["a"], "gate": "manual"}]
    made = saved(maker, "waved", TEMPLATE % 1, waves=waves)
    assert "1. create a; then a manual gate  (next)" in made["rendered"]
    plan_id = made["plan_id"]
    assert maker.own.post(f"/plans/{plan_id}/continue").status_code == 409
    maker.own.post(f"/plans/{plan_id}/apply", json={})
    assert settled(maker, plan_id, "waiting")["pending"] == ["create b"]
    assert maker.own.post(f"/plans/{plan_id}/apply", json={}).status_code == 409
    assert maker.own.post(f"/plans/{plan_id}/continue").status_code == 200
    assert settled(maker, plan_id, "applied")["done"] == ["create a", "create b"]


def test_a_part_is_applied(maker):
    """What it brings along and what stays behind is told."""
    plan_id = saved(maker, "parted", TEMPLATE % 1)["plan_id"]
    answer = maker.own.post(f"/plans/{plan_id}/apply", json={"exclude": ["b"]})
    assert answer.json()["left_out"] == {"b": "it is excluded"}
    assert [step["key"] for step in answer.json()["plan"]["steps"]] == ["create a"]
    assert settled(maker, plan_id, "partial")["pending"] == ["create b"]


@pytest.mark.parametrize(
    "change",
    [
        {"waves": [{}]},
        {"waves": [{"percent": 0}]},
        {"waves": [{"percent": 1e300}]},
        {"waves": [{"percent": -5}]},
        {"waves": [{"resources": ["nosuch"]}]},
        {"waves": [{"resources": ["a"], "gate": "open"}]},
        {"waves": [{"resources": ["a"]}] * 1000},
        {"waves": "10%"},
        {"include": ["nosuch"]},
        {"include": ["a"], "exclude": ["a"]},
        {"exclude": ["a", "b"]},
        {"lifetime_seconds": 0},
        {"lifetime_seconds": 1e12},
        {"save": False, "include": ["a"]},
        {"action": "rollback"},
        {"action": "explode"},
        {"nosuch": 1},
        {"stack_name": None},
        {"template": "{{{"},
    ],
)
def test_bad_requests_are_refused(maker, change):
    """Whatever is sent: 4xx, with a sentence."""
    body = {"action": "create", "stack_name": "bad", "template": TEMPLATE % 1, "save": True}
    answer = maker.own.post("/plans", json=body | change)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"include": ["nosuch"]},
        {"include": "a"},
        {"request_id": "a b"},
        {"request_id": "x" * 1000},
        {"include": ["a"] * 10_000 + ["nosuch" * 1000]},
        [],
        {"nosuch": 1},
    ],
)
def test_bad_applications_are_refused(maker, body):
    """And nothing is begun by them."""
    plan_id = saved(maker, "never", TEMPLATE % 1)["plan_id"]
    answer = maker.own.post(f"/plans/{plan_id}/apply", json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert maker.own.get("/stacks/never").status_code == 404
    assert maker.own.get(f"/plans/{plan_id}").json()["saved"]["status"] == "open"
