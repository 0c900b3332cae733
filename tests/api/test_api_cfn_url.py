"""TemplateURL of the CFN-compatible API: fetched as template_url is, from the same places."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from listener import listening
from test_api_cfn import TEMPLATE, client_of, keys_of

from mantle.api.app import create_cfn_app
from mantle.api.metrics import Metrics
from mantle.lib.outbound import destinations_of


@pytest.fixture(scope="module")
def cfn(people):
    return client_of(people["maker"].base, *keys_of(people["maker"]))


@pytest.fixture
def pages(server):
    """A server of templates on the loopback, which is allowed meanwhile."""
    machine = server.control.machine
    before = machine.settings
    machine.settings = replace(before, destinations=destinations_of("127.0.0.0/8"))
    with listening() as listener:
        yield listener
    machine.settings = before


@pytest.mark.proves("api: CFN-compatible TemplateURL")
def test_every_action_that_takes_a_template_takes_its_address(cfn, maker, pages):
    """CreateStack, UpdateStack, ValidateTemplate and EstimateTemplateCost."""
    url = pages.page("/t.json", json.dumps(TEMPLATE))
    assert cfn.validate_template(TemplateURL=url)["Description"] == "Says a <word> & more."
    assert cfn.estimate_template_cost(TemplateURL=url)["Url"]
    made = cfn.create_stack(StackName="cfn-url", TemplateURL=url)
    path = f"/stacks/cfn-url/{made['StackId'].rsplit('/', 1)[-1]}"
    assert maker.wait(path) == "CREATE_COMPLETE"
    pages.page("/t.json", json.dumps(TEMPLATE).replace('"hello"', '"bye"'))
    cfn.update_stack(StackName="cfn-url", TemplateURL=url)
    assert maker.wait(path) == "UPDATE_COMPLETE"
    (stack,) = cfn.describe_stacks(StackName="cfn-url")["Stacks"]
    assert stack["Outputs"][0]["OutputValue"] == "bye"
    cfn.delete_stack(StackName="cfn-url")


def test_what_the_template_names_comes_along(cfn, maker, pages):
    """As with template_url: nested templates, relative to the address."""
    inner = {**TEMPLATE, "Outputs": {}}
    pages.page("/inner.template", json.dumps(inner))
    outer = {
        "HeatTemplateFormatVersion": "2012-12-12",
        "Resources": {"In": {"Type": "inner.template"}},
    }
    url = pages.page("/outer.json", json.dumps(outer))
    made = cfn.create_stack(StackName="cfn-nested-url", TemplateURL=url)
    path = f"/stacks/cfn-nested-url/{made['StackId'].rsplit('/', 1)[-1]}"
    assert maker.wait(path) == "CREATE_COMPLETE"
    cfn.delete_stack(StackName="cfn-nested-url")


def test_a_body_that_was_sent_wins(cfn, pages):
    """As in Heat: nothing is fetched then."""
    answer = cfn.validate_template(TemplateBody=json.dumps(TEMPLATE), TemplateURL=pages.base)
    assert (answer["Description"], pages.seen) == ("Says a <word> & more.", [])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://169.254.169.254/", "file:///etc/passwd", "nothing"]
)
@pytest.mark.parametrize("deed", ["create_stack", "validate_template", "estimate_template_cost"])
def test_private_places_are_not_asked_by_default(cfn, deed, url):
    """The caller's mistake, with the reason in Heat's words."""
    named = {"StackName": "bad"} if deed == "create_stack" else {}
    with pytest.raises(ClientError, match="Could not retrieve template") as told:
        getattr(cfn, deed)(TemplateURL=url, **named)
    assert told.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_a_port_of_its_own_counts_into_the_servers_metrics(server):
    """Its requests are in the metrics it was given, under the names they have below /cfn."""
    metrics = Metrics()
    app = create_cfn_app(server.control, None, metrics)

    async def ask():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://cfn") as client:
            return (await client.get("/")).status_code

    assert asyncio.run(ask()) == 300
    counted = 'mantle_api_answers_total{method="GET",route="/cfn/",status="300"} 1.0'
    assert counted in metrics.text().decode()
