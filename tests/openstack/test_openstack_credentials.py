"""Application credentials on the real Keystone: as a cloud's own, and as a caller's."""

import asyncio
import json
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab

from mantle.access.keystone import KeystoneAuthenticator
from mantle.clouds import ports as p
from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.lib.clock import SystemClock
from mantle.model.errors import Forbidden, Unauthorized
from mantle.model.ids import ProjectId, Token

pytestmark = pytest.mark.openstack

PASSWORD = "correct-horse"


@contextmanager
def someone():
    """A user with a project, and a second project where the user has a role too."""
    admin = openstack_lab.connect()
    name = f"osauth-{uuid.uuid4().hex[:8]}"
    work, other = (admin.identity.create_project(name=f"{name}-{n}") for n in "ab")
    user = admin.identity.create_user(name=name, password=PASSWORD)
    for project in (work, other):
        role = admin.identity.find_role("member")
        admin.identity.assign_project_role_to_user(project, user, role)
    auth = {"username": name, "password": PASSWORD, "project_name": work.name}
    owner = openstack_lab.connect("real-demo", auth=auth)
    try:
        yield owner, user, work, other
    finally:
        for project in (work, other):
            for network in admin.network.networks(project_id=project.id):
                admin.network.delete_network(network)
        admin.identity.delete_user(user)
        for project in (work, other):
            admin.identity.delete_project(project)


def made(owner, user, name, **more):
    return owner.identity.create_application_credential(user.id, name, **more)


def entry_of(folder, credential):
    """A clouds.yaml with nothing but this credential."""
    known = json.loads(openstack_lab.clouds_file().read_text())["clouds"]["real-demo"]
    cloud = {
        "auth_type": "v3applicationcredential",
        "auth": {
            "auth_url": known["auth"]["auth_url"],
            "application_credential_id": credential.id,
            "application_credential_secret": credential.secret,
        },
        "region_name": known["region_name"],
    }
    file = folder / f"{credential.name}.yaml"
    file.write_text(json.dumps({"clouds": {"mine": cloud}}))
    return Entry(name="mine", file=file)


@pytest.mark.parametrize("unrestricted", [False, True], ids=["restricted", "unrestricted"])
def test_an_application_credential_works_as_a_clouds_own(tmp_path, unrestricted):
    """In its project, and in no other, whatever roles its user has there."""

    async def story(entry, work, other):
        cloud = OpenStackCloud(entry)
        networks = cloud.session(ProjectId(work.id)).networks
        network = await networks.create(p.NetworkSpec(name="n"), Token("n"))
        await networks.delete(network.id)
        with pytest.raises(p.CloudError):
            await cloud.session(ProjectId(other.id)).networks.list()
        await cloud.stop()

    with someone() as (owner, user, work, other):
        credential = made(owner, user, "whole", unrestricted=unrestricted)
        asyncio.run(story(entry_of(tmp_path, credential), work, other))


def test_access_rules_hold_at_the_cloud(tmp_path):
    """A cloud may refuse more than they forbid, never less: what comes back is its own refusal.

    The lab's services do not say which service they are (`service_type` of Keystone's middleware),
    and so take no token with rules at all.
    """
    rules = [{"path": "/v2.0/networks", "method": "GET", "service": "network"}]

    async def story(entry, work):
        cloud = OpenStackCloud(entry)
        networks = cloud.session(ProjectId(work.id)).networks
        with pytest.raises(p.CloudError, match="Neutron: POST /networks answered 401"):
            await networks.create_anew(p.NetworkSpec(name="n"), Token("n"))
        await cloud.stop()

    with someone() as (owner, user, work, _):
        credential = made(owner, user, "ruled", access_rules=rules)
        asyncio.run(story(entry_of(tmp_path, credential), work))
        assert list(owner.network.networks(project_id=work.id)) == []


def test_access_rules_hold_at_mantle():
    """A caller's token lets through what its rules have; a revoked credential nothing."""
    rules = [
        {"path": "/v1/*/stacks", "method": "GET", "service": "orchestration"},
        {"path": "/v2/servers", "method": "GET", "service": "mantle"},
    ]
    known = json.loads(openstack_lab.clouds_file().read_text())["clouds"]["real-demo"]["auth"]

    async def story(owner, user, work):
        credential = made(owner, user, "ruled", access_rules=rules)
        auth = {
            "auth_url": known["auth_url"],
            "application_credential_id": credential.id,
            "application_credential_secret": credential.secret,
        }
        plain = openstack_lab.openstack.connect(
            auth_type="v3applicationcredential",
            auth=auth,
            load_yaml_config=False,
            load_envvars=False,
        )
        token = plain.auth_token
        authenticator = KeystoneAuthenticator(known["auth_url"], SystemClock())
        caller = await authenticator.authenticate(token)
        assert (caller.project_id, caller.delegated) == (work.id, True)
        caller.check_call("GET", f"/heat/v1/{work.id}/stacks")
        caller.check_call("GET", "/v2/servers")
        for method, path in (("POST", f"/heat/v1/{work.id}/stacks"), ("GET", "/v2/sweeps")):
            with pytest.raises(Forbidden):
                caller.check_call(method, path)
        owner.identity.delete_application_credential(user.id, credential.id)
        await authenticator.close()
        fresh = KeystoneAuthenticator(known["auth_url"], SystemClock())
        with pytest.raises(Unauthorized):
            await fresh.authenticate(token)
        await fresh.close()

    with someone() as (owner, user, work, _):
        asyncio.run(story(owner, user, work))
