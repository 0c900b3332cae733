"""Users of stacks in the stack domain of the real Keystone: made, used, limited, deleted.

One Mantle with a domain and a service account that `mantle register-domain` has set up.
"""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import Heat, Plane, template_of

pytestmark = pytest.mark.openstack

TAG = uuid.uuid4().hex[:8]
DOMAIN, SERVICE = f"oskeys-{TAG}", f"oskeys-{TAG}-service"

HANDLE = {
    "type": "OS::Heat::WaitConditionHandle",
    "properties": {"signal_transport": "HEAT_SIGNAL"},
}
WAITING = {
    "handle": HANDLE,
    "wait": {
        "type": "OS::Heat::WaitCondition",
        "properties": {"handle": {"get_resource": "handle"}, "timeout": 1000, "count": 1},
    },
}
KEYED = {
    "seen": {"type": "OS::Heat::WaitConditionHandle"},
    "unseen": {"type": "OS::Heat::WaitConditionHandle"},
    "policy": {"type": "OS::Heat::AccessPolicy", "properties": {"AllowedResources": ["seen"]}},
    "user": {"type": "AWS::IAM::User", "properties": {"Policies": [{"get_resource": "policy"}]}},
    "key": {"type": "AWS::IAM::AccessKey", "properties": {"UserName": {"get_resource": "user"}}},
}


class Domained(Plane):
    more = ("--service-account", "mantle-service", "--stack-domain", "mantle-stacks")

    def start(self):
        if not hasattr(self, "registered"):
            (self.folder / "log").touch()
            done = self.mantle(
                f"register-domain --name {DOMAIN} --user {SERVICE} --into {self.clouds} --yes",
                cloud="real-admin",
            )
            self.registered = done
        return super().start()


@pytest.fixture(scope="module")
def admin():
    return openstack_lab.connect()


@pytest.fixture(scope="module")
def lab() -> Iterator[openstack_lab.Lab]:
    with openstack_lab.two_projects() as lab:
        yield lab


@pytest.fixture(scope="module")
def plane(lab, admin, tmp_path_factory) -> Iterator[Plane]:
    project = admin.identity.get_project(lab.mine).name
    plane = None
    try:
        (folder := tmp_path_factory.mktemp("plane") / "x").mkdir()
        plane = Domained(folder, project)
        plane.mantle(f"register --url {plane.url}", cloud="real-admin")
        yield plane
    finally:
        if plane is not None:
            plane.stop()
        domain = admin.identity.find_domain(DOMAIN)
        if domain is not None:
            admin.identity.update_domain(domain, is_enabled=False)
            admin.identity.delete_domain(domain)
        user = admin.identity.find_user(SERVICE)
        if user is not None:
            admin.identity.delete_user(user)


@pytest.fixture
def heat(plane, lab) -> Iterator[Heat]:
    with Heat(plane, lab.mine) as heat:
        yield heat


def in_domain(admin) -> tuple[list[str], list[str]]:
    """Users beside the domain's administrator, and projects."""
    domain = admin.identity.find_domain(DOMAIN)
    users = [each.name for each in admin.identity.users(domain_id=domain.id)]
    projects = [each.name for each in admin.identity.projects(domain_id=domain.id)]
    return [name for name in users if name != f"{DOMAIN}-admin"], projects


def until(ask, wanted, seconds=60):
    """Ask until the answer is what is wanted."""
    for _ in range(seconds * 5):
        if (found := ask()) == wanted:
            return
        time.sleep(0.2)
    raise AssertionError(found)


def written(plane, name, resources, outputs=None) -> Path:
    path = plane.folder / f"{name}.yaml"
    path.write_text(json.dumps(template_of(resources) | {"outputs": outputs or {}}))
    return path


def logged_in(plane, account) -> httpx.Client:
    """An agent's own client: it logs in as Heat's agents do."""
    user = {"id": account["user_id"], "password": account["password"]}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"id": account["project_id"]}},
        }
    }
    answer = httpx.post(f"{account['auth_url']}/auth/tokens", json=body)
    assert answer.status_code == 201, answer.text
    return httpx.Client(headers={"X-Auth-Token": answer.headers["X-Subject-Token"]}, timeout=60)


def cfn(plane, access, secret):
    return boto3.client(
        "cloudformation",
        endpoint_url=f"{plane.url}/cfn/v1/",
        region_name="RegionOne",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
    )


def attributes(heat, stack, resource) -> dict:
    path = f"/stacks/{stack}/{heat.stack(stack)['id']}/resources/{resource}"
    found: dict = heat.ask("GET", path)["resource"]["attributes"]
    return found


def statuses(heat, stack) -> dict:
    listed = heat.ask("GET", f"/stacks/{stack}/{heat.stack(stack)['id']}/resources")["resources"]
    return {each["resource_name"]: each["resource_status"] for each in listed}


@pytest.mark.proves("life cycle: users of stacks in a Keystone's stack domain")
def test_a_stacks_user_signals_its_resource_and_reaches_nothing_else(plane, admin, heat):
    """Made once, though Mantle is killed on the way; gone with the stack."""
    plane.openstack(f"stack create waiting -t {written(plane, 'waiting', WAITING)}")
    plane.kill()
    until(lambda: statuses(heat, "waiting").get("handle"), "CREATE_COMPLETE")
    users, projects = in_domain(admin)
    assert (len(users), len(projects)) == (1, 1)

    account = json.loads(attributes(heat, "waiting", "handle")["signal"])
    stack_id = heat.stack("waiting")["id"]
    with logged_in(plane, account) as agent:
        root = f"{plane.url}/heat/v1/{account['project_id']}"
        assert agent.get(f"{root}/stacks").status_code == 403
        assert agent.delete(f"{root}/stacks/waiting/{stack_id}").status_code == 403
        assert agent.get(f"{plane.url}/v2/stacks").status_code == 403
        other = f"{root}/stacks/waiting/{stack_id}/resources/wait"
        assert agent.get(other).status_code == 404
        own = f"{root}/stacks/waiting/{stack_id}/resources/handle"
        assert agent.get(f"{own}/metadata").status_code == 200
        assert account["alarm_url"] == f"{own}/signal"
        assert agent.post(account["alarm_url"], json={"data": "ready"}).status_code == 200
    heat.until("CREATE_COMPLETE", "waiting")
    said = attributes(heat, "waiting", "wait")["data"]
    assert list(json.loads(said).values()) == ["ready"]

    plane.openstack("stack delete waiting --yes")
    plane.kill()
    until(lambda: in_domain(admin), ([], []))


def test_a_suspended_resources_user_cannot_log_in(plane, admin, heat):
    """As with Heat; when it is resumed it can again."""
    heat.create({"h": HANDLE})
    account = json.loads(attributes(heat, "s", "h")["signal"])
    (name,), _ = in_domain(admin)

    def enabled():
        domain = admin.identity.find_domain(DOMAIN)
        return admin.identity.find_user(name, domain_id=domain.id).is_enabled

    with logged_in(plane, account) as agent:
        heat.act("suspend")
        assert not enabled()
        # A token from before is worth nothing either.
        assert agent.post(account["alarm_url"], json={}).status_code in {401, 404}
    heat.act("resume")
    assert enabled()
    heat.delete()
    until(lambda: in_domain(admin), ([], []))


@pytest.mark.proves("resource: AWS::IAM::AccessKey at another Keystone")
def test_keys_sign_requests_and_keystone_checks_them(plane, admin, heat):
    """A stack's key reaches what its policy names; a person's what the person may; wrong ones none.

    Both are Keystone's: the stack's own is known to its `ec2tokens`, and gone with the stack.
    """
    outputs = {
        "access": {"value": {"get_resource": "key"}},
        "secret": {"value": {"get_attr": ["key", "SecretAccessKey"]}},
    }
    plane.openstack(f"stack create keyed -t {written(plane, 'keyed', KEYED, outputs)}")
    heat.until("CREATE_COMPLETE", "keyed")
    shown = heat.stack("keyed")["outputs"]
    told = {each["output_key"]: each["output_value"] for each in shown}
    stacks = cfn(plane, told["access"], told["secret"])
    found = stacks.describe_stack_resource(StackName="keyed", LogicalResourceId="seen")
    assert found["StackResourceDetail"]["LogicalResourceId"] == "seen"
    for ask in (
        lambda: stacks.describe_stack_resource(StackName="keyed", LogicalResourceId="unseen"),
        stacks.list_stacks,
        lambda: stacks.delete_stack(StackName="keyed"),
        cfn(plane, told["access"], "x" * 64).list_stacks,
        cfn(plane, "0" * 32, "x" * 64).list_stacks,
    ):
        with pytest.raises(ClientError):
            ask()

    made = json.loads(plane.openstack("ec2 credentials create -f json"))
    person = cfn(plane, made["access"], made["secret"])
    listed = [each["StackName"] for each in person.list_stacks()["StackSummaries"]]
    assert listed == ["keyed"]
    with pytest.raises(ClientError):
        cfn(plane, made["access"], "wrong").list_stacks()
    plane.openstack(f"ec2 credentials delete {made['access']}")
    with pytest.raises(ClientError):
        person.list_stacks()

    plane.openstack("stack delete keyed --yes")
    until(lambda: in_domain(admin), ([], []))
    with pytest.raises(ClientError):
        stacks.describe_stack_resource(StackName="keyed", LogicalResourceId="seen")


def test_registering_again_changes_nothing_and_the_doctor_is_content(plane):
    """Every part is there; log-ins are shown without their passwords."""
    again = plane.mantle(
        f"register-domain --name {DOMAIN} --user {SERVICE} --into {plane.clouds} --json",
        cloud="real-admin",
    )
    done = {row["done"] for row in json.loads(again)}
    assert done == {"is there"}
    options = (
        f"--keystone-url {plane.auth_url} --openstack-config {plane.clouds} "
        f"--data-dir {plane.folder / 'data'} {' '.join(plane.more)}"
    )
    shown = json.loads(plane.mantle(f"config show --json {options}"))
    secret = json.loads(json.dumps(shown["service_account"]))
    assert f"username {SERVICE}" in secret["log_in"]
    assert "password ***" in secret["log_in"]
    found = json.loads(plane.mantle(f"doctor --json {options} --listen 127.0.0.1:1"))
    told = json.dumps(found)
    assert "mantle-service: logged in" in told
    assert "mantle-stacks: logged in" in told
