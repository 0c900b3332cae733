"""Keystone's API as its clients use it."""

import httpx
import pytest

PASSWORD = "correct horse"


def post(base: str, auth: object) -> httpx.Response:
    return httpx.post(f"{base}/identity/v3/auth/tokens", json={"auth": auth}, timeout=30)


def password(name: str, word: str = PASSWORD, **scope: object) -> dict:
    user = {"name": name, "domain": {"name": "Default"}, "password": word}
    return {"identity": {"methods": ["password"], "password": {"user": user}}, **scope}


def test_version_documents(base):
    """300 at the root, 200 at v3, each with its own address."""
    root = httpx.get(f"{base}/identity")
    assert root.status_code == 300
    (version,) = root.json()["versions"]["values"]
    assert version == httpx.get(f"{base}/identity/v3/").json()["version"]
    assert version["links"] == [{"rel": "self", "href": f"{base}/identity/v3/"}]


def test_logging_in(base):
    """201, the token in a header, and a catalog of the host that was asked."""
    scope = {"project": {"name": "ours", "domain": {"id": "default"}}}
    answer = post(base, password("maker", scope=scope))
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert answer.headers["X-Subject-Token"] not in answer.text
    assert token["methods"] == ["password"]
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert [role["name"] for role in token["roles"]] == ["member"]
    urls = {
        service["type"]: {
            endpoint["interface"]: endpoint["url"] for endpoint in service["endpoints"]
        }
        for service in token["catalog"]
    }
    assert urls["orchestration"]["public"] == f"{base}/heat/v1/p-ours"
    assert set(urls["identity"]) == {"public", "internal", "admin"}


@pytest.mark.parametrize(
    "auth",
    [
        password("maker", "wrong"),
        password("nobody"),
        password("maker", scope={"project": {"id": "p-theirs"}}),
        password("maker", scope={"project": {"name": "ours", "domain": {"name": "Other"}}}),
        password("maker", scope={"system": {"all": True}}),
        password("maker", scope={"domain": {"id": "default"}}),
        {"identity": {"methods": ["token"], "token": {"id": "wrong"}}},
        {"identity": {"methods": ["totp"]}},
    ],
)
def test_refusals_are_401(base, auth):
    """All alike, in Keystone's shape."""
    answer = post(base, auth)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("The request you have made")


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {},
        {"identity": {}},
        {"identity": {"methods": []}},
        {"identity": {"methods": 1}},
        {"identity": {"methods": ["password"]}},
        password("maker", scope=7),
    ],
)
def test_what_is_no_log_in_is_400(base, auth):
    """And says what is missing."""
    answer = post(base, auth)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


def test_unscoped_tokens_and_exchange(base):
    """An unscoped token has no catalog and opens no project; exchanged for a scoped one it does."""
    answer = post(base, password("maker", scope="unscoped"))
    unscoped = answer.headers["X-Subject-Token"]
    assert "catalog" not in answer.json()["token"]
    headers = {"X-Auth-Token": unscoped}
    assert httpx.get(f"{base}/heat/v1/p-ours/stacks", headers=headers).status_code == 403
    assert httpx.get(f"{base}/v2/stacks", headers=headers).status_code == 403
    identity = {"methods": ["token"], "token": {"id": unscoped}}
    scoped = post(base, {"identity": identity, "scope": {"project": {"id": "p-ours"}}})
    headers = {"X-Auth-Token": scoped.headers["X-Subject-Token"]}
    assert httpx.get(f"{base}/heat/v1/p-ours/stacks", headers=headers).status_code == 200


def test_checking_and_revoking(base, people):
    """One's own token, or as an admin anyone's; revoked, it is 404 to ask about and 401 to use."""
    token = post(base, password("maker")).headers["X-Subject-Token"]
    url = f"{base}/identity/v3/auth/tokens"
    own = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert httpx.get(url, headers=own).json()["token"]["user"]["name"] == "maker"
    assert httpx.head(url, headers=own).status_code == 200
    stranger = {"X-Auth-Token": people["stranger"].token, "X-Subject-Token": token}
    assert httpx.get(url, headers=stranger).status_code == 403
    admin = {"X-Auth-Token": people["root"].token, "X-Subject-Token": token}
    assert httpx.delete(url, headers=admin).status_code == 204
    assert httpx.get(url, headers=admin).status_code == 404
    assert httpx.get(url, headers=own).status_code == 401


def test_an_admin_keeps_accounts(base, people):
    """A project, a user and a grant; then the user logs in; then all of it goes."""
    with httpx.Client(
        base_url=f"{base}/identity/v3", headers={"X-Auth-Token": people["root"].token}
    ) as admin:
        project = admin.post("/projects", json={"project": {"name": "new"}}).json()["project"]
        body = {"user": {"name": "newcomer", "password": "first", "email": "n@example.org"}}
        answer = admin.post("/users", json=body)
        user = answer.json()["user"]
        assert answer.status_code == 201
        assert "password" not in user
        assert "argon2" not in answer.text
        assert admin.post("/users", json=body).status_code == 409
        grant = f"/projects/{project['id']}/users/{user['id']}/roles"
        assert admin.put(f"{grant}/reader").status_code == 204
        assert admin.put(f"{grant}/emperor").status_code == 404
        assert [role["name"] for role in admin.get(grant).json()["roles"]] == ["reader"]
        scope = {"project": {"id": project["id"]}}
        assert post(base, password("newcomer", "first", scope=scope)).status_code == 201
        patch = {"user": {"password": "second"}}
        assert admin.patch(f"/users/{user['id']}", json=patch).status_code == 200
        assert post(base, password("newcomer", "first", scope=scope)).status_code == 401
        assert admin.get("/users?name=newcomer").json()["users"][0]["id"] == user["id"]
        assert admin.delete(f"/users/{user['id']}").status_code == 204
        assert admin.get(f"/users/{user['id']}").status_code == 404
        assert admin.delete(f"/projects/{project['id']}").status_code == 204
        assert admin.delete("/users/u-root").status_code == 403


def test_application_credentials(base, people):
    """Made by oneself; the secret is shown once; it logs in; it goes."""
    maker = people["maker"]
    url = f"{base}/identity/v3/users/u-maker/application_credentials"
    headers = {"X-Auth-Token": maker.token}
    body = {"application_credential": {"name": "robot", "expires_at": "2100-01-01T00:00:00"}}
    made = httpx.post(url, headers=headers, json=body).json()["application_credential"]
    (listed,) = httpx.get(url, headers=headers).json()["application_credentials"]
    assert "secret" not in listed
    given = {"id": made["id"], "secret": made["secret"]}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": given}}
    answer = post(base, auth)
    assert answer.json()["token"]["application_credential"]["restricted"] is True
    token = answer.headers["X-Subject-Token"]
    assert httpx.delete(f"{url}/{made['id']}", headers=headers).status_code == 204
    assert httpx.get(f"{base}/v2/whoami", headers={"X-Auth-Token": token}).status_code == 401
