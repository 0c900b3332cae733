"""Work that outlives the token it was asked with, on the real Keystone: trusts and credentials."""

import json
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import Plane, template_of

pytestmark = pytest.mark.openstack

PASSWORD = "correct-horse"
NET = template_of({"net": {"type": "OS::Neutron::Net", "properties": {"name": "trusted"}}})


def slow(seconds):
    """A network, and behind it something that takes its time."""
    wait = {
        "type": "OS::Heat::Delay",
        "properties": {"min_wait": seconds},
    }
    later = {"type": "OS::Neutron::Net", "depends_on": "wait"}
    return template_of({"wait": wait, "later": later})


class Trusting(Plane):
    """Its entry's user has no role in anybody's project."""

    entry = "service"
    more = ("--openstack-by", "trust")
    user = ""
    home = ""
    people: list

    def prepare(self, clouds):
        auth = clouds["real-demo"]["auth"]
        own = {"username": self.user, "password": PASSWORD, "project_name": self.home}
        clouds["service"] = clouds["real-demo"] | {"auth": auth | own}


class Person:
    """A user of the lab, and what the user asks of Mantle with one token."""

    def __init__(self, plane, project, user, auth=None):
        self.plane, self.project = plane, project
        self.auth_url = plane.auth_url
        identity = auth or {
            "methods": ["password"],
            "password": {"user": {"id": user.id, "password": PASSWORD}},
        }
        asked = {"auth": {"identity": identity}}
        if auth is None:
            asked["auth"]["scope"] = {"project": {"id": project.id}}
        answer = httpx.post(f"{self.auth_url}/auth/tokens", json=asked)
        assert answer.status_code == 201, answer.text
        self.token = answer.headers["X-Subject-Token"]
        self.http = httpx.Client(headers={"X-Auth-Token": self.token}, timeout=60)
        self.heat = f"{plane.url}/heat/v1/{project.id}"
        plane.people.append(self)

    def create(self, name, template):
        return self.http.post(
            f"{self.heat}/stacks", json={"stack_name": name, "template": template}
        )

    def revoke(self):
        """The token is worth nothing from now on, as one that has expired."""
        headers = {"X-Subject-Token": self.token}
        assert self.http.delete(f"{self.auth_url}/auth/tokens", headers=headers).status_code == 204

    def until(self, name, wanted):
        for _ in range(300):
            stack = self.http.get(f"{self.heat}/stacks/{name}", follow_redirects=True).json()
            status = stack.get("stack", {}).get("stack_status", "")
            if status == wanted:
                return
            assert not status.endswith("FAILED"), stack["stack"]["stack_status_reason"]
            time.sleep(0.2)
        raise AssertionError(f"{stack}\n{self.plane.said()}")


@contextmanager
def trusting(folder):
    """A project with one member, and a Mantle whose user has no role there."""
    admin = openstack_lab.connect()
    names = [f"osauth-{kind}-{uuid.uuid4().hex[:8]}" for kind in ("work", "home")]
    work, home = (admin.identity.create_project(name=name) for name in names)
    member = admin.identity.find_role("member")
    person, service = (
        admin.identity.create_user(name=f"{name}-user", password=PASSWORD) for name in names
    )
    admin.identity.assign_project_role_to_user(work, person, member)
    admin.identity.assign_project_role_to_user(home, service, member)
    Trusting.user, Trusting.home = service.name, home.name
    plane = None
    try:
        plane = Trusting(folder, work.name)
        plane.people = []
        yield plane, work, person, admin
    finally:
        if plane is not None:
            plane.stop()
            for each in plane.people:
                each.http.close()
        for network in admin.network.networks(project_id=work.id):
            admin.network.delete_network(network)
        for user in (person, service):
            admin.identity.delete_user(user)
        for project in (work, home):
            admin.identity.delete_project(project)


def trusts(admin, user):
    answer = admin.identity.get(f"/OS-TRUST/trusts?trustor_user_id={user.id}")
    return [each["id"] for each in answer.json()["trusts"]]


@pytest.mark.proves("life cycle: deferred work by trusts")
def test_what_was_accepted_goes_on_when_the_token_is_gone(tmp_path):
    """The token is revoked and Mantle killed in the middle; the stack is made all the same.

    A trust that is deleted is replaced by the next request that comes with a password's token.
    """
    with trusting(tmp_path) as (plane, work, user, admin):
        first = Person(plane, work, user)
        answer = first.create("late", slow(4))
        assert answer.status_code == 201, answer.text
        first.revoke()
        plane.kill()
        second = Person(plane, work, user)
        second.until("late", "CREATE_COMPLETE")
        (trust,) = trusts(admin, user)
        assert second.create("again", NET).status_code == 201
        second.until("again", "CREATE_COMPLETE")
        assert trusts(admin, user) == [trust]

        assert second.http.delete(f"{plane.auth_url}/OS-TRUST/trusts/{trust}").status_code == 204
        plane.kill()
        third = Person(plane, work, user)
        # What reads the cloud finds the trust gone; the next request leaves another.
        third.http.get(f"{plane.url}/v2/servers")
        path = third.http.get(f"{third.heat}/stacks/late", follow_redirects=False)
        assert third.http.delete(path.headers["Location"]).status_code == 204
        for _ in range(200):
            if third.http.get(f"{third.heat}/stacks/late").status_code == 404:
                break
            time.sleep(0.2)
        else:
            raise AssertionError(plane.said())
        assert len(trusts(admin, user)) == 1
        assert trusts(admin, user) != [trust]


def test_an_application_credential_cannot_delegate_and_may_be_kept_instead(tmp_path):
    """The refusal says why and what to do; with the project's secret it goes on."""
    with trusting(tmp_path) as (plane, work, user, admin):
        owner = openstack_lab.connect(
            "real-demo",
            auth={
                "username": user.name,
                "password": PASSWORD,
                "project_id": work.id,
                "project_name": work.name,
            },
        )
        made = owner.identity.create_application_credential(user.id, "for-mantle")
        auth = {
            "methods": ["application_credential"],
            "application_credential": {"id": made.id, "secret": made.secret},
        }
        person = Person(plane, work, user, auth)
        refused = person.create("mine", NET)
        assert refused.status_code == 403, refused.text
        assert "application credential" in refused.json()["error"]["message"]
        assert trusts(admin, user) == []

        secret = {
            "application_credential_id": made.id,
            "application_credential_secret": made.secret,
        }
        payload = json.dumps({"auth": secret})
        kept = person.http.post(
            f"{plane.url}/v2/secrets", json={"name": "deferred", "payload": payload}
        )
        assert kept.status_code == 201, kept.text
        assert person.create("mine", NET).status_code == 201
        person.until("mine", "CREATE_COMPLETE")
        assert trusts(admin, user) == []
