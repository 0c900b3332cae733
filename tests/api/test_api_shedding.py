"""What is refused while too many wait for the database, and what is not."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).parent))

from test_api_cfn import TEMPLATE, client_of, keys_of


@pytest.fixture
def full(server):
    """A server whose readers are all busy, and whose queue is as long as it may be."""
    machine = server.control.machine
    before = machine.settings
    machine.settings = replace(before, reads_waiting=2)
    reads = server.control.database.reads
    # The gate counts what waits; what waits is not what is tried here.
    reads._began.update({-1: 0.0, -2: 0.0})
    yield
    del reads._began[-1], reads._began[-2]
    machine.settings = before


def test_one_more_question_is_refused_and_says_when_to_ask_again(full, maker):
    """On both APIs, before anything is read for it."""
    answers = [maker.heat.get("/stacks"), maker.own.get("/stacks")]
    assert [each.status_code for each in answers] == [503, 503]
    assert "as many questions wait" in answers[1].json()["error"]["message"]
    assert answers[1].headers["Retry-After"] == "5"


def test_what_must_not_be_lost_is_taken(full, base, maker):
    """A login (it is judged: this one is wrong), a probe, a template: whatever is no question."""
    who = {"name": "maker", "domain": {"id": "default"}, "password": "wrong"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}}}
    token = httpx.post(f"{base}/identity/v3/auth/tokens", json=body, timeout=30)
    ready = httpx.get(f"{base}/readyz", timeout=30)
    template = {"heat_template_version": "2021-04-16", "resources": {}}
    checked = maker.heat.post("/validate", json={"template": template})
    assert (token.status_code, ready.status_code, checked.status_code) == (401, 200, 200)


def test_the_cfn_compatible_api_does_as_much(server, maker, request):
    """Stacks are not told; what servers ask of their metadata is, and what changes is taken."""
    cfn = client_of(maker.base, *keys_of(maker))
    body = json.dumps(TEMPLATE)
    request.getfixturevalue("full")
    codes, again = [], []
    for deed in (
        cfn.list_stacks,
        lambda: cfn.describe_stacks(StackName="no"),
        lambda: cfn.describe_stack_resource(StackName="no", LogicalResourceId="no"),
        lambda: cfn.delete_stack(StackName="no"),
    ):
        with pytest.raises(ClientError) as told:
            deed()
        codes.append(told.value.response["Error"]["Code"])
        again.append(told.value.response["ResponseMetadata"]["HTTPHeaders"].get("retry-after"))
    assert codes == ["ServiceUnavailable"] * 2 + ["InvalidParameterValue"] * 2
    assert again == ["5", "5", None, None]
    cfn.create_stack(StackName="full", TemplateBody=body)
    cfn.delete_stack(StackName="full")
