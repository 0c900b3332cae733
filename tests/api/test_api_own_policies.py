"""`/v2/policies` and guards of stacks, over HTTP, and what Heat's clients see of them."""

import pytest

TEMPLATE = {
    "heat_template_version": "2016-04-08",
    "resources": {"r": {"type": "OS::Heat::TestResource", "properties": {"value": "a"}}},
}


@pytest.fixture
def rule(maker):
    """Sets a rule, and takes it away afterwards: the others of this project build stacks too."""
    yield lambda name="no", **body: maker.own.put(f"/policies/{name}", json=body)
    maker.own.delete("/policies/no")


@pytest.mark.proves("beyond: policy rules")
def test_a_rule_refuses_through_both_apis(maker, rule):
    """403 with the rule and its place; the plan says it without refusing."""
    body = {
        "effect": "deny",
        "expression": "after.value == 'forbidden'",
        "resource_types": ["OS::Heat::TestResource"],
        "description": "not that",
        "origin": "rules.yaml:3",
    }
    assert rule(**body).status_code == 200
    template = {**TEMPLATE, "resources": {"r": {**TEMPLATE["resources"]["r"]}}}
    template["resources"]["r"]["properties"] = {"value": "forbidden"}
    asked = {"stack_name": "denied", "template": template}
    own = maker.own.post("/stacks", json=asked)
    heat = maker.heat.post("/stacks", json=asked)
    for answer in (own, heat):
        assert answer.status_code == 403
        error = answer.json()["error"]
        assert error["type"] == "PolicyDenied"
        assert "denied by project rule 'no' (rules.yaml:3): not that" in error["message"]
    plan = maker.own.post("/plans", json={"action": "create", **asked})
    assert plan.status_code == 201
    assert "denied by project rule 'no'" in plan.json()["rendered"]
    assert [one["rule"] for one in plan.json()["plan"]["verdicts"]] == ["no"]


def test_rules_of_the_operator_need_the_admin(maker, people):
    """A member sets those of the project only."""
    body = {"effect": "warn", "expression": "false", "scope": "operator"}
    assert maker.own.put("/policies/everywhere", json=body).status_code == 403
    root = people["root"].own
    assert root.put("/policies/everywhere", json=body).status_code == 200
    listed = people["stranger"].own.get("/policies").json()["policies"]
    assert [(one["scope"], one["name"]) for one in listed] == [("operator", "everywhere")]
    assert maker.own.delete("/policies/everywhere?operator=true").status_code == 403
    assert root.delete("/policies/everywhere?operator=true").status_code == 204


@pytest.mark.parametrize(
    ("expression", "context", "answer"),
    [
        ("after.size > 3", {"after": {"size": 4}}, True),
        ("after.size > 3", {"after": {"size": 3}}, False),
        ("after.size > 3", {}, None),
        ("'admin' in user.roles", {"user": {"roles": ["admin"]}}, True),
        ("now > timestamp('2026-01-01T00:00:00Z')", {"now": "2026-11-21T05:00:00+00:00"}, True),
        ("now > timestamp('2026-01-01T00:00:00Z')", {"now": "soon"}, None),
        ("name == 'x'", {}, "invalid"),
        ("action == 'x'", {"nosuch": 1}, "invalid"),
        ("tags.size() == 1", {"tags": 5}, None),
        ("after.n == 1", {"after": {"n": 10**40}}, None),
    ],
)
def test_an_expression_is_tried_over_given_values(maker, expression, context, answer):
    """True, false, or why nobody can tell; a bad one is a 400."""
    said = maker.own.post("/policies/test", json={"expression": expression, "context": context})
    if answer == "invalid":
        assert said.status_code == 400, said.text
    else:
        assert (said.status_code, said.json()["applies"]) == (200, answer), said.text


@pytest.mark.proves("beyond: termination protection")
def test_a_protected_stack_is_refused_to_heats_clients_too(maker):
    """409 and a sentence, not an error of the server."""
    path = maker.create("precious", TEMPLATE)
    name = path.split("/")[2]
    protection = {"protected": True, "why": "mine"}
    assert maker.own.put(f"/stacks/{name}/protection", json=protection).status_code == 200
    answer = maker.heat.delete(path)
    assert answer.status_code == 409
    assert "protected from deletion by maker: mine" in answer.json()["error"]["message"]
    assert maker.own.delete(f"/stacks/{name}").status_code == 409
    assert maker.own.get(f"/stacks/{name}/guard").json()["guard"]["protected"] is True
    assert maker.own.put(f"/stacks/{name}/protection", json={"protected": False}).is_success
    assert maker.heat.delete(path).status_code == 204


@pytest.mark.parametrize("body", [{}, {"ttl_seconds": "8h"}, {"ttl_seconds": -1}, {"ttl": 5}, []])
def test_a_bad_lifetime_is_refused(maker, body):
    """Whatever is sent."""
    path = f"/stacks/{'nobody' if body == [] else 'precious'}/lifetime"
    assert maker.own.put(path, json=body).status_code in {400, 404}
