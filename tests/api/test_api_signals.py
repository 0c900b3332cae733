"""Every way a signal may come, and what else it does not open: over real sockets, some by curl."""

import json
import shutil
import subprocess
import time

import boto3
import httpx
import pytest

AWS = {"Status": "SUCCESS", "Reason": "ok", "UniqueId": "1", "Data": 'a "<b>" & ü'}


def hot(resources: dict, outputs: dict | None = None) -> dict:
    return {
        "heat_template_version": "2016-04-08",
        "resources": resources,
        "outputs": {name: {"value": value} for name, value in (outputs or {}).items()},
    }


def handle(kind: str = "OS::Heat::WaitConditionHandle", **properties) -> dict:
    return {"type": kind, "properties": properties}


def waiting(kind: str, handle_kind: str, *, capitals: bool = False, **properties) -> dict:
    """A handle and what waits on it."""
    given = {"handle": {"get_resource": "handle"}, "timeout": 60, "count": 1}
    if capitals:
        given = {name.capitalize(): value for name, value in given.items()}
    data = "Data" if capitals else "data"
    return hot(
        {
            "handle": handle(handle_kind, **properties),
            "told": {
                "type": "OS::Heat::TestResource",
                "properties": {"value": {"get_resource": "handle"}},
            },
            "wait": {"type": kind, "properties": given, "depends_on": "told"},
        },
        {
            "data": {"get_attr": ["wait", data]},
        },
    )


def begun(person, name: str, template: dict) -> str:
    """A stack whose handle is there, while its wait condition waits."""
    answer = person.heat.post("/stacks", json={"stack_name": name, "template": template})
    assert answer.status_code == 201, answer.text
    path = f"/stacks/{name}/{answer.json()['stack']['id']}"
    while resource(person, path, "told")["resource_status"] != "CREATE_COMPLETE":
        time.sleep(0.02)
    return path


def reference(person, path: str) -> str:
    """What get_resource gives for the handle of a stack that waits."""
    return resource(person, path, "told")["attributes"]["output"]


def resource(person, path: str, name: str) -> dict:
    return person.heat.get(f"{path}/resources/{name}").json()["resource"]


def output(person, path: str, key: str):
    return person.heat.get(f"{path}/outputs/{key}").json()["output"]["output_value"]


def account(person, path: str, name: str = "handle") -> dict:
    """What HEAT_SIGNAL hands out."""
    return json.loads(resource(person, path, name)["attributes"]["signal"])


def login(given: dict) -> httpx.Response:
    user = {"id": given["user_id"], "password": given["password"]}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"id": given["project_id"]}},
    }
    return httpx.post(f"{given['auth_url']}/auth/tokens", json={"auth": auth}, timeout=30)


# --- the transports --------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="the command is curl's")
@pytest.mark.parametrize("transport", ["TOKEN_SIGNAL", "CFN_SIGNAL", "TEMP_URL_SIGNAL"])
@pytest.mark.proves("life cycle: signal transports")
def test_the_command_in_curl_cli_signals(maker, transport):
    """As a boot script runs it: the attribute, and --data-binary after it."""
    name = transport.lower().replace("_", "-")
    kinds = ("OS::Heat::WaitCondition", "OS::Heat::WaitConditionHandle")
    path = begun(maker, name, waiting(*kinds, signal_transport=transport))
    command = resource(maker, path, "handle")["attributes"]["curl_cli"]
    body = json.dumps(AWS if transport == "CFN_SIGNAL" else {"id": "1", "data": AWS["Data"]})
    done = subprocess.run(
        ["/bin/sh", "-c", f'{command} -sS --data-binary "$BODY"'],
        env={"BODY": body, "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert " 200 " in done.stdout.splitlines()[0], done.stdout
    assert maker.wait(path) == "CREATE_COMPLETE"
    assert json.loads(output(maker, path, "data")) == {"1": AWS["Data"]}


@pytest.mark.proves("life cycle: signal transports")
def test_heat_signal_hands_out_an_account_that_signals(maker):
    """It logs in to the stack domain and POSTs to the resource, as Heat's clients do."""
    kinds = ("OS::Heat::WaitCondition", "OS::Heat::WaitConditionHandle")
    path = begun(maker, "heat-signal", waiting(*kinds, signal_transport="HEAT_SIGNAL"))
    given = account(maker, path)
    token = login(given)
    assert token.status_code == 201, token.text
    said = token.json()["token"]
    assert [role["name"] for role in said["roles"]] == ["heat_stack_user"]
    assert said["user"]["domain"]["name"] == "heat"
    headers = {"X-Auth-Token": token.headers["X-Subject-Token"]}
    sent = httpx.post(given["alarm_url"], headers=headers, json={"id": "7", "data": "d"})
    assert sent.status_code == 200, sent.text
    assert maker.wait(path) == "CREATE_COMPLETE"
    assert json.loads(output(maker, path, "data")) == {"7": "d"}


def test_no_signal_takes_none_and_zaqar_is_refused_by_name(maker):
    """At validation, with what there is instead."""
    path = maker.create("no-signal", hot({"handle": handle(signal_transport="NO_SIGNAL")}))
    refused = maker.heat.post(f"{path}/resources/handle/signal", json={})
    assert (refused.status_code, "NO_SIGNAL" in refused.text) == (400, True)
    template = hot({"handle": handle(signal_transport="ZAQAR_SIGNAL")})
    told = maker.heat.post("/validate", json={"template": template})
    assert told.status_code == 400
    assert "message queue" in told.text
    assert "CFN_SIGNAL" in told.text


@pytest.mark.proves("life cycle: AWS wait conditions")
def test_an_aws_handle_is_its_signed_url(maker):
    """Who PUTs CloudFormation's four keys there signals it; three keys or five do not."""
    kinds = ("AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle")
    path = begun(maker, "aws-wait", waiting(*kinds, capitals=True))
    url = reference(maker, path)
    assert "/cfn/v1/waitcondition/arn%3Aopenstack%3Aheat" in url
    for wrong in ({}, {"Status": "SUCCESS"}, {**AWS, "More": 1}, {**AWS, "Status": "PERHAPS"}):
        assert httpx.put(url, json=wrong).status_code == 400
    assert httpx.post(url, json=AWS).status_code == 405
    answer = httpx.put(url, json=AWS)
    assert (answer.status_code, answer.json()["resource"]) == (200, "handle")
    assert maker.wait(path) == "CREATE_COMPLETE"
    assert json.loads(output(maker, path, "data")) == {"1": AWS["Data"]}


def test_a_failure_signal_fails_the_stack_with_its_reason(maker):
    """Which a sender wrote, so that it is shown to people."""
    kinds = ("AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle")
    path = begun(maker, "aws-fail", waiting(*kinds, capitals=True))
    httpx.put(reference(maker, path), json={**AWS, "Status": "FAILURE", "Reason": "no disk"})
    assert maker.wait(path) == "CREATE_FAILED"
    assert "no disk" in resource(maker, path, "wait")["resource_status_reason"]


@pytest.mark.proves("life cycle: SwiftSignal without an object store")
def test_a_swift_signal_is_put_to_a_url_that_expires(maker):
    """An empty PUT is a success, as it is with Swift."""
    kinds = ("OS::Heat::SwiftSignal", "OS::Heat::SwiftSignalHandle")
    path = begun(maker, "swift", waiting(*kinds))
    url = reference(maker, path)
    assert httpx.put(url).status_code == 200
    assert maker.wait(path) == "CREATE_COMPLETE"
    assert json.loads(output(maker, path, "data")) == {"1": None}


@pytest.mark.proves("life cycle: UpdateWaitConditionHandle")
def test_an_update_handle_is_made_anew_by_every_update(maker):
    """Even by one that changes nothing else; and what waits on it waits anew."""
    template = hot(
        {
            "handle": handle("OS::Heat::UpdateWaitConditionHandle"),
            "other": {"type": "OS::Heat::TestResource", "properties": {"value": "a"}},
        },
        {"ref": {"get_resource": "handle"}},
    )
    path = maker.create("renewed", template)
    first = output(maker, path, "ref")
    template["resources"]["other"]["properties"]["value"] = "b"
    assert maker.heat.put(path, json={"template": template}).status_code == 202
    assert maker.wait(path) == "UPDATE_COMPLETE"
    second = output(maker, path, "ref")
    assert first != second
    assert httpx.put(first, json=AWS).status_code in {400, 403, 404}
    assert httpx.put(second, json=AWS).status_code == 200


@pytest.mark.proves("beyond: signals over /v2")
def test_signals_are_sent_and_listed_over_v2(maker, people):
    """For those who may signal: a reader is not shown what senders say."""
    kinds = ("OS::Heat::WaitCondition", "OS::Heat::WaitConditionHandle")
    path = begun(maker, "v2-signal", waiting(*kinds))
    sent = {"resource": "handle", "body": {"id": "a", "data": {"x": [1]}}}
    assert maker.own.post("/stacks/v2-signal/signals", json=sent).status_code == 204
    assert maker.wait(path) == "CREATE_COMPLETE"
    listed = "/stacks/v2-signal/signals?resource=handle"
    (signal,) = maker.own.get(listed).json()["signals"]
    assert signal["body"] == sent["body"]
    assert people["looker"].own.get(listed).status_code == 403
    wrong = {"resource": "told", "body": {}}
    assert maker.own.post("/stacks/v2-signal/signals", json=wrong).status_code == 400
    assert maker.own.get("/stacks/v2-signal/signals?resource=none").status_code == 404


# --- forged, expired, of another -------------------------------------------------------------


@pytest.fixture(scope="module")
def two(people):
    """Two stacks of one project with a handle of each transport, all done."""
    made = {}
    for name in ("mine", "other"):
        resources = {
            transport: handle(signal_transport=f"{transport.upper()}_SIGNAL")
            for transport in ("cfn", "temp_url", "heat", "token")
        }
        resources["aws"] = handle("AWS::CloudFormation::WaitConditionHandle")
        resources["deaf"] = {"type": "OS::Heat::TestResource"}
        made[name] = people["maker"].create(f"signals-{name}", hot(resources))
    return made


def endpoint(person, path: str, name: str) -> str:
    return resource(person, path, name)["attributes"]["endpoint"]


def test_a_forged_cfn_url_is_refused(maker, two):
    """Another resource's name, another stack, a cut signature, another key: 403, and no more."""
    url = endpoint(maker, two["mine"], "cfn")
    other = endpoint(maker, two["other"], "cfn")
    mine_id, other_id = (two[name].rsplit("/", 1)[-1] for name in ("mine", "other"))
    key, other_key = (each.split("AWSAccessKeyId=")[1][:32] for each in (url, other))
    forged = [
        url.replace("/cfn?", "/token?"),
        url.replace(mine_id, other_id).replace("signals-mine", "signals-other"),
        url.replace("Signature=", "Signature=x"),
        url.replace(key, other_key),
        url.replace(key, "0" * 32),
        url.replace("p-ours", "p-theirs"),
        url.replace("Timestamp=20", "Timestamp=19"),
        url + "&More=1",
    ]
    codes = {httpx.put(each, json=AWS).status_code for each in forged}
    assert codes == {403}
    bare = httpx.put(url.split("?")[0], json=AWS)
    assert (bare.status_code, "IncompleteSignature" in bare.text) == (400, True)
    assert httpx.put(url, json=AWS).status_code == 200


def test_a_forged_temp_url_is_refused(maker, two):
    """A later end, another resource, no signature at all: 404, as if nothing were there."""
    url = endpoint(maker, two["mine"], "temp_url")
    ends = url.rsplit("=", 1)[-1]
    for forged in (
        url.replace(ends, str(int(ends) + 1)),
        url.replace(ends, "9" * 30),
        url.replace(ends, "-1"),
        url.split("?")[0],
        url.replace("temp_url_sig=", "temp_url_sig=%00"),
        url.replace("/temp/", "/collect/"),
    ):
        assert httpx.put(forged, json={}).status_code in {404, 405}, forged
    assert httpx.post(url, json={}).status_code == 405
    assert httpx.put(url, json={}).status_code == 200


def test_an_expired_temp_url_says_so(server, maker, two):
    """Only to who holds a right one."""
    links = server.control.machine.links
    url = endpoint(maker, two["mine"], "temp_url")
    row = url.split("/temp/")[1].split("?")[0]
    tag = links.keys.url_tag("temp", row, 1_000_000_000)
    late = f"{url.split('?')[0]}?temp_url_sig={tag}&temp_url_expires=1000000000"
    answer = httpx.put(late, json={})
    assert (answer.status_code, "expired" in answer.text) == (403, True)


@pytest.mark.proves("life cycle: stack-domain users")
def test_a_stack_user_reaches_its_own_resource_and_nothing_else(maker, two):
    """Another resource of its stack, another stack, a list, a create: all refused."""
    given = account(maker, two["mine"], "heat")
    token = login(given).headers["X-Subject-Token"]
    headers = {"X-Auth-Token": token}
    root = f"{maker.base}/heat/v1/{given['project_id']}"
    own = f"{root}{two['mine']}/resources/heat"

    def status(method: str, url: str, **more) -> int:
        return httpx.request(method, url, headers=headers, **more).status_code

    assert status("GET", own) == 200
    assert status("GET", f"{own}/metadata") == 200
    assert status("POST", f"{own}/signal", json={}) == 200
    assert {
        status("GET", f"{root}{two['mine']}/resources/token"),
        status("POST", f"{root}{two['mine']}/resources/token/signal", json={}),
        status("GET", f"{root}{two['other']}/resources/heat"),
        status("POST", f"{root}{two['other']}/resources/heat/signal", json={}),
    } == {404}
    assert {
        status("GET", f"{root}/stacks"),
        status("GET", f"{root}{two['mine']}"),
        status("DELETE", f"{root}{two['mine']}"),
        status("GET", f"{root}{two['mine']}/resources"),
        status("GET", f"{root}{two['mine']}/template"),
        status("POST", f"{root}/stacks", json={"stack_name": "x", "template": hot({})}),
        status("GET", f"{maker.base}/heat/v1/{maker.project_id}/stacks"),
        status("GET", f"{maker.base}/heat/v1/{maker.project_id}{two['mine']}/resources/heat"),
        status("GET", f"{maker.base}/v2/stacks"),
        status("GET", f"{maker.base}/identity/v3/users"),
        status("GET", f"{maker.base}/identity/v3/credentials"),
        status("POST", f"{maker.base}/identity/v3/ec2tokens", json={}),
    } == {403}


def test_a_stack_user_has_no_other_password_and_project(maker, two):
    """401 for each, and for a name that only looks like one of ours."""
    given = account(maker, two["mine"], "heat")
    other = account(maker, two["other"], "heat")
    for wrong in (
        {"password": other["password"]},
        {"password": ""},
        {"user_id": other["user_id"]},
        {"user_id": "f" * 64},
        {"user_id": given["user_id"][:-1] + ("1" if given["user_id"][-1] == "0" else "0")},
        {"project_id": other["project_id"]},
        {"project_id": maker.project_id},
    ):
        assert login({**given, **wrong}).status_code == 401, wrong


@pytest.mark.proves("life cycle: stack-domain users")
def test_users_and_keys_end_with_their_stack(maker):
    """Token, password, signed URL and key: all refused at once."""
    resources = {
        "handle": handle(signal_transport="HEAT_SIGNAL"),
        "cfn": handle(signal_transport="CFN_SIGNAL"),
        "temp": handle(signal_transport="TEMP_URL_SIGNAL"),
    }
    path = maker.create("ending", hot(resources))
    given = account(maker, path)
    token = login(given).headers["X-Subject-Token"]
    urls = [endpoint(maker, path, name) for name in ("cfn", "temp")]
    maker.heat.delete(path)
    assert maker.wait(path) == "DELETE_COMPLETE"
    assert login(given).status_code == 401
    answer = httpx.post(given["alarm_url"], headers={"X-Auth-Token": token}, json={})
    assert answer.status_code == 401
    assert {httpx.put(url, json=AWS).status_code for url in urls} <= {403, 404}


def test_a_suspended_handle_takes_no_signal(maker):
    """400 by URL, and no log-in for its user, until it is resumed."""
    resources = {
        "handle": handle(signal_transport="HEAT_SIGNAL"),
        "cfn": handle(signal_transport="CFN_SIGNAL"),
    }
    path = maker.create("resting", hot(resources))
    given, url = account(maker, path), endpoint(maker, path, "cfn")
    maker.heat.post(f"{path}/actions", json={"suspend": None})
    assert maker.wait(path) == "SUSPEND_COMPLETE"
    assert httpx.put(url, json=AWS).status_code == 400
    assert login(given).status_code == 401
    maker.heat.post(f"{path}/actions", json={"resume": None})
    assert maker.wait(path) == "RESUME_COMPLETE"
    assert httpx.put(url, json=AWS).status_code == 200
    assert login(given).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 300_000,
        json.dumps({"data": "x" * 270_000}).encode(),
        b"[" * 5000,
        b"[1, 2]",
        b'"text"',
        b"\xff\xfe",
        b'{"status": "SUCCESS", "colour": "red"}',
    ],
)
def test_hostile_signals_are_refused_at_every_door(maker, two, body):
    """Huge, deep, of the wrong shape: 4xx with a reason."""
    path = two["mine"]
    for url in (
        endpoint(maker, path, "cfn"),
        endpoint(maker, path, "temp_url"),
        endpoint(maker, path, "token"),
    ):
        answer = httpx.put(url, content=body)
        assert answer.status_code in {400, 403, 413}, (url, answer.text)
        assert "Traceback" not in answer.text
    heat = maker.heat.post(f"{path}/resources/heat/signal", content=body)
    assert heat.status_code in {400, 403, 413}


# --- keys and policies of templates ----------------------------------------------------------

IAM = {
    "HeatTemplateFormatVersion": "2012-12-12",
    "Resources": {
        "Seen": {"Type": "OS::Heat::TestResource", "Metadata": {"colour": "red"}},
        "Hidden": {"Type": "OS::Heat::TestResource", "Metadata": {"colour": "blue"}},
        "Policy": {"Type": "OS::Heat::AccessPolicy", "Properties": {"AllowedResources": ["Seen"]}},
        "User": {"Type": "AWS::IAM::User", "Properties": {"Policies": [{"Ref": "Policy"}]}},
        "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}}},
    },
    "Outputs": {
        "Access": {"Value": {"Ref": "Key"}},
        "Secret": {"Value": {"Fn::GetAtt": ["Key", "SecretAccessKey"]}},
    },
}


def keyed(base: str, access: str, secret: str):
    """boto3 as cfn-hup uses it."""
    return boto3.client(
        "cloudformation",
        endpoint_url=f"{base}/cfn/v1/",
        region_name="RegionOne",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
    )


@pytest.mark.proves("api: cfn metadata, as cfn-hup reads it")
def test_a_key_made_by_a_template_reads_what_its_policy_names(maker):
    """By DescribeStackResource, until the stack is gone; nothing else is there for it."""
    path = maker.create("iam", IAM)
    pair = output(maker, path, "Access"), output(maker, path, "Secret")
    client = keyed(maker.base, *pair)
    asked = {"StackName": "iam", "LogicalResourceId": "Seen"}
    detail = client.describe_stack_resource(**asked)["StackResourceDetail"]
    assert json.loads(detail["Metadata"]) == {"colour": "red"}
    refusals = {}
    for what, call in {
        "hidden": lambda: client.describe_stack_resource(
            **{**asked, "LogicalResourceId": "Hidden"}
        ),
        "foreign": lambda: client.describe_stack_resource(**{**asked, "StackName": "watched"}),
        "list": client.list_stacks,
        "delete": lambda: client.delete_stack(StackName="iam"),
    }.items():
        with pytest.raises(client.exceptions.ClientError) as told:
            call()
        refusals[what] = told.value.response["Error"]["Code"]
    assert refusals == {
        "hidden": "InvalidParameterValue",
        "foreign": "InvalidParameterValue",
        "list": "AccessDenied",
        "delete": "AccessDenied",
    }
    maker.heat.delete(path)
    assert maker.wait(path) == "DELETE_COMPLETE"
    with pytest.raises(client.exceptions.ClientError, match="access key"):
        client.describe_stack_resource(**asked)


def test_an_inactive_key_is_refused_and_groups_are_not_offered(maker):
    """As their properties say."""
    template = json.loads(json.dumps(IAM))
    template["Resources"]["Key"]["Properties"]["Status"] = "Inactive"
    path = maker.create("iam-inactive", template)
    client = keyed(maker.base, output(maker, path, "Access"), output(maker, path, "Secret"))
    with pytest.raises(client.exceptions.ClientError, match="access key"):
        client.describe_stack_resource(StackName="iam-inactive", LogicalResourceId="Seen")
    template["Resources"]["User"]["Properties"]["Groups"] = ["admins"]
    told = maker.heat.post("/validate", json={"template": template})
    assert (told.status_code, "Groups" in told.text) == (400, True)


def test_a_reader_is_shown_no_secret(people, maker, two):
    """Neither the account nor any URL that signals."""
    shown = [
        people["looker"].heat.get(f"{two['mine']}/resources/{name}").text
        for name in ("cfn", "temp_url", "heat", "token")
    ]
    for text in shown:
        assert "Signature=" not in text
        assert "temp_url_sig" not in text
        assert "password" not in text
        assert "/signal/" not in text
