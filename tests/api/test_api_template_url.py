"""`template_url`: the server fetches the template, from where its operator allows."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from listener import listening

from mantle.lib.outbound import destinations_of

TEMPLATE = """heat_template_version: 2018-08-31
description: from afar
resources:
  one: {type: OS::Heat::RandomString, properties: {length: 4}}
"""


@pytest.fixture
def pages(server):
    """A server of templates on the loopback, which is allowed meanwhile."""
    machine = server.control.machine
    before = machine.settings
    machine.settings = replace(before, destinations=destinations_of("127.0.0.0/8"))
    with listening() as listener:
        yield listener
    machine.settings = before


def stack_of(maker, path):
    return maker.heat.get(path).json()["stack"]


@pytest.mark.proves("api: template_url")
def test_create_preview_validate_and_update_take_a_url(maker, pages):
    """Wherever Heat's clients may send a template, they may send its address."""
    url = pages.page("/t.yaml", TEMPLATE)
    assert maker.heat.post("/validate", json={"template_url": url}).json()["Description"] == (
        "from afar"
    )
    asked = {"stack_name": "afar", "template_url": url}
    assert maker.heat.post("/stacks/preview", json=asked).status_code == 200
    answer = maker.heat.post("/stacks", json=asked)
    assert answer.status_code == 201, answer.text
    path = f"/stacks/afar/{answer.json()['stack']['id']}"
    assert maker.wait(path) == "CREATE_COMPLETE"
    pages.page("/t.yaml", TEMPLATE.replace("length: 4", "length: 9"))
    preview = maker.heat.put(f"{path}/preview", json={"template_url": url})
    assert preview.status_code == 200, preview.text
    assert maker.heat.put(path, json={"template_url": url}).status_code == 202
    assert maker.wait(path) == "UPDATE_COMPLETE"
    assert "length: 9" in json.dumps(maker.heat.get(f"{path}/template").json()) or (
        maker.heat.get(f"{path}/template").json()["resources"]["one"]["properties"] == {"length": 9}
    )
    maker.heat.delete(path)


def test_our_own_api_takes_one_too(maker, pages):
    """For stacks, plans and validation."""
    url = pages.page("/t.yaml", TEMPLATE)
    assert maker.own.post("/validate", json={"template_url": url}).json()["resources"] == {
        "one": "OS::Heat::RandomString"
    }
    body = {"action": "create", "stack_name": "planned-afar", "template_url": url}
    assert len(maker.own.post("/plans", json=body).json()["plan"]["steps"]) == 1
    made = maker.own.post("/stacks", json={"stack_name": "own-afar", "template_url": url})
    assert made.status_code == 202, made.text
    maker.own.delete("/stacks/own-afar")


def test_problems_are_told_with_the_url_as_the_file(maker, pages):
    """Line and column of the text that was fetched."""
    url = pages.page("/bad.yaml", TEMPLATE.replace("length: 4", "lenth: 4"))
    answer = maker.own.post("/validate", json={"template_url": url})
    problem = answer.json()["error"]["problems"][0]
    assert (problem["file"], problem["line"]) == (url, 4)


def test_nested_templates_named_by_url_come_along(maker, pages):
    """As in Heat; one that came with the request is not fetched."""
    inner = pages.page("/inner.yaml", TEMPLATE)
    url = pages.page(
        "/outer.yaml",
        f"heat_template_version: 2018-08-31\nresources: {{in: {{type: {inner!r}}}}}\n",
    )
    assert maker.own.post("/validate", json={"template_url": url}).status_code == 200
    assert [path for _, path, _, _ in pages.seen] == ["/outer.yaml", "/inner.yaml"]


OUTER = """heat_template_version: 2018-08-31
resources:
  text: {type: OS::Heat::Value, properties: {value: {get_file: scripts/boot.sh}}}
  group:
    type: OS::Heat::ResourceGroup
    properties: {count: 1, resource_def: {type: parts/inner.yaml}}
outputs:
  text: {value: {get_attr: [text, value]}}
  inside: {value: {get_attr: [group, resource.0.text]}}
"""
INNER = """heat_template_version: 2018-08-31
resources:
  one: {type: OS::Heat::Value, properties: {value: {get_file: %s}}}
outputs: {text: {value: {get_attr: [one, value]}}}
"""


@pytest.mark.proves("api: template_url, with what it names by relative paths")
def test_relative_paths_are_relative_to_the_text_that_names_them(maker, pages):
    """Files and nested templates, wherever in the template they are named, and within those."""
    pages.page("/a/scripts/boot.sh", "outer")
    pages.page("/a/parts/inner.yaml", INNER % "own.sh")
    pages.page("/a/parts/own.sh", "inner")
    url = pages.page("/a/outer.yaml", OUTER)
    answer = maker.heat.post("/stacks", json={"stack_name": "paths", "template_url": url})
    assert answer.status_code == 201, answer.text
    path = f"/stacks/paths/{answer.json()['stack']['id']}"
    assert maker.wait(path) == "CREATE_COMPLETE"
    outputs = {
        each["output_key"]: each["output_value"] for each in stack_of(maker, path)["outputs"]
    }
    assert outputs == {"text": "outer", "inside": "inner"}
    maker.heat.delete(path)


def test_a_file_that_came_along_is_not_fetched(maker, pages):
    """Who sends a file means that one."""
    pages.page("/a/parts/inner.yaml", INNER % "own.sh")
    url = pages.page("/a/outer.yaml", OUTER)
    body = {"template_url": url, "files": {"scripts/boot.sh": "mine", "own.sh": "too"}}
    assert maker.own.post("/validate", json=body).status_code == 200
    assert [path for _, path, _, _ in pages.seen] == ["/a/outer.yaml", "/a/parts/inner.yaml"]


def test_where_a_redirect_leads_is_where_paths_begin(maker, pages):
    """As for every page of the web."""
    pages.page("/b/boot.sh", "there")
    moved = pages.page("/b/t.yaml", INNER % "boot.sh")
    url = pages.page("/a/t.yaml", "", 302, Location=moved)
    assert maker.own.post("/validate", json={"template_url": url}).status_code == 200


def test_one_name_for_two_files_is_refused(maker, pages):
    """A file is known by its name as written: nobody guesses which one is meant."""
    pages.page("/a/scripts/boot.sh", "outer")
    pages.page("/a/parts/inner.yaml", INNER % "scripts/boot.sh")
    url = pages.page("/a/outer.yaml", OUTER)
    answer = maker.heat.post("/validate", json={"template_url": url})
    assert answer.status_code == 400
    assert "parts/scripts/boot.sh in another" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["file:///etc/passwd", "gopher://x/y", "http://10.0.0.1/x"])
def test_what_is_named_is_fetched_from_allowed_places_only(maker, pages, name):
    """A template's own words open no other door than its address did."""
    url = pages.page("/t.yaml", INNER % name)
    answer = maker.heat.post("/validate", json={"template_url": url})
    assert (answer.status_code, len(pages.seen)) == (400, 1)


def test_so_many_files_and_no_more(maker, pages):
    """Thirty-two; a template that names itself is fetched once."""
    lines = "".join(
        f"  r{i}: {{type: OS::Heat::Value, properties: {{value: {{get_file: f{i}}}}}}}\n"
        for i in range(33)
    )
    for i in range(33):
        pages.page(f"/f{i}", "x")
    url = pages.page("/many.yaml", f"heat_template_version: 2018-08-31\nresources:\n{lines}")
    answer = maker.heat.post("/validate", json={"template_url": url})
    assert "names more than 32 files" in answer.json()["error"]["message"]
    url = pages.page(
        "/self.yaml",
        "heat_template_version: 2018-08-31\nresources: {in: {type: self.yaml}}\n",
    )
    pages.seen.clear()
    assert maker.heat.post("/validate", json={"template_url": url}).status_code == 400
    assert [path for _, path, _, _ in pages.seen] == ["/self.yaml", "/self.yaml"]


@pytest.mark.parametrize(
    ("path", "status", "text", "message"),
    [
        ("/none.yaml", 404, "", "answered 404"),
        ("/there.yaml", 302, "", "10.0.0.1 is not"),
        ("/bytes.yaml", 200, b"\xff\xfe\x00", "not text in UTF-8"),
        ("/large.yaml", 200, b"x" * (4 * 2**20 + 1), "more than the 4,194,304 bytes"),
    ],
)
def test_what_cannot_be_fetched_is_a_400_that_says_why(maker, pages, path, status, text, message):
    """In Heat's shape, with a remedy."""
    url = pages.page(path, text, status, Location="http://10.0.0.1/")
    answer = maker.heat.post("/validate", json={"template_url": url})
    told = answer.json()["error"]["message"]
    assert (answer.status_code, told.startswith("Could not retrieve template: ")) == (400, True)
    assert message in told


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/t.yaml",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://x/",
        "nothing",
        7,
    ],
)
def test_private_places_are_not_asked_by_default(maker, url):
    """Nobody reads the operator's network through Mantle."""
    answer = maker.heat.post("/stacks", json={"stack_name": "bad", "template_url": url})
    assert answer.status_code == 400
    assert "retrieve template" in answer.text or "no text" in answer.text
