"""EC2 access keys of the embedded identity service, and tokens for what is signed with them."""

import hashlib
import json
from urllib.parse import urlencode

import httpx
import pytest
from botocore.auth import SigV2Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def keystone(person, method: str, path: str, body: object = None) -> httpx.Response:
    return httpx.request(
        method,
        f"{person.base}/identity/v3/{path}",
        headers={"X-Auth-Token": person.token},
        json=body,
        timeout=30,
    )


KEYS = "users/u-maker/credentials/OS-EC2"


def made(person, path: str = KEYS, body: object = None) -> dict:
    answer = keystone(person, "POST", path, body or {"tenant_id": person.project_id})
    assert answer.status_code == 201, answer.text
    return answer.json()["credential"]


@pytest.mark.proves("api: OS-EC2 credentials")
def test_a_person_makes_lists_shows_and_deletes_keys(maker):
    """As `openstack ec2 credentials` does; the owner may always see the secret."""
    key = made(maker)
    assert (len(key["access"]), len(key["secret"])) == (32, 64)
    assert (key["user_id"], key["tenant_id"]) == ("u-maker", "p-ours")
    listed = keystone(maker, "GET", KEYS).json()["credentials"]
    assert key["access"] in {each["access"] for each in listed}
    shown = keystone(maker, "GET", f"{KEYS}/{key['access']}").json()["credential"]
    assert shown == key
    assert keystone(maker, "DELETE", f"{KEYS}/{key['access']}").status_code == 204
    assert keystone(maker, "GET", f"{KEYS}/{key['access']}").status_code == 404
    assert keystone(maker, "DELETE", f"{KEYS}/{key['access']}").status_code == 404


@pytest.mark.proves("api: OS-EC2 credentials")
def test_the_same_keys_are_credentials_of_type_ec2(maker):
    """Their id is the hash of the access id, as in Keystone; the rest is refused by name."""
    one = made(maker, "credentials", {"credential": {"type": "ec2", "blob": "{}"}})
    access = json.loads(one["blob"])["access"]
    assert one["id"] == hashlib.sha256(access.encode()).hexdigest()
    assert keystone(maker, "GET", f"credentials/{one['id']}").json()["credential"] == one
    ids = {each["id"] for each in keystone(maker, "GET", "credentials").json()["credentials"]}
    assert one["id"] in ids
    none = keystone(maker, "GET", "credentials?type=totp").json()["credentials"]
    assert none == []
    assert keystone(maker, "DELETE", f"credentials/{one['id']}").status_code == 204
    assert keystone(maker, "GET", f"{KEYS}/{access}").status_code == 404
    for wrong in (
        {"type": "totp", "blob": "{}"},
        {"type": "ec2", "blob": '{"access": "mine", "secret": "weak"}'},
        {"type": "ec2", "blob": {}},
        {},
    ):
        assert keystone(maker, "POST", "credentials", {"credential": wrong}).status_code == 400


def test_anothers_keys_are_not_ones_own(people, maker):
    """Neither shown nor made nor deleted; an admin may."""
    key = made(maker)
    for name in ("looker", "stranger"):
        for method, path in (
            *(("GET", KEYS), ("POST", KEYS)),
            *(("GET", f"{KEYS}/{key['access']}"), ("DELETE", f"{KEYS}/{key['access']}")),
            ("GET", "credentials?user_id=u-maker"),
        ):
            assert keystone(people[name], method, path, {}).status_code == 403
        of_maker = hashlib.sha256(key["access"].encode()).hexdigest()
        assert keystone(people[name], "GET", f"credentials/{of_maker}").status_code == 404
    assert keystone(people["root"], "GET", f"{KEYS}/{key['access']}").status_code == 200
    by_other = f"users/u-stranger/credentials/OS-EC2/{key['access']}"
    assert keystone(people["stranger"], "GET", by_other).status_code == 404


def test_a_key_is_for_a_project_one_has_a_role_in(maker):
    """Another's project is refused, as is one that is not there."""
    for project in ("p-theirs", "nowhere"):
        assert keystone(maker, "POST", KEYS, {"tenant_id": project}).status_code == 400


def described(key: dict, version: int, *, secret: str | None = None) -> dict:
    """A signed request as a service tells Keystone of it."""
    credentials = Credentials(key["access"], secret or key["secret"])
    parameters = {"Action": "ListStacks", "x": 'a "<b>" & ü'}
    if version == 2:
        request = AWSRequest("POST", "http://heat:8000/v1/", data=dict(parameters))
        SigV2Auth(credentials).add_auth(request)
        params = dict(request.data)
        signature = params.pop("Signature")
        headers, body_hash = {}, ""
    else:
        body = urlencode(parameters).encode()
        request = AWSRequest("POST", "http://heat:8000/v1/", data=body)
        request.headers["Host"] = "heat:8000"
        SigV4Auth(credentials, "cloudformation", "RegionOne").add_auth(request)
        params, headers = {}, dict(request.headers.items())
        signature = headers["Authorization"].rsplit("=", 1)[-1]
        body_hash = hashlib.sha256(body).hexdigest()
    return {
        "ec2Credentials": {
            "access": key["access"],
            "signature": signature,
            "host": "heat:8000",
            "verb": "POST",
            "path": "/v1/",
            "params": params,
            "headers": headers,
            "body_hash": body_hash,
        }
    }


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.proves("api: POST /v3/ec2tokens")
def test_a_service_gets_a_token_for_a_signed_request(people, maker, version):
    """A token of the key's owner, in the key's project."""
    key = made(maker)
    answer = keystone(people["root"], "POST", "ec2tokens", described(key, version))
    assert answer.status_code == 200, answer.text
    token = answer.json()["token"]
    assert (token["user"]["id"], token["project"]["id"]) == ("u-maker", "p-ours")
    assert token["methods"] == ["ec2credential"]
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    assert httpx.get(f"{maker.base}/heat/v1/p-ours/stacks", headers=headers).status_code == 200
    keystone(maker, "DELETE", f"{KEYS}/{key['access']}")
    again = keystone(people["root"], "POST", "ec2tokens", described(key, version))
    assert again.status_code == 401


@pytest.mark.parametrize("version", [2, 4])
def test_a_wrong_signature_gets_no_token(people, maker, version):
    """401; and whoever merely saw a signed request may not even ask: 403."""
    key = made(maker)
    wrong = described(key, version, secret="f" * 64)
    assert keystone(people["root"], "POST", "ec2tokens", wrong).status_code == 401
    right = described(key, version)
    assert keystone(maker, "POST", "ec2tokens", right).status_code == 403
    assert httpx.post(f"{maker.base}/identity/v3/ec2tokens", json=right).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ec2Credentials": None},
        {"ec2Credentials": []},
        {"ec2Credentials": {"params": [], "headers": "x"}},
        {"ec2Credentials": {"params": {"SignatureVersion": {"a": 1}}, "headers": {"a": []}}},
        {"ec2Credentials": {"host": 1, "verb": 2, "path": 3}},
    ],
)
def test_a_request_described_wrongly_is_refused(people, body):
    """400 or 401, whatever stands where."""
    assert keystone(people["root"], "POST", "ec2tokens", body).status_code in {400, 401}


def test_a_person_has_so_many_keys(people, maker):
    """A hundred; the next is refused with what to do."""
    path = "users/u-stranger/credentials/OS-EC2"
    stranger = people["stranger"]
    while True:
        answer = keystone(stranger, "POST", path, {})
        if answer.status_code != 201:
            break
    assert (answer.status_code, "Delete some" in answer.text) == (400, True)
    listed = keystone(stranger, "GET", path).json()["credentials"]
    assert len(listed) == 100
    for key in listed[:50]:
        keystone(stranger, "DELETE", f"{path}/{key['access']}")
