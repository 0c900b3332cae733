"""Heat's stack calls, as its clients see them: statuses, headers and bodies."""

import re

import pytest

TEMPLATE = {
    "heat_template_version": "2016-04-08",
    "description": "A test.",
    "parameters": {
        "word": {"type": "string", "default": "hello"},
        "pin": {"type": "string", "hidden": True, "default": "4711"},
    },
    "resources": {
        "one": {"type": "OS::Heat::TestResource", "properties": {"value": {"get_param": "word"}}}
    },
    "outputs": {"said": {"description": "It.", "value": {"get_attr": ["one", "output"]}}},
}


@pytest.fixture(scope="module")
def path(people):
    """A stack named `plain`, below the project's address."""
    return people["maker"].create("plain", TEMPLATE, tags="red,blue")


def test_create_answers_201_with_the_stacks_address(maker):
    """Location is absolute, and the body holds the id and the same link."""
    answer = maker.heat.post("/stacks", json={"stack_name": "born", "template": TEMPLATE})
    stack = answer.json()["stack"]
    here = f"{maker.base}/heat/v1/{maker.project_id}/stacks/born/{stack['id']}"
    assert answer.status_code == 201
    assert answer.headers["Location"] == here
    assert stack["links"] == [{"href": here, "rel": "self"}]


def test_a_taken_name_is_409(maker, path):
    """Heat calls it StackExists."""
    answer = maker.heat.post("/stacks", json={"stack_name": "plain", "template": TEMPLATE})
    assert answer.status_code == 409
    assert answer.json()["error"]["type"] == "StackExists"
    assert "(plain) already exists" in answer.json()["error"]["message"]


def test_show_has_every_field_clients_read(maker, path):
    """All parameter values are strings; hidden ones are masked; times carry no fractions."""
    stack = maker.heat.get(path).json()["stack"]
    assert set(stack) == {
        *("stack_name", "id", "links", "creation_time", "updated_time", "deletion_time"),
        *("notification_topics", "parameters", "description", "template_description"),
        *("capabilities", "disable_rollback", "timeout_mins", "stack_owner", "parent"),
        *("stack_user_project_id", "tags", "stack_status", "stack_status_reason", "outputs"),
    }
    assert stack["parameters"] == {
        "OS::stack_name": "plain",
        "OS::stack_id": stack["id"],
        "OS::project_id": maker.project_id,
        "word": "hello",
        "pin": "******",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stack["creation_time"])
    assert stack["updated_time"] is None
    assert stack["tags"] == ["red", "blue"]
    assert stack["outputs"] == [
        {"output_key": "said", "description": "It.", "output_value": "hello"}
    ]


def test_outputs_can_be_left_out(maker, path):
    """`resolve_outputs=False` leaves the key out."""
    stack = maker.heat.get(path, params={"resolve_outputs": "False"}).json()["stack"]
    assert "outputs" not in stack


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "POST"])
def test_any_method_on_a_name_is_redirected(maker, path, method):
    """302 to the full path, absolute, with the query kept; never another status."""
    answer = maker.heat.request(method, "/stacks/plain?a=1&b=%20")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{maker.heat.base_url}".rstrip("/") + f"{path}?a=1&b=%20"
    assert answer.json()["code"] == "302 Found"


def test_an_id_is_redirected_too(maker, path):
    """Clients that hold the id ask like this."""
    answer = maker.heat.get(f"/stacks/{path.rsplit('/', 1)[-1]}")
    assert (answer.status_code, answer.headers["Location"].endswith(path)) == (302, True)


@pytest.mark.parametrize("below", ["resources", "events", "template", "environment", "files"])
def test_some_paths_below_a_name_are_redirected(maker, path, below):
    """Others need name and id."""
    answer = maker.heat.get(f"/stacks/plain/{below}")
    assert answer.headers["Location"].endswith(f"{path}/{below}")


def test_the_redirects_body_follows_accept(maker, path):
    """HTML for anyone, text for the rest."""
    kinds = {
        accept: maker.heat.get("/stacks/plain", headers={"Accept": accept}).headers["content-type"]
        for accept in ("application/json", "*/*", "text/plain")
    }
    assert [kind.split(";")[0] for kind in kinds.values()] == [
        "application/json",
        "text/html",
        "text/plain",
    ]


def test_name_and_id_must_belong_together(maker, path):
    """Neither another's id under this name, nor this id under another name."""
    stack_id = path.rsplit("/", 1)[-1]
    assert maker.heat.get(f"/stacks/other/{stack_id}").status_code == 404
    assert maker.heat.get("/stacks/plain/no-such-id").status_code == 404


def test_the_list_ignores_what_it_does_not_know(maker, path):
    """Unknown parameters, sort keys and markers do no harm; a bad limit is 400."""
    answer = maker.heat.get("/stacks?marker=nobody&sort_keys=colour&sparkle=1")
    assert answer.status_code == 200
    assert "plain" in {stack["stack_name"] for stack in answer.json()["stacks"]}
    assert maker.heat.get("/stacks?limit=x").status_code == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=plain", True),
        ("name=other", False),
        ("status=COMPLETE&name=plain", True),
        ("status=CREATE_COMPLETE&name=plain", True),
        ("status=FAILED", False),
        ("status=NONSENSE", False),
        ("action=UPDATE", False),
        ("tags=red,blue", True),
        ("tags=red,green", False),
        ("tags_any=red,green", True),
        ("not_tags=red,blue", False),
        ("username=maker&name=plain", True),
        ("username=looker", False),
    ],
)
def test_the_list_filters(maker, path, query, found):
    """Each filter narrows the list."""
    names = [stack["stack_name"] for stack in maker.heat.get(f"/stacks?{query}").json()["stacks"]]
    assert ("plain" in names) is found


def test_the_count_is_of_all_pages(maker, path):
    """`with_count` counts what `limit` cuts off."""
    body = maker.heat.get("/stacks?limit=1&with_count=true").json()
    assert len(body["stacks"]) == 1
    assert body["count"] >= 1


def test_update_is_202_with_text(maker):
    """And the stack is UPDATE_COMPLETE in the end, with the new output."""
    path = maker.create("grows", TEMPLATE)
    answer = maker.heat.patch(path, json={"parameters": {"word": "bye"}})
    assert answer.status_code == 202
    assert answer.headers["content-type"].startswith("text/plain")
    assert maker.wait(path) == "UPDATE_COMPLETE"
    assert maker.heat.get(f"{path}/outputs/said").json()["output"]["output_value"] == "bye"


def test_put_needs_a_template(maker, path):
    """PATCH keeps the present one, PUT does not."""
    answer = maker.heat.put(path, json={"parameters": {}})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("No template specified")


def test_preview_update_sorts_resources(maker, path):
    """Five lists, nothing changed."""
    body = {"parameters": {"word": "later"}}
    changes = maker.heat.patch(f"{path}/preview", json=body).json()["resource_changes"]
    assert {name: [one["resource_name"] for one in rows] for name, rows in changes.items()} == {
        "unchanged": [],
        "updated": ["one"],
        "replaced": [],
        "added": [],
        "deleted": [],
    }
    assert maker.heat.get(path).json()["stack"]["stack_status"] == "CREATE_COMPLETE"


def test_preview_create_stores_nothing(maker):
    """The stack has no id, and each resource its properties."""
    answer = maker.heat.post("/stacks/preview", json={"stack_name": "never", "template": TEMPLATE})
    stack = answer.json()["stack"]
    assert (answer.status_code, stack["id"]) == (200, "None")
    assert stack["parameters"]["pin"] == "******"
    (resource,) = stack["resources"]
    assert resource["properties"]["value"] == "hello"
    assert resource["resource_identity"]["path"] == "/resources/one"
    assert maker.heat.get("/stacks/never").status_code == 404


def test_delete_is_204_and_the_id_lives_on(maker):
    """By name it is gone; by id it shows DELETE_COMPLETE; deleting again is 404."""
    path = maker.create("brief", TEMPLATE)
    answer = maker.heat.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert maker.wait(path) == "DELETE_COMPLETE"
    assert maker.heat.get("/stacks/brief").status_code == 404
    assert maker.heat.get(f"/stacks/{path.rsplit('/', 1)[-1]}").status_code == 302
    assert maker.heat.delete(path).status_code == 404


def test_actions_answer_200_and_null(maker):
    """Suspend, then an update is refused, then resume."""
    path = maker.create("sleeps", TEMPLATE)
    answer = maker.heat.post(f"{path}/actions", json={"suspend": None})
    assert (answer.status_code, answer.json()) == (200, None)
    assert maker.wait(path) == "SUSPEND_COMPLETE"
    refused = maker.heat.patch(path, json={})
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "NotSupported")
    maker.heat.post(f"{path}/actions", json={"resume": ""})
    assert maker.wait(path) == "RESUME_COMPLETE"
    maker.heat.post(f"{path}/actions", json={"check": None})
    assert maker.wait(path) == "CHECK_COMPLETE"


@pytest.mark.parametrize("body", [{}, {"suspend": None, "resume": None}, {"dance": None}])
def test_none_two_and_unknown_actions_are_400(maker, path, body):
    """And the message names those there are."""
    answer = maker.heat.post(f"{path}/actions", json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "HTTPBadRequest")
    assert "cancel_without_rollback" in answer.json()["error"]["message"]


def test_cancel_with_nothing_under_way_is_400(maker, path):
    """NotSupported, as in Heat."""
    answer = maker.heat.post(f"{path}/actions", json={"cancel_update": None})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "NotSupported")


def test_a_cancelled_update_goes_back_even_if_its_last_step_ended_well(maker):
    """Asked in time, so promised; no failure is told on the way: clients take it as the end."""
    template = {
        "heat_template_version": "2016-04-08",
        "parameters": {"word": {"type": "string", "default": "before"}},
        "resources": {
            "slow": {
                "type": "OS::Heat::TestResource",
                "properties": {
                    "value": {"get_param": "word"},
                    "action_wait_secs": {"update": 1},
                },
            }
        },
    }
    path = maker.create("returns", template)
    maker.heat.patch(path, json={"parameters": {"word": "after"}})
    assert maker.heat.post(f"{path}/actions", json={"cancel_update": None}).status_code == 200
    assert maker.wait(path) == "ROLLBACK_COMPLETE"
    assert maker.heat.get(path).json()["stack"]["parameters"]["word"] == "before"
    told = [
        event["resource_status"]
        for event in maker.heat.get(f"{path}/events?sort_dir=asc").json()["events"]
        if event["resource_name"] == "returns"
    ]
    assert told[2:] == ["UPDATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]


def test_hidden_parameters_are_masked_for_readers(maker, people):
    """In the environment too; whoever may set them may see them."""
    path = maker.create("hushed", TEMPLATE, parameters={"pin": "0815", "word": "loud"})
    seen = {
        name: people[name].heat.get(f"{path}/environment").json()["parameters"]
        for name in ("maker", "looker")
    }
    assert seen["maker"] == {"pin": "0815", "word": "loud"}
    assert seen["looker"] == {"pin": "******", "word": "loud"}


def test_the_parts_of_a_stack_are_bare_documents(maker, path):
    """Template, environment and files without a key around them."""
    assert maker.heat.get(f"{path}/template").json() == TEMPLATE
    assert maker.heat.get(f"{path}/files").json() == {}
    environment = maker.heat.get(f"{path}/environment").json()
    assert set(environment) == {
        *("parameters", "parameter_defaults", "resource_registry"),
        *("encrypted_param_names", "event_sinks"),
    }


def test_outputs_are_listed_without_values(maker, path):
    """Each by itself has one; an unknown key is 404."""
    listed = maker.heat.get(f"{path}/outputs").json()
    assert listed == {"outputs": [{"output_key": "said", "description": "It."}]}
    shown = maker.heat.get(f"{path}/outputs/said").json()["output"]
    assert shown["output_value"] == "hello"
    assert maker.heat.get(f"{path}/outputs/unsaid").status_code == 404


def test_export_holds_everything(maker, path):
    """The document Heat's adopt takes."""
    document = maker.heat.get(f"{path}/export").json()
    assert document["resources"]["one"]["type"] == "OS::Heat::TestResource"
    assert document["template"] == TEMPLATE


def test_a_stack_may_be_called_detail(maker):
    """Words of the API are names as good as any below `/stacks/`."""
    path = maker.create("detail", TEMPLATE)
    assert maker.heat.get(path).json()["stack"]["stack_name"] == "detail"
    assert maker.heat.get("/stacks/detail").status_code == 200
