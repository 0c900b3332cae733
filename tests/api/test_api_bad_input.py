"""What is wrong with a request is a 4xx that says what, where, why and what to do; never a 500."""

import httpx
import pytest

GOOD = {"heat_template_version": "2016-04-08", "resources": {}}


def error(answer: httpx.Response) -> dict:
    assert 400 <= answer.status_code < 500, answer.text[:500]
    body = answer.json()
    assert body["code"] == answer.status_code
    assert body["error"]["traceback"] is None
    assert "Traceback" not in answer.text
    return body["error"]


def create(maker, **body) -> httpx.Response:
    return maker.heat.post("/stacks", json={"stack_name": "bad", "template": GOOD, **body})


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b'"text"', b"null", b"\xff\xfe", b'{"a": NaN}', b"{}"],
)
def test_a_body_that_is_no_request(maker, body):
    """Malformed JSON, wrong JSON, no JSON."""
    assert error(maker.heat.post("/stacks", content=body))["message"]


@pytest.mark.parametrize("depth", [300, 5_000, 100_000])
def test_a_body_nested_too_deeply(maker, depth):
    """As JSON, however deep."""
    body = b'{"stack_name":"deep","template":' + b"[" * depth + b"]" * depth + b"}"
    error(maker.heat.post("/stacks", content=body))
    answer = maker.own.post("/stacks", content=body)
    assert answer.status_code == 400


def test_a_template_nested_too_deeply(maker):
    """As YAML text, a hundred levels and ten thousand."""
    for depth in (100, 10_000):
        text = "heat_template_version: 2016-04-08\noutputs: {a: {value: " + "[" * depth
        error(create(maker, template=text + "]" * depth + "}}"))


def test_a_template_of_ten_megabytes(maker):
    """Refused by its size, with the limit named, on a connection that stays whole."""
    text = "heat_template_version: 2016-04-08\ndescription: " + "x" * 10_000_000
    assert "4194304" in error(create(maker, template=text))["message"]
    answer = maker.own.post("/stacks", json={"stack_name": "big", "template": text})
    assert answer.status_code == 413


def test_a_yaml_bomb(maker):
    """Aliases of aliases are refused before they are unfolded."""
    lines = ["heat_template_version: 2016-04-08", "a: &a [1,1,1,1,1,1,1,1,1,1]"]
    lines += [
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]" for i in range(12)
    ]
    error(create(maker, template="\n".join(lines)))


def test_all_problems_come_at_once_with_their_places(maker):
    """Two mistakes, two findings, each with line, column and remedy."""
    text = """heat_template_version: 2016-04-08
resources:
  a:
    type: OS::Heat::RandomStrin
  b:
    type: OS::Heat::RandomString
    properties: {lenght: 3}
"""
    problems = error(create(maker, template=text))["problems"]
    assert [problem["line"] for problem in problems] == [4, 7]
    assert all(problem["remedy"] and problem["path"] for problem in problems)


@pytest.mark.parametrize("name", ["two words", "a/b", "", "9lives", "ü", "x" * 300, None, 7, {}])
def test_names_that_cannot_be(maker, name):
    """A stack's name begins with a letter and holds letters, digits and a few marks."""
    error(create(maker, stack_name=name))


@pytest.mark.parametrize(
    "path", ["/stacks/two%20words", "/stacks/a%2Fb", "/stacks/a%2Fb/c%2Fd", "/stacks/%00/x"]
)
def test_names_that_cannot_be_are_not_found(maker, path):
    """Looking for one is 404, in Heat's shape."""
    assert error(maker.heat.get(path))["type"] == "EntityNotFound"


@pytest.mark.parametrize(
    "wrong",
    [
        {"template": None},
        {"template": 7},
        {"template": []},
        {"files": []},
        {"files": {"a": 7}},
        {"environment": 7},
        {"environment": "parameters: ["},
        {"environment_files": "a"},
        {"environment_files": ["not among the files"]},
        {"parameters": []},
        {"parameters": {"unknown": 1}},
        {"timeout_mins": "soon"},
        {"timeout_mins": -1},
        {"timeout_mins": 0},
        {"disable_rollback": "perhaps"},
        {"tags": ["a", "list"]},
        {"tags": "x" * 81},
        {"adopt_stack_data": {}},
        {"template": None, "template_url": "http://127.0.0.1:1/"},
        {"files_container": "bucket"},
    ],
)
def test_fields_of_the_wrong_kind(maker, wrong):
    """Each is refused by name, and no stack comes of it."""
    error(create(maker, **wrong))
    assert maker.heat.get("/stacks/bad").status_code == 404


def test_no_token_and_a_wrong_one(maker, base):
    """401 in the shape of Keystone's middleware, with the place to log in."""
    for headers in ({}, {"X-Auth-Token": "wrong"}, {"X-Auth-Token": ""}):
        answer = httpx.get(f"{base}/heat/v1/{maker.project_id}/stacks", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["title"] == "Unauthorized"
        assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{base}/identity/v3"'
        assert httpx.get(f"{base}/v2/stacks", headers=headers).status_code == 401


def test_an_update_of_a_stack_being_deleted(maker):
    """Refused while it goes, and not found once it has gone."""
    slow = {
        "heat_template_version": "2016-04-08",
        "resources": {
            "a": {
                "type": "OS::Heat::TestResource",
                "properties": {"action_wait_secs": {"delete": 2}},
            }
        },
    }
    path = maker.create("going", slow)
    assert maker.heat.delete(path).status_code == 204
    refused = error(maker.heat.patch(path, json={}))
    assert refused["type"] in {"NotSupported", "ActionInProgress"}
    assert "deleted" in refused["message"]
    assert maker.wait(path) == "DELETE_COMPLETE"
    assert maker.heat.patch(path, json={}).status_code == 404


def test_unknown_addresses_and_methods(maker, base):
    """404 in plain text, 405 in JSON with Allow, OPTIONS 204, HEAD 405."""
    unknown = maker.heat.get("/nonsense")
    assert (unknown.status_code, unknown.headers["content-type"].split(";")[0]) == (
        404,
        "text/plain",
    )
    wrong = maker.heat.delete("/stacks")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, POST")
    assert error(wrong)["type"] == "HTTPMethodNotAllowed"
    assert maker.heat.options("/stacks").status_code == 204
    assert maker.heat.head("/stacks").status_code == 405


def test_a_host_header_that_is_no_host_is_not_repeated(maker, base):
    """Links are built from it, so only a real one will do."""
    headers = {"Host": "evil/<script>"}
    assert "evil" not in httpx.get(f"{base}/heat/", headers=headers).text
    headers = {"Host": "cloud.example:80", "X-Forwarded-Proto": "https"}
    assert "https://cloud.example:80/heat/v1/" in httpx.get(f"{base}/heat/", headers=headers).text


def test_signals_with_bad_bodies(base):
    """Before the token is even looked at."""
    assert httpx.post(f"{base}/signal/x", content=b"[]").status_code == 400
    assert httpx.post(f"{base}/signal/x", content=b"x" * 300_000).status_code == 400
    assert httpx.get(f"{base}/signal/x").status_code == 405


@pytest.mark.parametrize("path", ["", "/x", "/x/latest", "/../../etc/passwd"])
def test_the_metadata_service_tells_strangers_nothing(base, path):
    """A wrong secret and a missing page are the same 404."""
    assert httpx.get(f"{base}/metadata{path}").status_code == 404


def test_own_api_refuses_in_parts(maker):
    """Code, type, message and remedy each have a field; unknown fields are refused."""
    answer = maker.own.post("/stacks", json={"stack_name": "9", "template": GOOD})
    said = answer.json()["error"]
    assert (answer.status_code, said["code"], said["type"]) == (400, 400, "StackValidationFailed")
    assert said["remedy"]
    extra = {"stack_name": "a", "template": GOOD, "colour": "red"}
    answer = maker.own.post("/stacks", json=extra)
    assert (answer.status_code, "colour" in answer.text) == (400, True)
    assert maker.own.get("/nonsense").status_code == 404
    assert maker.own.get("/stacks/nobody").json()["error"]["type"] == "EntityNotFound"
