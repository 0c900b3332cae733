"""The CFN-compatible API, through boto3 over a real socket; by hand where boto3 is too polite."""

import json
import xml.etree.ElementTree as ET
from urllib.parse import urlencode

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

TEMPLATE = {
    "HeatTemplateFormatVersion": "2012-12-12",
    "Description": "Says a <word> & more.",
    "Parameters": {
        "Word": {"Type": "String", "Default": "hello", "Description": "to say"},
        "Secret": {"Type": "String", "Default": "s3cret", "NoEcho": True},
    },
    "Resources": {
        "Echo": {"Type": "OS::Heat::TestResource", "Properties": {"value": {"Ref": "Word"}}}
    },
    "Outputs": {"Said": {"Value": {"Fn::GetAtt": ["Echo", "output"]}, "Description": "what"}},
}


def keys_of(person) -> tuple[str, str]:
    """A new access key of the person's."""
    user = httpx.get(
        f"{person.base}/identity/v3/auth/tokens",
        headers={"X-Auth-Token": person.token, "X-Subject-Token": person.token},
    ).json()["token"]["user"]["id"]
    made = httpx.post(
        f"{person.base}/identity/v3/users/{user}/credentials/OS-EC2",
        headers={"X-Auth-Token": person.token},
        json={"tenant_id": person.project_id},
    )
    assert made.status_code == 201, made.text
    credential = made.json()["credential"]
    return credential["access"], credential["secret"]


def client_of(base: str, access: str, secret: str, version: str = "v4"):
    return boto3.client(
        "cloudformation",
        endpoint_url=f"{base}/cfn/v1/",
        region_name="RegionOne",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=Config(signature_version=version, retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def keys(people):
    return {name: keys_of(person) for name, person in people.items()}


@pytest.fixture(scope="module")
def clients(people, keys):
    return {name: client_of(people[name].base, *pair) for name, pair in keys.items()}


@pytest.fixture
def cfn(clients):
    return clients["maker"]


def refusal(deed, **arguments) -> str:
    """The code a call is refused with."""
    with pytest.raises(ClientError) as told:
        deed(**arguments)
    return told.value.response["Error"]["Code"]


def settled(cfn, name: str, person) -> dict:
    """The stack once nothing is in progress."""
    (stack,) = cfn.describe_stacks(StackName=name)["Stacks"]
    person.wait(f"/stacks/{stack['StackName']}/{stack['StackId'].rsplit('/', 1)[-1]}")
    (stack,) = cfn.describe_stacks(StackName=stack["StackId"])["Stacks"]
    return stack


@pytest.mark.proves("api: CFN-compatible actions, through boto3")
def test_a_stack_lives_through_boto3(cfn, maker):
    """Created, described, updated and deleted by CloudFormation's own client."""
    body = json.dumps(TEMPLATE)
    made = cfn.create_stack(
        StackName="cfn-life",
        TemplateBody=body,
        Parameters=[{"ParameterKey": "Word", "ParameterValue": 'a "<b>" & ü'}],
        Tags=[{"Key": "team", "Value": "red"}],
        OnFailure="DO_NOTHING",
        TimeoutInMinutes=5,
    )
    arn = made["StackId"]
    assert arn.startswith("arn:openstack:heat::p-ours:stacks/cfn-life/")
    stack = settled(cfn, "cfn-life", maker)
    assert (stack["StackStatus"], stack["StackId"]) == ("CREATE_COMPLETE", arn)
    assert stack["Description"] == "Says a <word> & more."
    assert stack["Outputs"] == [
        {"OutputKey": "Said", "OutputValue": 'a "<b>" & ü', "Description": "what"}
    ]
    assert stack["Tags"] == [{"Key": "team", "Value": "red"}]
    assert stack["TimeoutInMinutes"] == 5
    shown = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert (shown["Word"], shown["Secret"]) == ('a "<b>" & ü', "******")

    assert "cfn-life" in {
        each["StackName"]
        for each in cfn.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"]
    }
    assert cfn.list_stacks(StackStatusFilter=["DELETE_FAILED"])["StackSummaries"] == []
    (resource,) = cfn.describe_stack_resources(StackName="cfn-life")["StackResources"]
    assert (resource["LogicalResourceId"], resource["ResourceStatus"]) == (
        "Echo",
        "CREATE_COMPLETE",
    )
    physical = resource["PhysicalResourceId"]
    around = cfn.describe_stack_resources(PhysicalResourceId=physical)["StackResources"]
    assert [each["LogicalResourceId"] for each in around] == ["Echo"]
    (summary,) = cfn.list_stack_resources(StackName="cfn-life")["StackResourceSummaries"]
    assert summary["PhysicalResourceId"] == physical
    events = cfn.describe_stack_events(StackName="cfn-life")["StackEvents"]
    assert events[0]["ResourceStatus"] == "CREATE_COMPLETE"
    assert events[0]["Timestamp"] >= events[-1]["Timestamp"]
    assert cfn.get_template(StackName="cfn-life")["TemplateBody"] == TEMPLATE

    cfn.update_stack(
        StackName=arn,
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Word", "ParameterValue": "bye"}],
    )
    stack = settled(cfn, "cfn-life", maker)
    assert (stack["StackStatus"], stack["Outputs"][0]["OutputValue"]) == ("UPDATE_COMPLETE", "bye")
    cfn.update_stack(
        StackName="cfn-life",
        TemplateBody=body,
        Parameters=[{"ParameterKey": "Word", "UsePreviousValue": True}],
    )
    assert settled(cfn, "cfn-life", maker)["Outputs"][0]["OutputValue"] == "bye"
    cfn.delete_stack(StackName="cfn-life")
    assert settled(cfn, arn, maker)["StackStatus"] == "DELETE_COMPLETE"
    assert refusal(cfn.describe_stacks, StackName="cfn-life") == "InvalidParameterValue"


@pytest.mark.proves("api: CFN-compatible CancelUpdateStack")
def test_an_update_is_cancelled_and_rolled_back(cfn, maker):
    """What CloudFormation's CancelUpdateStack means."""
    cfn.create_stack(StackName="cfn-cancel", TemplateBody=json.dumps(TEMPLATE))
    settled(cfn, "cfn-cancel", maker)
    slow = json.loads(json.dumps(TEMPLATE))
    slow["Resources"]["Slow"] = {
        "Type": "OS::Heat::TestResource",
        "Properties": {"value": "x", "wait_secs": 2},
    }
    cfn.update_stack(StackName="cfn-cancel", TemplateBody=json.dumps(slow))
    cfn.cancel_update_stack(StackName="cfn-cancel")
    assert settled(cfn, "cfn-cancel", maker)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert refusal(cfn.cancel_update_stack, StackName="cfn-cancel") in {
        "InvalidAction",
        "InvalidParameterValue",
    }


@pytest.mark.proves("api: CFN-compatible ValidateTemplate and EstimateTemplateCost")
def test_templates_are_validated(cfn):
    """Parameters are named; a hidden one is marked; a wrong template is told with its place."""
    answer = cfn.validate_template(TemplateBody=json.dumps(TEMPLATE))
    assert answer["Description"] == "Says a <word> & more."
    assert [
        (each["ParameterKey"], each["DefaultValue"], each["NoEcho"])
        for each in answer["Parameters"]
    ] == [("Word", "hello", False), ("Secret", "s3cret", True)]
    assert cfn.estimate_template_cost(TemplateBody=json.dumps(TEMPLATE))["Url"]
    wrong = json.dumps(TEMPLATE).replace("TestResource", "NoSuchThing")
    with pytest.raises(ClientError, match="NoSuchThing") as told:
        cfn.validate_template(TemplateBody=wrong)
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.proves("api: CFN signatures")
def test_requests_signed_by_version_2_are_taken(maker, keys):
    """Old clients sign so."""
    old = client_of(maker.base, *keys["maker"], version="v2")
    assert isinstance(old.list_stacks()["StackSummaries"], list)


@pytest.mark.parametrize(
    ("deed", "arguments", "code"),
    [
        ("describe_stacks", {"StackName": "nobody"}, "InvalidParameterValue"),
        ("delete_stack", {"StackName": "nobody"}, "InvalidParameterValue"),
        ("get_template", {"StackName": "arn:openstack:heat::p-theirs:stacks/a/b"}, None),
        ("create_stack", {"StackName": "no template"}, "MissingParameter"),
        ("create_stack", {"StackName": "1st", "TemplateBody": json.dumps(TEMPLATE)}, None),
        ("create_stack", {"StackName": "x", "TemplateURL": "http://169.254.169.254/"}, None),
        ("create_stack", {"StackName": "x", "TemplateBody": "{"}, None),
        (
            "create_stack",
            {
                "StackName": "both",
                "TemplateBody": json.dumps(TEMPLATE),
                "DisableRollback": True,
                "OnFailure": "ROLLBACK",
            },
            "InvalidParameterCombination",
        ),
        (
            "create_stack",
            {"StackName": "del", "TemplateBody": json.dumps(TEMPLATE), "OnFailure": "DELETE"},
            None,
        ),
        ("describe_stack_resources", {}, "MissingParameter"),
        ("describe_stack_resources", {"StackName": "a", "PhysicalResourceId": "b"}, None),
        ("list_change_sets", {"StackName": "a"}, "InvalidAction"),
    ],
)
def test_refusals_are_the_clients_mistake(cfn, deed, arguments, code):
    """A code that boto3 knows, and never a 500."""
    with pytest.raises(ClientError) as told:
        getattr(cfn, deed)(**arguments)
    answer = told.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] in {400, 403, 404}
    assert code in {None, answer["Error"]["Code"]}
    assert answer["Error"]["Type"] == "Sender"


def test_a_name_is_taken_once(cfn, maker):
    """AlreadyExists, as CloudFormation calls it."""
    cfn.create_stack(StackName="cfn-once", TemplateBody=json.dumps(TEMPLATE))
    again = {"StackName": "cfn-once", "TemplateBody": json.dumps(TEMPLATE, indent=1)}
    assert refusal(cfn.create_stack, **again) == "AlreadyExists"
    settled(cfn, "cfn-once", maker)


def test_a_foreign_stack_is_not_there(clients, maker):
    """Neither by name nor by ARN, for any action; nor is it in a list."""
    clients["maker"].create_stack(StackName="cfn-ours", TemplateBody=json.dumps(TEMPLATE))
    arn = settled(clients["maker"], "cfn-ours", maker)["StackId"]
    stranger = clients["stranger"]
    for named in ("cfn-ours", arn, arn.rsplit("/", 1)[-1], arn.replace("p-ours", "p-theirs")):
        for deed in (
            *("describe_stacks", "delete_stack", "cancel_update_stack", "get_template"),
            *("describe_stack_events", "list_stack_resources", "describe_stack_resources"),
        ):
            assert refusal(getattr(stranger, deed), StackName=named) == "InvalidParameterValue"
        arguments = {"StackName": named, "TemplateBody": json.dumps(TEMPLATE)}
        assert refusal(stranger.update_stack, **arguments) == "InvalidParameterValue"
    assert stranger.list_stacks()["StackSummaries"] == []
    (row,) = clients["maker"].describe_stack_resources(StackName=arn)["StackResources"]
    physical = row["PhysicalResourceId"]
    assert refusal(stranger.describe_stack_resources, PhysicalResourceId=physical)


def test_a_reader_changes_nothing(clients):
    """The policy is that of Heat's API."""
    reader = clients["looker"]
    assert "StackSummaries" in reader.list_stacks()
    arguments = {"StackName": "cfn-read", "TemplateBody": json.dumps(TEMPLATE)}
    assert refusal(reader.create_stack, **arguments) == "AccessDenied"


def test_a_wrong_secret_and_an_unknown_key_are_refused(maker, keys):
    """403, each by its code; and a key that was deleted is unknown at once."""
    access, secret = keys["maker"]
    assert refusal(client_of(maker.base, access, secret + "x").list_stacks) == (
        "SignatureDoesNotMatch"
    )
    unknown = client_of(maker.base, "f" * 32, secret)
    assert refusal(unknown.list_stacks) in {"InvalidClientTokenId", "SignatureDoesNotMatch"}
    mine = keys_of(maker)
    brief = client_of(maker.base, *mine)
    brief.list_stacks()
    where = f"{maker.base}/identity/v3/users/u-maker/credentials/OS-EC2/{mine[0]}"
    headers = {"X-Auth-Token": maker.token}
    assert httpx.delete(where, headers=headers).status_code == 204
    assert refusal(brief.list_stacks) == "InvalidClientTokenId"


# --- by hand ---------------------------------------------------------------------------------


def sent(base: str, pair: tuple[str, str], parameters: dict, **changes) -> httpx.Response:
    """A POST signed by version 4, spoilt afterwards."""
    url = f"{base}/cfn/v1/"
    request = AWSRequest(
        "POST",
        url,
        data=urlencode(parameters),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    SigV4Auth(Credentials(*pair), "cloudformation", "RegionOne").add_auth(request)
    ready = request.prepare()
    headers = {name: text for name, text in ready.headers.items() if name != "Content-Length"}
    body = changes.get("content", ready.body)
    for _ in range(changes.get("times", 1)):
        answer = httpx.post(url, headers=headers, content=body, timeout=30)
    return answer


def test_an_error_is_xml_of_the_query_protocol(maker, keys):
    """With type, code, message and the request's id; characters XML cannot hold are replaced."""
    answer = sent(maker.base, keys["maker"], {"Action": "Dance<&\x00>"})
    assert (answer.status_code, answer.headers["content-type"]) == (
        400,
        "application/xml; charset=UTF-8",
    )
    root = ET.fromstring(answer.text)
    assert root.tag == "ErrorResponse"
    assert root.find("Error/Type").text == "Sender"
    assert root.find("Error/Code").text == "InvalidAction"
    assert "<&" in root.find("Error/Message").text
    assert root.find("RequestId").text.startswith("req-")


def test_an_answer_may_be_json(maker, keys):
    """Where ContentType asks for it."""
    answer = sent(maker.base, keys["maker"], {"Action": "ListStacks", "ContentType": "JSON"})
    assert list(answer.json()) == ["ListStacksResponse"]


def test_a_token_alone_is_refused(maker):
    """As with Heat: this API takes signatures."""
    answer = httpx.get(
        f"{maker.base}/cfn/v1/?Action=ListStacks", headers={"X-Auth-Token": maker.token}
    )
    assert (answer.status_code, "IncompleteSignature" in answer.text) == (400, True)


@pytest.mark.proves("api: CFN signatures")
def test_the_same_request_again_is_refused(maker, keys):
    """A request that changes something is carried out once, however often it is sent."""
    parameters = {
        "Action": "CreateStack",
        "StackName": "cfn-replayed",
        "TemplateBody": json.dumps(TEMPLATE),
    }
    answer = sent(maker.base, keys["maker"], parameters, times=2)
    assert (answer.status_code, "RequestExpired" in answer.text) == (400, True)
    looked = sent(maker.base, keys["maker"], {"Action": "ListStacks"}, times=2)
    assert looked.status_code == 200


def test_a_changed_body_is_refused(maker, keys):
    """The signature covers it."""
    answer = sent(
        maker.base,
        keys["maker"],
        {"Action": "ListStacks"},
        content="Action=DeleteStack&StackName=guarded",
    )
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)


@pytest.mark.parametrize(
    "content",
    [
        b"x" * (17 * 1024 * 1024),
        b"&".join(b"a=b" for _ in range(5000)),
        b"Action=" + b"%ff" * 1000,
        b"\xff\xfe\x00",
    ],
)
def test_hostile_bodies_are_refused_clearly(maker, keys, content):
    """Huge, of too many parameters, or no text at all."""
    answer = sent(maker.base, keys["maker"], {"Action": "ListStacks"}, content=content)
    assert answer.status_code in {400, 403, 413}
    assert ET.fromstring(answer.text).find("Error/Type").text == "Sender"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_only_get_and_post_are_methods(base, method):
    """Others are refused before a signature is looked at."""
    assert httpx.request(method, f"{base}/cfn/v1/").status_code == 405


def test_the_root_names_its_version(base):
    """As Heat's does; an unknown path is 404."""
    (version,) = httpx.get(f"{base}/cfn").json()["versions"]
    assert version["links"][0]["href"] == f"{base}/cfn/v1/"
    assert httpx.get(f"{base}/cfn/v2/").status_code == 404
    assert httpx.get(f"{base}/cfn/v1/dance").status_code == 404
