"""What a server's agent reads and answers, by each way it may poll; and what others see of that."""

import json
import time

import boto3
import httpx
import pytest

from mantle.resources.agent import TRANSPORTS


def template(poll: str = "POLL_SERVER_CFN", answer: str = "CFN_SIGNAL") -> dict:
    return {
        "heat_template_version": "2018-08-31",
        "resources": {
            "script": {
                "type": "OS::Heat::SoftwareConfig",
                "properties": {
                    "group": "script",
                    "config": 'echo "<$word>" & ü',
                    "inputs": [{"name": "word", "default": "hello"}],
                    "outputs": [{"name": "said"}],
                },
            },
            "server": {
                "type": "OS::Nova::Server",
                "properties": {
                    "flavor": "m1.small",
                    "image": "cirros",
                    "user_data_format": "SOFTWARE_CONFIG",
                    "software_config_transport": poll,
                },
                "metadata": {"mine": 1},
            },
            "deployment": {
                "type": "OS::Heat::SoftwareDeployment",
                "properties": {
                    "config": {"get_resource": "script"},
                    "server": {"get_resource": "server"},
                    "signal_transport": answer,
                },
            },
        },
        "outputs": {
            "said": {"value": {"get_attr": ["deployment", "said"]}},
            "agent": {"value": {"get_attr": ["server", "os_collect_config"]}},
        },
    }


def begun(person, name: str, document: dict) -> str:
    """A stack whose deployment waits for its answer."""
    answer = person.heat.post("/stacks", json={"stack_name": name, "template": document})
    assert answer.status_code == 201, answer.text
    path = f"/stacks/{name}/{answer.json()['stack']['id']}"
    while not shown(person, path, "deployment")["physical_resource_id"]:
        time.sleep(0.02)
    return path


def shown(person, path: str, name: str) -> dict:
    return person.heat.get(f"{path}/resources/{name}").json()["resource"]


def logged_in(given: dict) -> dict:
    """The headers of an account."""
    user = {"id": given["user_id"], "password": given["password"]}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"id": given["project_id"]}},
    }
    answer = httpx.post(f"{given['auth_url']}/auth/tokens", json={"auth": auth}, timeout=30)
    assert answer.status_code == 201, answer.text
    return {"X-Auth-Token": answer.headers["X-Subject-Token"]}


def polled(base: str, config: dict) -> dict:
    """The metadata, as os-collect-config's collector of that name reads it."""
    match config["collectors"][0]:
        case "cfn":
            given = config["cfn"]
            client = boto3.client(
                "cloudformation",
                endpoint_url=given["metadata_url"],
                region_name="RegionOne",
                aws_access_key_id=given["access_key_id"],
                aws_secret_access_key=given["secret_access_key"],
            )
            name = given["path"].partition(".")[0]
            detail = client.describe_stack_resource(
                StackName=given["stack_name"], LogicalResourceId=name
            )["StackResourceDetail"]
            return json.loads(detail["Metadata"])
        case "heat":
            given = config["heat"]
            root = f"{base}/heat/v1/{given['project_id']}/stacks/{given['stack_id']}"
            where = f"{root}/resources/{given['resource_name']}/metadata"
            return httpx.get(where, headers=logged_in(given)).json()["metadata"]
        case _:
            return httpx.get(config["request"]["metadata_url"]).json()


@pytest.mark.parametrize("poll", TRANSPORTS)
@pytest.mark.proves("life cycle: software config transports")
def test_an_agent_polls_and_answers(server, maker, poll):
    """It finds its own metadata, the deployment with its inputs, and where to look again."""
    path = begun(maker, f"agent-{poll.lower().replace('_', '-')}", template(poll))
    row = shown(maker, path, "server")
    # What the boot script of the server writes for the agent.
    data = maker.heat.get(f"{path}/resources/server/metadata").json()["metadata"]
    config = data["os-collect-config"]
    metadata = polled(maker.base, config)
    assert metadata == data
    assert metadata["mine"] == 1
    (deployment,) = metadata["deployments"]
    assert (deployment["group"], deployment["config"]) == ("script", 'echo "<$word>" & ü')
    inputs = {each["name"]: each["value"] for each in deployment["inputs"]}
    assert (inputs["word"], inputs["deploy_action"]) == ("hello", "CREATE")
    assert inputs["deploy_server_id"] == row["physical_resource_id"]
    sent = httpx.request(
        inputs["deploy_signal_verb"],
        inputs["deploy_signal_id"],
        content=json.dumps({"said": "<hello> & ü", "deploy_stdout": "x", "deploy_status_code": 0}),
        # What curl and urllib say of any body.
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert sent.status_code == 200, sent.text
    assert maker.wait(path) == "CREATE_COMPLETE"
    assert shown(maker, path, "deployment")["attributes"]["said"] == "<hello> & ü"
    assert maker.heat.get(f"{path}/outputs/agent").json()["output"]["output_value"] == config


@pytest.mark.parametrize("answer", ["TEMP_URL_SIGNAL", "HEAT_SIGNAL"])
@pytest.mark.proves("life cycle: signal transports")
def test_a_deployment_is_answered_by_every_transport(maker, answer):
    """With what its inputs say and nothing else."""
    path = begun(maker, f"answer-{answer.lower().replace('_', '-')}", template(answer=answer))
    physical = shown(maker, path, "server")["physical_resource_id"]
    rows = maker.heat.get(f"/software_deployments/metadata/{physical}").json()["metadata"]
    inputs = {each["name"]: each["value"] for each in rows[0]["inputs"]}
    body = {"said": "done", "deploy_status_code": "0"}
    if answer == "HEAT_SIGNAL":
        given = {name.removeprefix("deploy_"): value for name, value in inputs.items()}
        root = f"{maker.base}/heat/v1/{given['project_id']}/stacks/{given['stack_id']}"
        where = f"{root}/resources/{given['resource_name']}/signal"
        sent = httpx.post(where, headers=logged_in(given), json=body)
    else:
        sent = httpx.request(inputs["deploy_signal_verb"], inputs["deploy_signal_id"], json=body)
    assert sent.status_code == 200, sent.text
    assert maker.wait(path) == "CREATE_COMPLETE"


@pytest.fixture(scope="module")
def silent(people):
    """A stack whose deployment waits for nobody."""
    return people["maker"].create("silent", template(answer="NO_SIGNAL"))


def test_a_silent_deployment_is_complete_at_once(maker, silent):
    """Its record says so; the agent may still read it."""
    physical = shown(maker, silent, "server")["physical_resource_id"]
    (row,) = maker.heat.get(f"/software_deployments?server_id={physical}").json()[
        "software_deployments"
    ]
    assert (row["status"], row["action"], row["server_id"]) == ("COMPLETE", "CREATE", physical)
    config = maker.heat.get(f"/software_configs/{row['config_id']}").json()["software_config"]
    assert config["config"] == 'echo "<$word>" & ü'


def test_the_config_of_a_resource_is_a_software_config(people, silent):
    """By the resource's id, for its project only; it goes with its stack, not by a request."""
    maker, stranger = people["maker"], people["stranger"]
    physical = shown(maker, silent, "script")["physical_resource_id"]
    found = maker.heat.get(f"/software_configs/{physical}").json()["software_config"]
    assert (found["group"], found["inputs"][0]["name"]) == ("script", "word")
    assert stranger.heat.get(f"/software_configs/{physical}").status_code == 404
    assert maker.heat.delete(f"/software_configs/{physical}").status_code == 404
    body = {"config_id": physical, "server_id": "s77"}
    assert maker.heat.post("/software_deployments", json=body).status_code == 200
    assert stranger.heat.post("/software_deployments", json=body).status_code == 404


def test_a_reader_sees_neither_account_nor_answer_address(people):
    """Of the server's metadata, the derived config and the list for the server."""
    maker, looker = people["maker"], people["looker"]
    path = begun(maker, "watched-agent", template("POLL_SERVER_HEAT"))
    physical = shown(maker, path, "server")["physical_resource_id"]
    where = f"/software_deployments/metadata/{physical}"
    signed = next(
        each["value"]
        for each in maker.heat.get(where).json()["metadata"][0]["inputs"]
        if each["name"] == "deploy_signal_id"
    )
    (row,) = maker.heat.get(f"/software_deployments?server_id={physical}").json()[
        "software_deployments"
    ]
    for seen in (
        looker.heat.get(where),
        looker.heat.get(f"{path}/resources/server/metadata"),
        looker.heat.get(f"{path}/resources/server"),
        looker.heat.get(f"/software_configs/{row['config_id']}"),
        looker.heat.get(f"/software_deployments/{row['id']}"),
    ):
        assert seen.status_code == 200
        assert "Signature=" not in seen.text
        assert '"password"' not in seen.text.replace('"password":"******"', "")
    httpx.post(signed, json={})
    assert maker.wait(path) == "CREATE_COMPLETE"


def test_one_servers_account_reads_no_other_servers(maker, silent):
    """Neither its metadata nor its deployments, by any of the ways."""
    path = maker.create("other-agent", template("POLL_SERVER_HEAT", "NO_SIGNAL"))
    mine = maker.heat.get(f"{path}/resources/server/metadata").json()["metadata"]
    given = mine["os-collect-config"]["heat"]
    headers = logged_in(given)
    root = f"{maker.base}/heat/v1/{given['project_id']}"
    own, other = (shown(maker, each, "server")["physical_resource_id"] for each in (path, silent))
    listed = f"{root}/software_deployments/metadata"
    assert len(httpx.get(f"{listed}/{own}", headers=headers).json()["metadata"]) == 1
    assert httpx.get(f"{listed}/{other}", headers=headers).status_code == 404
    metadata = f"{root}{silent}/resources/server/metadata"
    assert httpx.get(metadata, headers=headers).status_code == 404
    polls = maker.create("temp-agent", template("POLL_TEMP_URL", "NO_SIGNAL"))
    config = maker.heat.get(f"{polls}/resources/server/metadata").json()["metadata"]
    url = config["os-collect-config"]["request"]["metadata_url"]
    row_of_silent = maker.heat.get(f"{silent}/resources/server/metadata").json()["metadata"]
    access = row_of_silent["os-collect-config"]["cfn"]["access_key_id"]
    for forged in (
        url.replace("sig=", "sig=0"),
        url.split("?")[0],
        f"{maker.base}/signal/collect/{access}?{url.split('?')[1]}",
    ):
        assert httpx.get(forged).status_code == 404
    maker.heat.delete(polls)
    assert maker.wait(polls) == "DELETE_COMPLETE"
    assert httpx.get(url).status_code == 404


def test_a_hook_is_not_cleared_by_what_a_template_hands_out(maker):
    """403: hooks hold for people."""
    document = {
        "heat_template_version": "2018-08-31",
        "resources": {
            "handle": {
                "type": "OS::Heat::WaitConditionHandle",
                "properties": {"signal_transport": "CFN_SIGNAL"},
            }
        },
    }
    path = maker.create("hooked", document)
    url = shown(maker, path, "handle")["attributes"]["endpoint"]
    answer = httpx.put(url, json={"unset_hook": "pre-update"})
    assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)


@pytest.mark.parametrize("kind", ["SoftwareDeployment", "StructuredDeployment"])
def test_a_queue_is_refused_when_a_template_is_validated(maker, kind):
    """As a transport of answers and of polls, by name, with the others."""
    document = template(answer="ZAQAR_SIGNAL")
    document["resources"]["deployment"]["type"] = f"OS::Heat::{kind}"
    told = maker.heat.post("/validate", json={"template": document})
    assert (told.status_code, "message queue" in told.text) == (400, True)
    told = maker.heat.post("/validate", json={"template": template(poll="ZAQAR_MESSAGE")})
    assert (told.status_code, "message queue" in told.text) == (400, True)
