"""CFN carried over to HOT: the same values, or told where they cannot be."""

import pytest

from mantle.model.errors import Invalid
from mantle.model.graph import TemplateSource
from mantle.model.schema import Attribute, Kind, OnChange, Property, ResourceSchema, TypeFacts
from mantle.model.values import Unknown
from mantle.template.lint.run import lint
from mantle.template.resolve import resolve
from mantle.template.rewrite.convert import converted
from mantle.template.validate import load_template

pytestmark = pytest.mark.proves("beyond: template convert")

ANY = TypeFacts(
    schema=ResourceSchema(
        type="Any",
        properties={"value": Property(kind=Kind.ANY, on_change=OnChange.UPDATE)},
        attributes={"out": Attribute(kind=Kind.ANY)},
    )
)
HEAT = "HeatTemplateFormatVersion: '2012-12-12'\n"
AWS = "AWSTemplateFormatVersion: '2010-09-09'\n"
BODY = """Description: two of them
Parameters:
  Text: {Type: String, Default: hello, MinLength: '2', AllowedPattern: '[a-z]+'}
  Many: {Type: CommaDelimitedList, Default: 'a,b'}
  Secret: {Type: String, Default: abc, NoEcho: 'true'}
Mappings:
  M: {k: {v: found}, hello: {v: greeting}}
  Unused: {k: {v: 1}}
"""


class There:
    """Resource `r` exists, with one attribute."""

    def reference(self, name):
        return "r-id" if name == "r" else Unknown((name,))

    def attributes(self, name):
        return {"out": ["x", "y"]} if name == "r" else Unknown((name,))

    def failure(self, name, attribute):
        del name, attribute


def load(text):
    source = TemplateSource(template=text)
    return load_template(source, types={"Any": ANY}, stack_name="s", stack_id="id", project_id="p")


def template(expression, head=HEAT, conditions=""):
    return (
        f"{head}{BODY}{conditions}Resources:\n  r: {{Type: Any}}\n"
        f"  t:\n    Type: Any\n    Properties:\n      value: {expression}\n"
    )


def values(text):
    loaded = load(text)
    return {
        name: resolve(found.properties, loaded.scope(There()))
        for name, found in loaded.graph.resources.items()
    }


@pytest.mark.parametrize(
    "expression",
    [
        "{Ref: Text}",
        "{Ref: r}",
        "{Ref: 'AWS::StackName'}",
        "{'Fn::GetAtt': [r, out]}",
        "{'Fn::Join': ['-', [a, {Ref: Text}]]}",
        "{'Fn::Split': [',', 'a,b']}",
        "{'Fn::Select': [1, {Ref: Many}]}",
        "{'Fn::Select': ['0', [x, y]]}",
        "{'Fn::Select': [b, {a: 1, b: 2}]}",
        "{'Fn::Select': [1, {'Fn::Split': [',', 'a,b']}]}",
        "{'Fn::Select': [1, {'Fn::GetAtt': [r, out]}]}",
        "{'Fn::Replace': [{A: b}, xAx]}",
        "{'Fn::Base64': {'Fn::Join': ['', [a, b]]}}",
        "{'Fn::FindInMap': [M, k, v]}",
        "{'Fn::FindInMap': [M, {Ref: Text}, v]}",
        "{deep: [{list: {Ref: Many}}]}",
        "\"#!/bin/sh\\necho 'a: b'\\n\"",
        '"  \\n x\\n"',
    ],
)
def test_what_is_carried_over_has_the_same_value(expression):
    text = template(expression)
    result = converted(text)
    assert (result.problems, values(result.text)) == ([], values(text))


@pytest.mark.parametrize("given", ["yes", "no"])
def test_conditions_choose_the_same(given):
    conditions = (
        f"Conditions:\n  A: {{'Fn::Equals': ['{given}', 'yes']}}\n"
        "  B: {'Fn::Not': [{Condition: A}]}\n"
        "  C: {'Fn::And': [{Condition: A}, {'Fn::Equals': [{Ref: Text}, hello]}]}\n"
    )
    text = template("{'Fn::If': [B, 1, {'Fn::If': [C, 2, 3]}]}", AWS, conditions)
    result = converted(text)
    assert (result.problems, values(result.text)) == ([], values(text))


def test_parameters_and_dependencies_are_the_same():
    text = template("{Ref: r}") + "    DependsOn: r\n    DeletionPolicy: Retain\n"
    before, after = load(text).graph, load(converted(text).text).graph
    shown = [
        (
            [(p.name, p.type, p.default, p.hidden, p.constraints) for p in g.parameters.values()],
            [(r.name, r.type, r.references, r.deletion_policy) for r in g.resources.values()],
        )
        for g in (before, after)
    ]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "expression", ["{'Fn::GetAZs': ''}", "{Ref: 'AWS::Region'}", "{Ref: 'AWS::StackId'}"]
)
def test_what_has_no_equal_is_told_with_its_line(expression):
    result = converted(template(expression), "old.template")
    told = [(p.code, p.mark.file, p.mark.line) for p in result.problems]
    assert told == [("not-converted", "old.template", 15)]


def test_the_result_has_no_lint_of_conversion():
    found = lint(converted(template("{Ref: r}")).text, ignore=["MTL020", "MTL032"])
    assert found == []


@pytest.mark.parametrize("text", ["", "a: 1", 'heat_template_version: "2021-04-16"', "{"])
def test_what_is_no_cfn_is_refused(text):
    with pytest.raises(Invalid):
        converted(text)
