"""Verbs on operations over `/v2`: what is answered, what is refused, what the metrics say."""

import httpx
import pytest

FAILING = {
    "heat_template_version": "2016-04-08",
    "resources": {
        "good": {"type": "OS::Heat::TestResource"},
        "bad": {
            "type": "OS::Heat::TestResource",
            "depends_on": "good",
            "properties": {"fail": True},
        },
    },
}


@pytest.fixture(scope="module")
def failed(people):
    """The id of an operation that failed at its step `create bad`."""
    maker = people["maker"]
    asked = {"stack_name": "unwell", "template": FAILING}
    path = "/stacks/unwell/" + maker.heat.post("/stacks", json=asked).json()["stack"]["id"]
    assert maker.wait(path) == "CREATE_FAILED"
    (operation,) = maker.own.get("/operations?stack=unwell").json()["operations"]
    return operation["id"]


def wait(person, name="unwell"):
    stack = person.own.get(f"/stacks/{name}").json()["stack"]["id"]
    return person.wait(f"/stacks/{name}/{stack}")


@pytest.mark.proves("beyond: retry a step")
def test_a_retry_is_answered_with_what_was_asked_and_the_operation(people, failed):
    """202: it is durable; the operation goes on behind it."""
    maker = people["maker"]
    answer = maker.own.post(f"/operations/{failed}/retry", json={"step": "bad", "why": "again"})
    assert answer.status_code == 202, answer.text
    asked = answer.json()["intervention"]
    assert (asked["verb"], asked["step"], asked["by"], asked["why"], asked["honoured"]) == (
        "retry",
        "create bad",
        "maker",
        "again",
        True,
    )
    assert answer.json()["operation"]["id"] == failed
    assert wait(maker) == "CREATE_FAILED"
    told = maker.own.get(f"/operations/{failed}/explain").json()
    assert [each["verb"] for each in told["interventions"]] == ["retry"]
    step = next(each for each in told["steps"] if each["key"] == "create bad")
    assert (step["state"], step["verbs"], told["verbs"]) == ("failed", ["retry", "skip"], ["retry"])


@pytest.mark.parametrize(
    ("verb", "body", "status", "said"),
    [
        ("retry", {"step": "good"}, 409, "cannot be retried: it is done"),
        ("skip", {"step": "create good"}, 409, "cannot be skipped: it is done"),
        ("skip", {"step": ""}, 409, "only a step can be skipped"),
        ("skip", {}, 400, "step"),
        ("skip", {"step": "bat"}, 404, "has no step 'bat'"),
        ("skip", {"step": "x" * 100_000}, 404, "has no step"),
        ("cancel", {}, 409, "the operation has ended"),
        ("cancel", {"step": "bad"}, 409, "the operation has ended"),
        ("retry", {"step": "bad", "why": "y" * 1001}, 400, "longer than 1000"),
        ("retry", {"step": 7}, 400, "str"),
        ("retry", {"stepp": "bad"}, 400, "stepp"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(people, failed, verb, body, status, said):
    """And nothing is stored of it."""
    maker = people["maker"]
    before = maker.own.get(f"/operations/{failed}/explain").json()["interventions"]
    answer = maker.own.post(f"/operations/{failed}/{verb}", json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert said in error["message"] + error["remedy"]
    assert maker.own.get(f"/operations/{failed}/explain").json()["interventions"] == before


def test_taking_over_is_for_administrators(people, failed):
    """Engines are the operator's; of an operation that has ended there is nothing to take."""
    where = f"/operations/{failed}/take-over"
    assert people["maker"].own.post(where, json={}).status_code == 403
    assert people["stranger"].own.post(where, json={}).status_code == 403
    assert people["stranger"].own.get(f"/operations/{failed}/explain").status_code == 404
    assert people["root"].own.get(f"/operations/{failed}/explain").status_code == 200
    assert people["maker"].own.get("/operations?all_projects=true").status_code == 403
    everywhere = people["root"].own.get("/operations?all_projects=true").json()["operations"]
    assert failed in {each["id"] for each in everywhere}
    answer = people["root"].own.post(where, json={})
    assert answer.status_code == 409
    assert "the operation has ended" in answer.json()["error"]["message"]


def test_a_skip_ends_the_operation_well_and_the_resource_says_what_it_is(people, failed):
    """CREATE_FAILED, with who skipped it."""
    maker = people["maker"]
    answer = maker.own.post(f"/operations/{failed}/skip", json={"step": "bad", "why": "no use"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["intervention"]["resources"] == ["bad"]
    assert wait(maker) == "CREATE_COMPLETE"
    found = {
        each["name"]: each for each in maker.own.get("/stacks/unwell/resources").json()["resources"]
    }
    assert found["bad"]["status"] == "CREATE_FAILED"
    assert found["bad"]["reason"].startswith("Skipped by maker: no use.")
    reason = maker.own.get("/stacks/unwell").json()["stack"]["reason"]
    assert "but for what was skipped: create bad" in reason


def test_nothing_is_stuck_and_the_metrics_say_so(people, base):
    """One series for each kind of trouble, 0 without any."""
    assert people["maker"].own.get("/operations?stuck=true").json() == {"operations": []}
    text = httpx.get(f"{base}/metrics").text
    assert 'mantle_operations_stuck{reason="hung"} 0.0' in text
