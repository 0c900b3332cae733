"""One request from the door to the cloud: its id, its log lines, its trace; and no secret there."""

import json
import re

import httpx
import pytest

CANARY = "c4nary9f3a7b"
OURS = re.compile(r"req-[0-9a-f-]{36}")
GLOBAL = "req-01234567-89ab-cdef-0123-456789abcdef"
TEMPLATE = {
    "heat_template_version": "2021-04-16",
    "parameters": {"word": {"type": "string", "hidden": True}},
    "resources": {
        "net": {"type": "OS::Neutron::Net"},
        "bad": {
            "type": "OS::Heat::TestResource",
            "properties": {"value": {"get_param": "word"}, "fail": True},
        },
    },
}


def failing(maker, name):
    body = {"stack_name": name, "template": TEMPLATE, "parameters": {"word": CANARY}}
    headers = {"X-OpenStack-Request-ID": GLOBAL}
    answer = maker.heat.post("/stacks", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    maker.wait(f"/stacks/{name}/{answer.json()['stack']['id']}")
    return answer.headers["X-OpenStack-Request-ID"]


@pytest.mark.parametrize("sent", [None, GLOBAL, "req-nonsense", "x" * 5000])
def test_every_answer_has_an_id_of_its_own(maker, base, sent):
    """On every API, whatever was sent: what a client sends is another service's."""
    headers = {} if sent is None else {"X-OpenStack-Request-ID": sent}
    answers = [
        maker.heat.get("/stacks", headers=headers),
        maker.heat.get("/stacks/nowhere", headers=headers),
        maker.own.get("/stacks", headers=headers),
        maker.own.get("/stacks/nowhere", headers=headers),
        httpx.get(f"{base}/identity/v3/users", headers=headers),
    ]
    ids = [each.headers["X-OpenStack-Request-ID"] for each in answers]
    assert [each for each in ids if not OURS.fullmatch(each) or each == sent] == []
    assert len(set(ids)) == len(ids)
    assert answers[3].json()["request_id"] == ids[3]


def test_an_operation_is_logged_under_the_request_that_asked_for_it(maker, logged):
    """From its begin to its end, with stack and resource; the client's own id is beside ours."""
    ours = failing(maker, "told")
    lines = [line for line in logged() if line.get("request_id") == ours]
    said = {line["event"]: line for line in lines}
    assert {"request answered", "operation begins", "a step failed", "operation ended"} <= set(said)
    assert said["request answered"]["global_request_id"] == GLOBAL
    ended, failed = said["operation ended"], said["a step failed"]
    assert (ended["stack"], ended["status"], ended["action"]) == ("told", "failed", "CREATE")
    assert (failed["resource"], failed["operation"]) == ("bad", ended["operation"])
    assert ended["engine"]


def test_what_a_request_led_to_can_be_asked_for_by_its_id(maker):
    """For whoever was not told what became of it; another's id leads to nothing."""
    ours = failing(maker, "asked-for")
    found = maker.own.get("/operations", params={"request_id": ours}).json()["operations"]
    nothing = maker.own.get("/operations", params={"request_id": GLOBAL}).json()["operations"]
    assert ([each["action"] for each in found], nothing) == (["CREATE"], [])


def test_no_secret_is_logged_or_traced(maker, logged, spans):
    """A hidden parameter, a token, a password: through a failure, at the level that tells most."""
    failing(maker, "hush")
    maker.own.put("/secrets/c", json={"payload": CANARY})
    maker.heat.post("/validate", json={"template": f"secret: {CANARY}: ["})
    told = json.dumps(logged()) + str([(s.name, dict(s.attributes), s.status) for s in spans()])
    assert CANARY not in told
    assert maker.token not in told


def test_a_request_is_traced_to_the_call_of_the_cloud(maker, server, spans):
    """Request, operation and steps are one story, which a client's own trace may hold."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    template = {"heat_template_version": "2021-04-16", "resources": TEMPLATE["resources"] | {}}
    template["resources"] = {"net": {"type": "OS::Neutron::Net"}}
    body = {"stack_name": "traced", "template": template}
    answer = maker.heat.post("/stacks", json=body, headers=headers)
    maker.wait(f"/stacks/traced/{answer.json()['stack']['id']}")
    mine = [each for each in spans() if f"{each.context.trace_id:032x}" == trace]
    by_id = {each.context.span_id: each for each in mine}
    step = next(each for each in mine if each.name == "step")
    above = []
    while step is not None:
        above.append(step.name)
        step = by_id.get(step.parent.span_id)
    assert above == ["step", "operation", "request"]
    request = next(each for each in mine if each.name == "request")
    assert request.attributes["http.route"] == "/heat/v1/{project}/stacks"
