"""EC2 access keys over HTTP: OS-EC2, credentials of type ec2, and tokens for signatures."""

import hashlib
from collections.abc import Mapping

from mantle.access import accounts
from mantle.access.ec2 import KeyRing, create_key, find_key, hosts_of
from mantle.access.signatures import Signed
from mantle.api.door import Reply, empty
from mantle.api.identity import views
from mantle.api.identity.knock import Knock
from mantle.api.identity.requests import part, text
from mantle.model.errors import MantleError, NotFound, NotSupported
from mantle.model.identity import Ec2Credential
from mantle.model.ids import UserId


async def list_keys(knock: Knock) -> Reply:
    """GET /users/{user}/credentials/OS-EC2."""
    user_id = knock.names["user"]
    knock.must_be(user_id)
    base = knock.call.base_url
    found = await knock.identity.store.list_ec2_credentials(UserId(user_id))
    rows = [views.ec2_credential(one, knock.keys.key(one.access), base) for one in found]
    path = f"users/{user_id}/credentials/OS-EC2"
    return Reply(body=views.listing("credentials", rows, base, path))


async def make_key(knock: Knock) -> Reply:
    """POST /users/{user}/credentials/OS-EC2."""
    user_id = knock.names["user"]
    knock.must_be(user_id)
    project_id = text(knock.call.json_object(), "tenant_id") or _own_project(knock)
    made = await _made(knock, user_id, project_id)
    view = views.ec2_credential(made, knock.keys.key(made.access), knock.call.base_url)
    return Reply(status=201, body={"credential": view})


async def show_key(knock: Knock) -> Reply:
    """GET /users/{user}/credentials/OS-EC2/{access}."""
    knock.must_be(knock.names["user"])
    found = await find_key(knock.identity, knock.names["user"], knock.names["access"])
    view = views.ec2_credential(found, knock.keys.key(found.access), knock.call.base_url)
    return Reply(body={"credential": view})


async def delete_key(knock: Knock) -> Reply:
    """DELETE /users/{user}/credentials/OS-EC2/{access}."""
    knock.must_be(knock.names["user"])
    found = await find_key(knock.identity, knock.names["user"], knock.names["access"])
    await knock.identity.store.delete_ec2_credential(found.access)
    return empty(204)


# --- the same keys as credentials ------------------------------------------------------------


async def list_credentials(knock: Knock) -> Reply:
    """GET /credentials: one's own; another's for an admin who names the user."""
    user_id = knock.call.first("user_id") or knock.sender.user.id
    knock.must_be(user_id)
    found = await knock.identity.store.list_ec2_credentials(UserId(user_id))
    if knock.call.first("type") not in {None, "ec2"}:
        found = []
    base = knock.call.base_url
    rows = [views.blob_credential(one, knock.keys.key(one.access), base) for one in found]
    return Reply(body=views.listing("credentials", rows, base, "credentials"))


async def make_credential(knock: Knock) -> Reply:
    """POST /credentials of type ec2; access id and secret are ours to make."""
    body = part(knock.call.json_object(), "credential")
    if text(body, "type") != "ec2":
        raise NotSupported("Only credentials of type ec2 are kept here.", remedy='Send "ec2".')
    if (text(body, "blob") or "{}").strip() not in {"", "{}"}:
        raise NotSupported(
            "The access id and secret of a key are made here, and cannot be chosen.",
            remedy='Send "{}" as the blob, and read the new one in the answer.',
        )
    user_id = text(body, "user_id") or knock.sender.user.id
    knock.must_be(user_id)
    made = await _made(knock, user_id, text(body, "project_id") or _own_project(knock))
    view = views.blob_credential(made, knock.keys.key(made.access), knock.call.base_url)
    return Reply(status=201, body={"credential": view})


async def show_credential(knock: Knock) -> Reply:
    """GET /credentials/{credential}: one's own."""
    found = await _own_credential(knock)
    view = views.blob_credential(found, knock.keys.key(found.access), knock.call.base_url)
    return Reply(body={"credential": view})


async def delete_credential(knock: Knock) -> Reply:
    """DELETE /credentials/{credential}: one's own."""
    found = await _own_credential(knock)
    await knock.identity.store.delete_ec2_credential(found.access)
    return empty(204)


# --- a token for a signature -----------------------------------------------------------------


async def token(knock: Knock) -> Reply:
    """POST /ec2tokens: for services that were sent a signed request; admins only.

    Whoever saw a signed URL could otherwise turn it into a token that may do everything.
    """
    knock.must_be_admin()
    body = knock.call.json_object()
    given = part(body, "ec2Credentials" if "ec2Credentials" in body else "credentials")
    ring = KeyRing(identity=knock.identity, keys=knock.keys)
    issued = await ring.token(_signed(given))
    view = views.token(issued.session, knock.call.base_url)
    headers = {"X-Subject-Token": issued.token, "Vary": "X-Auth-Token"}
    return Reply(body={"token": view}, headers=headers)


def _signed(given: Mapping[str, object]) -> Signed:
    """The request that a service describes."""
    params = {
        str(k): str(v) for k, v in part({"params": given.get("params") or {}}, "params").items()
    }
    headers = part({"headers": given.get("headers") or {}}, "headers")
    if "SignatureVersion" in params:
        params.setdefault("Signature", text(given, "signature") or "")
        params.setdefault("AWSAccessKeyId", text(given, "access") or "")
    return Signed(
        method=text(given, "verb") or "",
        hosts=hosts_of(text(given, "host") or ""),
        path=text(given, "path") or "/",
        query=list(params.items()),
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        body_hash=text(given, "body_hash"),
    )


# --- what they share -------------------------------------------------------------------------


def _own_project(knock: Knock) -> str:
    project = knock.sender.project
    if project is None:
        raise MantleError("Name the project in tenant_id: the token has none.")
    return project.id


async def _made(knock: Knock, user_id: str, project_id: str) -> Ec2Credential:
    user = await accounts.get_user(knock.identity, user_id)
    return await create_key(knock.identity, knock.hex_id(), user, project_id)


async def _own_credential(knock: Knock) -> Ec2Credential:
    wanted = knock.names["credential"]
    for one in await knock.identity.store.list_ec2_credentials(knock.sender.user.id):
        if hashlib.sha256(one.access.encode()).hexdigest() == wanted:
            return one
    raise NotFound(f"Could not find credential: {wanted[:64]}.")
