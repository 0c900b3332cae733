"""Resources, events, types, templates and software over Heat's API."""

import pytest

TEMPLATE = {
    "heat_template_version": "2016-04-08",
    "resources": {
        "first": {
            "type": "OS::Heat::TestResource",
            "properties": {"value": "a"},
            "metadata": {"colour": "red"},
        },
        "second": {
            "type": "OS::Heat::TestResource",
            "properties": {"value": {"get_attr": ["first", "output"]}},
        },
    },
}


@pytest.fixture(scope="module")
def path(people):
    return people["maker"].create("watched", TEMPLATE)


def test_a_resource_is_shown_with_its_links(maker, path):
    """And with what needs it."""
    rows = maker.heat.get(f"{path}/resources").json()["resources"]
    first = next(row for row in rows if row["resource_name"] == "first")
    assert set(first) == {
        *("resource_name", "logical_resource_id", "physical_resource_id", "resource_type"),
        *("resource_status", "resource_status_reason", "creation_time", "updated_time"),
        *("required_by", "links"),
    }
    assert first["required_by"] == ["second"]
    assert [link["rel"] for link in first["links"]] == ["self", "stack"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("type=OS::Nova::Server", []),
        ("name=first", ["first"]),
        ("status=COMPLETE&action=CREATE", ["first", "second"]),
        ("status=FAILED", []),
    ],
)
def test_resources_are_filtered(maker, path, query, names):
    """By each of Heat's filters."""
    rows = maker.heat.get(f"{path}/resources?{query}").json()["resources"]
    assert sorted(row["resource_name"] for row in rows) == names


def test_an_unknown_filter_is_refused(maker, path):
    """Unlike the stack list."""
    assert maker.heat.get(f"{path}/resources?colour=red").status_code == 400


def test_details_come_when_asked_for(maker, path):
    """Description and attributes."""
    rows = maker.heat.get(f"{path}/resources?with_detail=True").json()["resources"]
    assert all({"attributes", "description"} <= set(row) for row in rows)


def test_show_gives_attributes_and_metadata(maker, path):
    """One resource by its name."""
    shown = maker.heat.get(f"{path}/resources/second").json()["resource"]
    assert shown["attributes"]["output"] == "a"
    metadata = maker.heat.get(f"{path}/resources/first/metadata").json()
    assert metadata == {"metadata": {"colour": "red"}}


def test_an_unknown_resource_is_404(maker, path):
    """Heat calls it ResourceNotFound; an escaped slash stays inside the name."""
    for name in ("third", "a%2Fb", "two%20words"):
        answer = maker.heat.get(f"{path}/resources/{name}")
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "ResourceNotFound")


def test_a_resource_can_be_marked_unhealthy(maker):
    """By name or physical id, and back again; unknown keys are refused."""
    path = maker.create("marked", TEMPLATE)
    physical = maker.heat.get(f"{path}/resources/first").json()["resource"]["physical_resource_id"]
    body = {"mark_unhealthy": True, "resource_status_reason": "it smells"}
    for name in ("first", physical):
        answer = maker.heat.patch(f"{path}/resources/{name}", json=body)
        assert (answer.status_code, answer.json()) == (200, None)
    shown = maker.heat.get(f"{path}/resources/first").json()["resource"]
    assert (shown["resource_status"], shown["resource_status_reason"]) == (
        "CHECK_FAILED",
        "it smells",
    )
    assert maker.heat.patch(f"{path}/resources/first", json={"colour": 1}).status_code == 400
    assert maker.heat.patch(f"{path}/resources/first", json={}).status_code == 400


def test_a_signal_to_a_type_that_takes_none_is_400(maker, path):
    """ResourceActionNotSupported."""
    answer = maker.heat.post(f"{path}/resources/first/signal", content=b"null")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "ResourceActionNotSupported"


WAITING = {
    "heat_template_version": "2016-04-08",
    "resources": {
        "handle": {"type": "OS::Heat::WaitConditionHandle"},
        "wait": {
            "type": "OS::Heat::WaitCondition",
            "properties": {"handle": {"get_resource": "handle"}, "timeout": 60},
        },
    },
    "outputs": {"url": {"value": {"get_attr": ["handle", "curl_cli"]}}},
}


def test_a_signal_lets_a_wait_condition_go_on(maker):
    """Over the resource's own address, or over the URL that needs no token."""
    asked = {"stack_name": "waits", "template": WAITING}
    stack_id = maker.heat.post("/stacks", json=asked).json()["stack"]["id"]
    path = f"/stacks/waits/{stack_id}"
    while maker.heat.get(f"{path}/resources/handle").json()["resource"]["resource_status"] != (
        "CREATE_COMPLETE"
    ):
        pass
    wrong = maker.heat.post(f"{maker.base}/signal/wrong.token", json={})
    assert wrong.status_code == 404
    answer = maker.heat.post(f"{path}/resources/handle/signal", json={"data": "done"})
    assert (answer.status_code, answer.json()) == (200, None)
    assert maker.wait(path) == "CREATE_COMPLETE"


def test_events_come_newest_first(maker, path):
    """Or oldest first when asked; the stack's own event carries its name and id."""
    newest = maker.heat.get(f"{path}/events").json()["events"]
    oldest = maker.heat.get(f"{path}/events?sort_dir=asc").json()["events"]
    assert newest == oldest[::-1]
    last = newest[0]
    assert (last["resource_name"], last["resource_status"]) == ("watched", "CREATE_COMPLETE")
    assert last["physical_resource_id"] == path.rsplit("/", 1)[-1]
    assert [link["rel"] for link in last["links"]] == ["self", "resource", "stack"]


def test_a_marker_gives_what_came_after(maker, path):
    """That is how clients poll; an unknown marker is ignored."""
    oldest = maker.heat.get(f"{path}/events?sort_dir=asc").json()["events"]
    after = maker.heat.get(f"{path}/events?sort_dir=asc&marker={oldest[1]['id']}").json()["events"]
    assert after == oldest[2:]
    ignored = maker.heat.get(f"{path}/events?sort_dir=asc&marker=None").json()["events"]
    assert ignored == oldest


def test_events_of_one_resource(maker, path):
    """And one event of it."""
    events = maker.heat.get(f"{path}/resources/first/events").json()["events"]
    assert {event["resource_name"] for event in events} == {"first"}
    one = maker.heat.get(f"{path}/resources/first/events/{events[0]['id']}").json()["event"]
    assert one["resource_type"] == "OS::Heat::TestResource"
    assert one["resource_properties"]["value"] == "a"
    assert maker.heat.get(f"{path}/resources/first/events/none").status_code == 404


def test_types_are_listed_and_shown(maker):
    """The schema in Heat's words."""
    names = maker.heat.get("/resource_types").json()["resource_types"]
    assert {"OS::Heat::RandomString", "OS::Nova::Server"} <= set(names)
    some = maker.heat.get("/resource_types?name=OS::Heat::Ran").json()["resource_types"]
    assert some == ["OS::Heat::RandomString"]
    shown = maker.heat.get("/resource_types/OS::Heat::TestResource").json()
    assert shown["support_status"]["status"] == "SUPPORTED"
    assert shown["properties"]["wait_secs"]["default"] == 0
    assert maker.heat.get("/resource_types/OS::Heat::Nonsense").status_code == 404
    assert maker.heat.get("/resource_types?name=(").status_code == 400


@pytest.mark.parametrize("kind", ["hot", "cfn"])
def test_every_type_gives_a_template(maker, kind):
    """Both languages, for every type there is; HOT ones are valid themselves."""
    for name in maker.heat.get("/resource_types").json()["resource_types"]:
        answer = maker.heat.get(f"/resource_types/{name}/template?template_type={kind}")
        assert answer.status_code == 200, name


def test_template_versions_and_functions(maker):
    """Aliases lead to the same functions."""
    versions = maker.heat.get("/template_versions").json()["template_versions"]
    assert "heat_template_version.2021-04-16" in {row["version"] for row in versions}
    path = "/template_versions/heat_template_version.{}/functions"
    pike = maker.heat.get(path.format("pike")).json()
    assert pike == maker.heat.get(path.format("2017-09-01")).json()
    assert maker.heat.get(path.format("1999-01-01")).status_code == 404


def test_validate_describes_the_parameters(maker):
    """Capitalised keys, and NoEcho as text."""
    template = {
        "heat_template_version": "2016-04-08",
        "description": "Says.",
        "parameters": {
            "size": {
                "type": "number",
                "label": "How big",
                "default": 3,
                "constraints": [{"range": {"min": 1, "max": 9}}],
            },
            "key": {"type": "string", "hidden": True},
        },
    }
    body = maker.heat.post("/validate", json={"template": template}).json()
    assert body["Description"] == "Says."
    size = body["Parameters"]["size"]
    assert (size["Type"], size["Label"], size["NoEcho"]) == ("Number", "How big", "false")
    assert (size["Default"], size["MinValue"], size["MaxValue"]) == (3, 1, 9)
    assert body["Parameters"]["key"]["NoEcho"] == "true"


def test_software_configs_and_deployments(maker):
    """Created with 200, not 201; a config in use cannot be deleted."""
    asked = {"name": "hello", "group": "script", "config": "#!/bin/sh\necho", "inputs": []}
    answer = maker.heat.post("/software_configs", json=asked)
    assert answer.status_code == 200
    config = answer.json()["software_config"]
    asked = {"config_id": config["id"], "server_id": "s1", "input_values": {"a": 1}}
    answer = maker.heat.post("/software_deployments", json=asked)
    assert answer.status_code == 200
    deployment = answer.json()["software_deployment"]
    assert maker.heat.delete(f"/software_configs/{config['id']}").status_code == 403
    (row,) = maker.heat.get("/software_deployments/metadata/s1").json()["metadata"]
    assert row["id"] == config["id"]
    here = f"/software_deployments/{deployment['id']}"
    changed = maker.heat.put(here, json={"status": "COMPLETE"}).json()["software_deployment"]
    assert (changed["status"], changed["input_values"]) == ("COMPLETE", {"a": 1})
    assert maker.heat.put(here, json={"status": "DANCING"}).status_code == 400
    assert maker.heat.delete(here).status_code == 204
    assert maker.heat.delete(f"/software_configs/{config['id']}").status_code == 204
    assert maker.heat.get(f"/software_configs/{config['id']}").status_code == 404


def test_build_info_and_services(maker, people):
    """The engines are for admins."""
    assert set(maker.heat.get("/build_info").json()) == {"api", "engine"}
    (engine,) = people["root"].heat.get("/services").json()["services"]
    assert engine["status"] == "up"
