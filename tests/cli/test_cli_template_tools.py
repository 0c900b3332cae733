"""`mantle template fmt|show|convert` as a person sees them."""

import json

import pytest

from mantle.cli.app import build_app, run

HOT = """heat_template_version: 2021-04-16
parameters:
  secret: {type: string, hidden: true, default: hunter2}
resources:
  net: {type: OS::Neutron::Net}
  sub:
    properties: {network: {get_resource: net}}
    type: OS::Neutron::Subnet
outputs:
  id: {description: its id, value: {get_resource: sub}}
"""
CFN = "HeatTemplateFormatVersion: '2012-12-12'\nResources:\n  a: {Type: X}\n"


@pytest.fixture(autouse=True)
def web(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "web.yaml"
    place.write_text(HOT)
    (tmp_path / "old.template").write_text(CFN)
    (tmp_path / "bad.yaml").write_text("a: [\n")
    return place


def template(*arguments):
    return run(build_app(), ["template", *arguments])


def test_check_writes_nothing_and_ends_with_1(web):
    assert (template("fmt", "--check", "web.yaml"), web.read_text()) == (1, HOT)


def test_fmt_writes_and_is_then_content(web):
    codes = [template("fmt", "web.yaml"), template("fmt", "--check", "web.yaml")]
    assert (codes, web.read_text().splitlines()[0]) == (
        [0, 0],
        'heat_template_version: "2021-04-16"',
    )


def test_diff_shows_lines_and_writes_nothing(web, capsys):
    template("fmt", "--diff", "web.yaml")
    assert ("-heat_template_version: 2021-04-16" in capsys.readouterr().out, web.read_text()) == (
        True,
        HOT,
    )


def test_show_is_a_tree_without_secrets(capsys):
    template("show", "web.yaml")
    assert capsys.readouterr().out == (
        "version  2021-04-16\n\n"
        "parameters (1)\n  secret  string  = '******'  hidden\n\n"
        "resources (2)\n  net  OS::Neutron::Net\n    sub  OS::Neutron::Subnet\n\n"
        "outputs (1)\n  id  its id\n"
    )


def test_show_as_json(capsys):
    template("show", "web.yaml", "--json")
    assert json.loads(capsys.readouterr().out)["resources"]["sub"]["needs"] == ["net"]


@pytest.mark.parametrize(("form", "edge"), [("dot", "  r1 -> r0;"), ("mermaid", "  r1 --> r0")])
def test_show_as_a_graph(capsys, form, edge):
    template("show", "web.yaml", "--graph", form)
    assert edge in capsys.readouterr().out.splitlines()


def test_convert_writes_hot(capsys):
    assert (template("convert", "old.template"), capsys.readouterr().out) == (
        0,
        'heat_template_version: "2021-04-16"\n\nresources:\n  a:\n    type: X\n',
    )


def test_convert_to_a_new_file(tmp_path):
    template("convert", "old.template", "-o", "new.yaml")
    assert (tmp_path / "new.yaml").read_text().startswith("heat_template_version")


@pytest.mark.parametrize("verb", ["fmt", "show", "convert"])
def test_what_is_no_template_is_refused_with_its_line(verb, capsys):
    assert (template(verb, "bad.yaml"), "bad.yaml:2:1: error" in capsys.readouterr().err) == (
        3,
        True,
    )
