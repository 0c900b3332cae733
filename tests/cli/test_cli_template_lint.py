"""`mantle template lint`, as a person and as a program sees it."""

import json

import pytest

from mantle.cli.app import build_app, run

BAD = 'heat_template_version: "2021-04-16"\nconditions:\n  unused: true\n  other: true\n'


@pytest.fixture
def bad(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "bad.yaml"
    place.write_text(BAD)
    return place


def lint(*arguments):
    return run(build_app(), ["template", "lint", *arguments])


def test_a_warning_shows_the_line_and_ends_with_1(bad, capsys):
    code = lint("bad.yaml")
    out = capsys.readouterr().out
    assert (code, out.splitlines()[:4]) == (
        1,
        [
            "bad.yaml:3:3: warning: Condition 'unused' is not used. [MTL021 unused-condition]",
            "  3 |   unused: true",
            "    |   ^",
            "  Remove it.",
        ],
    )


def test_nothing_chosen_is_nothing_found(bad, capsys):
    assert [lint("bad.yaml", "--ignore", "MTL02"), lint("bad.yaml", "--select", "MTL001")] == [0, 0]


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("json", lambda out: [one["rule"] for one in json.loads(out)]),
        ("sarif", lambda out: [one["ruleId"] for one in json.loads(out)["runs"][0]["results"]]),
        ("github", lambda out: [line.split("title=")[1][:6] for line in out.splitlines()]),
    ],
)
def test_programs_read_the_same(bad, capsys, form, read):
    lint("bad.yaml", "--format", form)
    assert read(capsys.readouterr().out) == ["MTL021", "MTL021"]


def test_fix_repairs_the_file(bad, capsys):
    code = lint("bad.yaml", "--fix")
    assert (code, bad.read_text()) == (0, 'heat_template_version: "2021-04-16"\n')


@pytest.mark.parametrize("arguments", [(), ("absent.yaml",)])
def test_nothing_to_read_is_wrong_usage(bad, capsys, arguments):
    assert lint(*arguments) == 2
