"""OS::Heat::Stack of another Heat: a second control plane, spoken to over real sockets."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from listener import listening

from mantle.lib.outbound import destinations_of

INNER = """heat_template_version: 2018-08-31
parameters:
  length: {type: number}
resources:
  word: {type: OS::Heat::RandomString, properties: {length: {get_param: length}}}
  more: {type: more.yaml}
outputs:
  word: {value: {get_attr: [word, value]}}
"""
MORE = "heat_template_version: 2018-08-31\nresources: {x: {type: OS::Heat::RandomString}}\n"
OUTER = """heat_template_version: 2018-08-31
parameters:
  length: {type: number, default: 4}
resources:
  there:
    type: OS::Heat::Stack
    properties:
      context: {credential_secret_id: other, region_name: RegionOne}
      template: {get_file: inner.yaml}
      parameters: {length: {get_param: length}}
outputs:
  word: {value: {get_attr: [there, outputs, word]}}
"""
FILES = {"inner.yaml": INNER, "more.yaml": MORE}


@pytest.fixture(scope="module")
def other(server, tmp_path_factory):
    """A second control plane with accounts of its own; the first may call the loopback."""
    running = type(server)(tmp_path_factory.mktemp("other"))
    running.thread.start()
    assert running.ready.wait(60)
    machine = server.control.machine
    before = machine.settings
    machine.settings = replace(before, destinations=destinations_of("127.0.0.0/8"))
    yield running
    machine.settings = before
    running.server.should_exit = True
    running.thread.join(30)


@pytest.fixture
def there(other, people):
    """Somebody logged in at the other one."""
    person = type(people["maker"])(other.base, "maker")
    yield person
    person.heat.close()
    person.own.close()


def credentials(other, **changes):
    auth = {
        "auth_url": f"{other.base}/identity/v3",
        "username": "maker",
        "password": "correct horse",
        "project_name": "ours",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return {"auth_type": "v3password", "auth": {**auth, **changes}}


@pytest.fixture
def secret(maker, other):
    """The credentials, kept under the name `other`."""

    def keep(payload):
        maker.own.delete("/secrets/other")
        answer = maker.own.post("/secrets", json={"name": "other", "payload": payload})
        assert answer.status_code == 201, answer.text

    keep(credentials(other))
    yield keep
    maker.own.delete("/secrets/other")


def asked(name, template=OUTER, **parameters):
    return {"stack_name": name, "template": template, "files": FILES, "parameters": parameters}


def stacks(person):
    return person.heat.get("/stacks").json()["stacks"]


def outputs(person, path):
    found = person.heat.get(path).json()["stack"]["outputs"]
    return {each["output_key"]: each["output_value"] for each in found}


@pytest.mark.proves("type: OS::Heat::Stack of another Heat")
def test_a_stack_of_another_heat_lives_with_its_resource(maker, there, secret):
    """Made, changed in place, checked, suspended, resumed and deleted there; outputs come back."""
    answer = maker.heat.post("/stacks", json=asked("far"))
    assert answer.status_code == 201, answer.text
    path = f"/stacks/far/{answer.json()['stack']['id']}"
    assert maker.wait(path) == "CREATE_COMPLETE", maker.heat.get(path).text
    (made,) = stacks(there)
    assert made["stack_name"].startswith("far-there-")
    assert len(outputs(maker, path)["word"]) == 4
    resource = maker.heat.get(f"{path}/resources/there").json()["resource"]
    assert resource["physical_resource_id"] == made["id"]
    assert maker.heat.put(path, json=asked("far", length=7)).status_code == 202
    assert maker.wait(path) == "UPDATE_COMPLETE"
    assert len(outputs(maker, path)["word"]) == 7
    assert [each["id"] for each in stacks(there)] == [made["id"]]
    for verb in ("check", "suspend", "resume"):
        assert maker.heat.post(f"{path}/actions", json={verb: None}).status_code == 200
        assert maker.wait(path) == f"{verb.upper()}_COMPLETE"
        assert stacks(there)[0]["stack_status"] == f"{verb.upper()}_COMPLETE"
    assert maker.heat.delete(path).status_code == 204
    maker.wait(path)
    assert stacks(there) == []


def test_a_stack_deleted_there_is_no_obstacle_here(maker, there, secret):
    """A deletion finds nothing to do."""
    answer = maker.heat.post("/stacks", json=asked("gone"))
    path = f"/stacks/gone/{answer.json()['stack']['id']}"
    assert maker.wait(path) == "CREATE_COMPLETE"
    there.heat.delete(f"/stacks/{stacks(there)[0]['stack_name']}/{stacks(there)[0]['id']}")
    maker.heat.delete(path)
    maker.wait(path)
    assert maker.heat.get(path).json()["stack"]["stack_status"] == "DELETE_COMPLETE"


def test_a_token_does_for_credentials(maker, there, secret, other):
    """auth_type v3token, with the project it is for."""
    auth = {"auth_url": f"{other.base}/identity", "token": there.token, "project_name": "ours"}
    secret(json.dumps({"auth_type": "token", "auth": auth}))
    assert maker.heat.post("/stacks/preview", json=asked("tok")).status_code == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong"}, "refuses the credentials"),
        ({"auth_url": "http://127.0.0.1:1/v3"}, "Cannot establish connection to Heat endpoint"),
        ({"auth_url": "http://10.0.0.1/v3"}, "10.0.0.1 is not a public one"),
        ({"auth_url": "file:///etc/passwd"}, "neither http nor https"),
    ],
)
def test_credentials_that_do_not_do_are_refused_before_anything_is_made(
    maker, secret, other, change, message
):
    """With what the matter is, and never with what the secret holds."""
    secret(credentials(other, **change))
    answer = maker.heat.post("/stacks", json=asked("no"))
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert "correct horse" not in answer.text


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("no json", "holds no credentials"),
        ('{"auth_type": "v3password"}', "holds no credentials"),
        ('{"auth_type": "v3kerberos", "auth": {"auth_url": "http://127.0.0.1/"}}', "v3kerberos"),
        ("[" * 5000, "holds no credentials"),
    ],
)
def test_a_secret_that_is_none_is_named(maker, secret, payload, message):
    """Hostile or wrong: a clear 400."""
    secret(payload)
    answer = maker.heat.post("/stacks", json=asked("no"))
    assert (answer.status_code, message in answer.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("credential_secret_id: other", "credential_secret_id: nothing", "no secret 'nothing'"),
        ("RegionOne", "Atlantis", "orchestration service in Atlantis region not found"),
        ("RegionOne", "RegionOne, ca_cert: nonsense", "certificate of the authority"),
        ("credential_secret_id: other", "insecure: true", "context.insecure"),
    ],
)
def test_a_context_that_leads_nowhere_is_refused(maker, secret, old, new, message):
    """By name, at once."""
    answer = maker.heat.post("/stacks", json=asked("no", OUTER.replace(old, new)))
    assert (answer.status_code, message in answer.json()["error"]["message"]) == (400, True)


def test_what_is_wrong_with_the_template_is_said_by_the_heat_there(maker, secret):
    """In the words Heat's clients know."""
    body = asked("no")
    body["files"] = {**FILES, "inner.yaml": INNER.replace("RandomString", "RandomStrin")}
    answer = maker.heat.post("/stacks", json=body)
    told = answer.json()["error"]["message"]
    assert "Failed validating stack template using Heat endpoint at region" in told
    assert "OS::Heat::RandomStrin" in told


def test_secrets_are_kept_and_not_shown(people, secret):
    """Names only, of one's own project; a name is taken once."""
    maker, stranger, looker = people["maker"], people["stranger"], people["looker"]
    listed = maker.own.get("/secrets")
    assert [each["name"] for each in listed.json()["secrets"]] == ["other"]
    assert "correct horse" not in listed.text
    assert maker.own.post("/secrets", json={"name": "other", "payload": "x"}).status_code == 409
    assert maker.own.post("/secrets", json={"name": "", "payload": "x"}).status_code == 400
    assert stranger.own.get("/secrets").json()["secrets"] == []
    assert stranger.own.delete("/secrets/other").status_code == 404
    assert looker.own.get("/secrets").status_code == 403


@pytest.mark.parametrize(
    ("given", "identity", "scope"),
    [
        (
            {"application_credential_id": "a", "application_credential_secret": "s"},
            {
                "methods": ["application_credential"],
                "application_credential": {"id": "a", "secret": "s"},
            },
            None,
        ),
        (
            {
                "application_credential_name": "n",
                "application_credential_secret": "s",
                "username": "u",
                "user_domain_name": "D",
            },
            {
                "methods": ["application_credential"],
                "application_credential": {
                    "name": "n",
                    "secret": "s",
                    "user": {"name": "u", "domain": {"name": "D"}},
                },
            },
            None,
        ),
        (
            {"user_id": "u", "password": "p", "project_id": "x"},
            {"methods": ["password"], "password": {"user": {"id": "u", "password": "p"}}},
            {"project": {"id": "x"}},
        ),
        (
            {"token": "t"},
            {"methods": ["token"], "token": {"id": "t"}},
            None,
        ),
    ],
)
def test_credentials_are_presented_as_keystone_wants_them(
    maker, secret, other, given, identity, scope
):
    """Each kind of auth_type in Keystone's own form; an application credential has no scope."""
    kinds = {"application_credential": "v3applicationcredential", "password": "v3password"}
    kind = kinds.get(identity["methods"][0], "v3token")
    with listening() as keystone:
        keystone.answer = lambda path, body: 401
        secret({"auth_type": kind, "auth": {"auth_url": f"{keystone.base}/v3/", **given}})
        answer = maker.heat.post("/stacks", json=asked("no"))
        assert "refuses the credentials (401)" in answer.json()["error"]["message"]
        _, path, _, body = keystone.seen[0]
    sent = json.loads(body)["auth"]
    assert (path, sent["identity"], sent.get("scope")) == ("/v3/auth/tokens", identity, scope)


def test_the_command_keeps_lists_and_deletes_secrets(server, tmp_path, monkeypatch, capsys):
    """`mantle secret`: what was kept is never printed."""
    from mantle.cli.app import build_app, run

    for name, value in (
        ("OS_AUTH_URL", f"{server.base}/identity/v3"),
        ("OS_USERNAME", "maker"),
        ("OS_PASSWORD", "correct horse"),
        ("OS_PROJECT_NAME", "ours"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OS_CLOUD", raising=False)
    file = tmp_path / "secret.json"
    file.write_text('{"auth_type": "v3token", "auth": {"token": "hush"}}')
    assert run(build_app(), ["secret", "add", "mine", "--file", str(file)]) == 0
    assert run(build_app(), ["secret", "list"]) == 0
    assert run(build_app(), ["secret", "delete", "mine"]) == 0
    told = capsys.readouterr()
    assert ("mine" in told.out + told.err, "hush" in told.out + told.err) == (True, False)
