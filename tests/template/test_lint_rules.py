"""Each rule of the linter: a template it warns of, and one it leaves alone."""

import runpy
from pathlib import Path

import pytest

from mantle.template.lint.rules import RULES
from mantle.template.lint.run import lint

ROOT = Path(__file__).resolve().parents[2]
HEAD = 'heat_template_version: "2021-04-16"\n'
MAP = f"{HEAD}parameters: {{p: {{type: json, default: {{a: 1}}}}}}\n"
USE = "outputs: {o: {value: {get_param: p}}}\n"


def value(text: str) -> str:
    return f"{HEAD}outputs:\n  o:\n    value: {text}\n"


def parameter(text: str) -> str:
    return f"{HEAD}parameters: {{p: {{{text}}}}}\n{USE}"


def resource(kind: str, properties: str, more: str = "") -> str:
    return f"{HEAD}{more}resources:\n  r:\n    type: {kind}\n    properties: {properties}\n"


RULE = "OS::Neutron::SecurityGroupRule"
TWO = f"{HEAD}resources:\n  a: {{type: X}}\n  b:\n    type: Y\n    depends_on: a\n    properties: "

CASES = {
    "MTL001": (value("{list_join: ['', [a, 1]]}"), value("{list_join: ['', [a, '1']]}")),
    "MTL002": (
        value("{repeat: {template: x, for_each: {x: [1]}}}"),
        value("{repeat: {template: x, for_each: {x: ['1']}}}"),
    ),
    "MTL003": (
        MAP + "outputs: {o: {value: {get_param: [p, b]}}}\n",
        MAP + "outputs: {o: {value: {get_param: [p, a]}}}\n",
    ),
    "MTL004": (parameter("type: json, default: ''"), parameter("type: json, default: {}")),
    "MTL005": (
        parameter("type: comma_delimited_list, default: 'a, b'"),
        parameter("type: comma_delimited_list, default: 'a,b'"),
    ),
    "MTL006": (parameter("type: string, default: {a: 1}"), MAP + USE),
    "MTL007": (
        value("{str_replace: {template: x, params: {x: true}}}"),
        value("{str_replace: {template: x, params: {x: 'true'}}}"),
    ),
    "MTL008": (value("{digest: [md5, '\u0142']}"), value("{digest: [md5, '\u00e9']}")),
    "MTL009": (
        'heat_template_version: "2013-05-23"\noutputs: {o: {value: {yaql: {expression: $}}}}\n',
        value("{yaql: {expression: $, data: 1}}"),
    ),
    "MTL010": (
        parameter("type: string, constraints: [{length: {min: 1}, allowed_pattern: x}]"),
        parameter("type: string, constraints: [{length: {min: 1}, description: x}]"),
    ),
    "MTL011": (
        f"{HEAD}conditions: {{a: true, b: a}}\n",
        f"{HEAD}conditions: {{a: true, b: {{not: a}}}}\n",
    ),
    "MTL012": (value("{get_param: 'OS::region'}"), value("{get_param: 'OS::stack_name'}")),
    "MTL013": (
        value("{get_param: p, default: 1}"),
        value("{get_param: 'OS::stack_id'}"),
    ),
    "MTL014": (value("{equals: [1, 2]}"), value("{if: [{equals: [1, 2]}, a, b]}")),
    "MTL015": (
        value("{list_join: ['', [{get_attr: [r, a, b]}]]}"),
        value("{list_join: ['', [{get_attr: [r, a]}]]}"),
    ),
    "MTL020": (f"{HEAD}parameters: {{p: {{type: string}}}}\n", parameter("type: string")),
    "MTL021": (
        f"{HEAD}conditions: {{c: true}}\n",
        f"{HEAD}conditions: {{c: true}}\noutputs: {{o: {{value: 1, condition: c}}}}\n",
    ),
    "MTL022": (TWO + "{x: {get_resource: a}}\n", TWO + "{x: 1}\n"),
    "MTL023": (f"{HEAD}resources: {{a: {{type: X}}, A: {{type: X}}}}\n", value("1")),
    "MTL024": (
        resource("X", "{x: {get_attr: [a, show]}}"),
        resource("X", "{x: {get_attr: [a, name]}}"),
    ),
    "MTL025": (resource("X", "{x: {get_attr: [r, y]}}"), resource("X", "{x: {get_attr: [a, y]}}")),
    "MTL026": ("heat_template_version: 2013-05-23\n", HEAD),
    "MTL027": (
        f"{HEAD}resources: {{a: {{type: X, metadata: {{'mantle:drift': fix}}}}}}\n",
        f"{HEAD}resources: {{a: {{type: X, metadata: {{'mantle:drift': correct}}}}}}\n",
    ),
    "MTL030": (
        f"{HEAD}parameters: {{db_password: {{type: string}}}}\n",
        f"{HEAD}parameters: {{db_password: {{type: string, hidden: true}}}}\n",
    ),
    "MTL031": (
        resource("X", "{admin_pass: a, adminPassword: hunter2}"),
        resource("X", "{adminPassword: {get_param: p}}"),
    ),
    "MTL032": (
        parameter("type: string, hidden: true, default: hunter2"),
        parameter("type: string, hidden: true, default: ''"),
    ),
    "MTL033": (parameter("type: string, hidden: true"), parameter("type: string, hidden: false")),
    "MTL040": (resource("OS::Neutron::Pool", "{}"), resource("OS::Octavia::Pool", "{}")),
    "MTL041": (
        resource("OS::Neutron::Port", "{network_id: n}"),
        resource("OS::Neutron::Port", "{network: n}"),
    ),
    "MTL042": (
        resource(
            RULE, "{remote_ip_prefix: 0.0.0.0/0, port_range_min: 1, port_range_max: 99}"
        ),
        resource(RULE, "{remote_ip_prefix: 10.0.0.0/8, port_range_min: 22, port_range_max: 22}"),
    ),
    "MTL043": (
        resource(
            "OS::Nova::Server", "{key_name: {get_param: k}}", "parameters: {k: {type: string}}\n"
        ),
        resource(
            "OS::Nova::Server",
            "{key_name: {get_param: k}}",
            "parameters: {k: {type: string, immutable: true}}\n",
        ),
    ),
    "MTL044": (
        parameter("type: string, constraints: [{custom_constraint: nova.flavor}]"),
        parameter("type: string, constraints: [{custom_constraint: ip_addr}]"),
    ),
}  # fmt: skip


def test_every_rule_has_a_case():
    assert sorted(CASES) == sorted(rule.id for rule in RULES)


@pytest.mark.proves("beyond: template lint")
@pytest.mark.parametrize("rule", CASES)
def test_a_rule_warns_once_and_only_where_it_should(rule):
    wrong, right = CASES[rule]
    found = [[one.rule for one in lint(text, select=[rule])] for text in (wrong, right)]
    assert found == [[rule], []]


def test_a_finding_has_its_place():
    """Line and column are counted from 1 and point at the key."""
    text = f"{HEAD}parameters:\n  unused:\n    type: string\n"
    (one,) = lint(text, "web.yaml")
    assert (one.file, one.line, one.column, one.rule) == ("web.yaml", 3, 3, "MTL020")


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}parameters:\n  unused: # mantle: ignore MTL020\n    type: string\n",
        f"{HEAD}parameters:\n  # mantle: ignore MTL001, MTL020\n  unused: {{type: string}}\n",
        f"# mantle: ignore-file MTL020\n{HEAD}parameters:\n  unused: {{type: string}}\n",
    ],
)
def test_a_comment_silences(text):
    assert lint(text) == []


def test_a_comment_silences_its_own_rule_only():
    text = f"{HEAD}parameters:\n  unused: # mantle: ignore MTL021\n    type: string\n"
    assert [one.rule for one in lint(text)] == ["MTL020"]


def test_cfn_is_looked_at_with_its_own_names():
    text = (
        "HeatTemplateFormatVersion: '2012-12-12'\nParameters:\n  Unused: {Type: String}\n"
        "  DbPassword: {Type: String}\nResources:\n  a:\n    Type: X\n    Properties:\n"
        "      x: {Ref: DbPassword}\n"
    )
    assert [(one.rule, one.line) for one in lint(text)] == [("MTL020", 3), ("MTL030", 4)]


def test_a_key_that_stands_twice_is_an_error_beside_the_warnings():
    text = f"{HEAD}parameters:\n  a: {{type: string}}\n  a: {{type: string}}\n"
    assert [one.rule for one in lint(text)] == ["MTL000", "MTL020"]


@pytest.mark.parametrize("text", ["", "- 1", "{", "a: \0", "1"])
def test_what_is_no_template_is_one_error(text):
    assert [one.rule for one in lint(text)] == ["MTL000"]


def test_the_reference_is_current():
    """Run `make docs` when this fails."""
    script = runpy.run_path(str(ROOT / "scripts" / "lint_reference.py"))
    assert script["text"]() == (ROOT / "docs" / "reference" / "lint.md").read_text()
