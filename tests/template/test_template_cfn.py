"""The two CFN formats: the same graph, the same checks, told in the author's keys."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mantle.model.errors import Invalid
from mantle.model.graph import DeletionPolicy, ParameterType, TemplateSource
from mantle.model.schema import Attribute, Kind, OnChange, Property, ResourceSchema, TypeFacts
from mantle.model.values import Unknown
from mantle.template.functions import condition_functions_of, functions_of
from mantle.template.hot.versions import DATES, known_versions
from mantle.template.resolve import resolve
from mantle.template.validate import load_template

pytestmark = pytest.mark.proves("format: CFN")

HEAT = "HeatTemplateFormatVersion: '2012-12-12'\n"
AWS = "AWSTemplateFormatVersion: '2010-09-09'\n"
ANY = TypeFacts(
    schema=ResourceSchema(
        type="Any",
        properties={"value": Property(kind=Kind.ANY, on_change=OnChange.UPDATE)},
        attributes={"out": Attribute(kind=Kind.ANY)},
    )
)


def load(text, parameters=None):
    source = TemplateSource(template=text, parameters=parameters or {})
    return load_template(source, types={"Any": ANY}, stack_name="s", stack_id="id", project_id="p")


class There:
    """Resource `r` exists, with one attribute."""

    def reference(self, name):
        return "r-id" if name == "r" else Unknown((name,))

    def attributes(self, name):
        return {"out": "o"} if name == "r" else Unknown((name,))

    def failure(self, name, attribute):
        del name, attribute


def template(expression, head=HEAT):
    return (
        f"{head}Parameters:\n"
        "  text: {Type: String, Default: hello}\n"
        "  many: {Type: CommaDelimitedList, Default: 'a,b'}\n"
        "Mappings:\n  m: {k: {v: found, n: [1]}}\n"
        "Resources:\n  r: {Type: Any}\n  q: {Type: Any}\n"
        f"  t:\n    Type: Any\n    Properties:\n      value: {expression}\n"
    )


def value(expression, head=HEAT):
    loaded = load(template(expression, head))
    found = loaded.graph.resources["t"].properties.get("value")
    return resolve(found, loaded.scope(There()))


GIVES = [
    ("{Ref: text}", "hello"),
    ("{Ref: r}", "r-id"),
    ("{Ref: q}", Unknown(("q",))),
    ("{Ref: 'AWS::StackName'}", "s"),
    ("{Ref: 'AWS::StackId'}", "arn:openstack:heat::p:stacks/s/id"),
    ("{Ref: 'AWS::Region'}", "ap-southeast-1"),
    ("{'Fn::GetAtt': [r, out]}", "o"),
    ("{'Fn::GetAtt': [q, out]}", Unknown(("q",))),
    ("{'Fn::FindInMap': [m, k, v]}", "found"),
    ("{'Fn::Select': [1, {Ref: many}]}", "b"),
    ("{'Fn::Select': ['0', [x]]}", "x"),
    ("{'Fn::Select': [7, [x]]}", ""),
    ("{'Fn::Select': [a, {a: 1}]}", 1),
    ("{'Fn::Select': [b, {a: 1}]}", ""),
    ("{'Fn::Select': [0, '[\"j\"]']}", "j"),
    ("{'Fn::Select': [0, null]}", ""),
    ("{'Fn::Join': ['-', [a, null, {Ref: text}]]}", "a--hello"),
    ("{'Fn::Split': [',', 'a,b']}", ["a", "b"]),
    ("{'Fn::Replace': [{a: b}, banana]}", "bbnbnb"),
    ("{'Fn::Base64': {Ref: text}}", "hello"),
    (
        "{'Fn::MemberListToMap': [Name, Value, ['.member.0.Name=a', '.member.0.Value=b=c']]}",
        {"a": "b=c"},
    ),
    ("{'Fn::GetAZs': ''}", ["nova"]),
    ("{get_param: text}", {"get_param": "text"}),
    ("{Ref: text, other: 1}", {"Ref": "text", "other": 1}),
]


@pytest.mark.parametrize("head", [HEAT, AWS])
@pytest.mark.parametrize(("expression", "expected"), GIVES)
def test_a_cfn_function_gives(expression, expected, head):
    """As tabulated, in both formats."""
    assert value(expression, head) == expected


OLD = [
    ("2013-05-23", "{Ref: text}", "hello"),
    ("2013-05-23", "{Ref: r}", "r-id"),
    ("2013-05-23", "{'Fn::Join': ['', [a, b]]}", "ab"),
    ("2013-05-23", "{'Fn::Select': [0, [a]]}", "a"),
    ("2013-05-23", "{'Fn::GetAtt': [r, out]}", {"Fn::GetAtt": ["r", "out"]}),
    ("2015-04-30", "{'Fn::Select': [0, [a]]}", "a"),
    ("2014-10-16", "{'Fn::Join': ['', [a]]}", None),
    ("2014-10-16", "{Ref: text}", None),
    ("2015-10-15", "{'Fn::Select': [0, [a]]}", None),
]


@pytest.mark.parametrize(("version", "expression", "expected"), OLD)
def test_hot_lost_cfns_functions_version_by_version(version, expression, expected):
    """2013-05-23 has them; later ones refuse them by name. None stands for refused."""
    text = (
        f"heat_template_version: {version}\n"
        "parameters:\n  text: {type: string, default: hello}\n"
        f"resources:\n  r: {{type: Any}}\n  t: {{type: Any, properties: {{value: {expression}}}}}\n"
    )
    if expected is None:
        with pytest.raises(Invalid, match="is not supported in this version"):
            load(text)
        return
    loaded = load(text)
    found = loaded.graph.resources["t"].properties["value"]
    assert resolve(found, loaded.scope(There())) == expected


def test_the_parts_of_a_resource():
    """Other keys, the same meaning; keys nobody knows are passed over, as CFN does."""
    text = HEAT + (
        "Description: d\nResources:\n"
        "  a: {Type: Any, DeletionPolicy: Retain, Metadata: {m: 1}, Strange: 2}\n"
        "  b: {Type: Any, DependsOn: a, Properties: {value: {Ref: a}}, Description: text}\n"
        "Outputs:\n  o: {Value: {'Fn::GetAtt': [a, out]}, Description: od}\n"
    )
    graph = load(text).graph
    first, second = graph.resources["a"], graph.resources["b"]
    assert graph.description == "d"
    assert (first.deletion_policy, first.metadata) == (DeletionPolicy.RETAIN, {"m": 1})
    assert (second.depends_on, second.references) == (("a",), ("a",))
    assert second.description == "text"
    assert graph.outputs["o"].description == "od"


def test_parameters_and_their_bounds():
    """Each bound is a constraint with the one description; numbers may be written as texts."""
    text = HEAT + (
        "Parameters:\n"
        "  s: {Type: String, MinLength: '2', MaxLength: 4, AllowedPattern: '[a-z]*',"
        " NoEcho: 'true', ConstraintDescription: two to four letters}\n"
        "  n: {Type: Number, MinValue: 1, MaxValue: '5', Default: '3'}\n"
        "  l: {Type: CommaDelimitedList, Default: 'x,y'}\n"
        "  j: {Type: Json, Default: '{\"a\": 1}'}\n"
        "  b: {Type: Boolean, Default: 'on'}\n"
        "Resources: {}\n"
    )
    graph = load(text, {"s": "abc"}).graph
    assert graph.parameters["s"].hidden
    assert [each.type for each in graph.parameters.values()] == [
        ParameterType.STRING,
        ParameterType.NUMBER,
        ParameterType.LIST,
        ParameterType.JSON,
        ParameterType.BOOLEAN,
    ]
    values = graph.parameter_values
    assert [values[name] for name in "snljb"] == ["abc", 3, ["x", "y"], {"a": 1}, True]
    for bad in ("a", "abcde", "ABC"):
        with pytest.raises(Invalid, match="two to four letters"):
            load(text, {"s": bad})


CONDITIONAL = AWS + (
    "Parameters:\n  env: {Type: String, Default: test}\n"
    "Mappings:\n  m: {test: {big: 'no'}, prod: {big: 'yes'}}\n"
    "Conditions:\n"
    "  prod: {'Fn::Equals': [{Ref: env}, prod]}\n"
    "  big: {'Fn::Equals': [{'Fn::FindInMap': [m, {Ref: env}, big]}, 'yes']}\n"
    "  both: {'Fn::And': [{Condition: prod}, big]}\n"
    "  small: {'Fn::Not': [{'Fn::Or': [prod, big]}]}\n"
    "Resources:\n"
    "  always: {Type: Any, Properties: {value: {'Fn::If': [prod, large, little]}}}\n"
    "  sometimes: {Type: Any, Condition: both}\n"
    "Outputs:\n  o: {Value: 1, Condition: small}\n"
)


@pytest.mark.proves("format: CFN conditions")
@pytest.mark.parametrize(
    ("env", "names", "size", "output"),
    [("test", ["always"], "little", True), ("prod", ["always", "sometimes"], "large", False)],
)
def test_aws_conditions(env, names, size, output):
    """They leave out resources, choose values, and may use mappings and each other."""
    graph = load(CONDITIONAL, {"env": env}).graph
    assert list(graph.resources) == names
    assert graph.resources["always"].properties["value"] == size
    assert graph.outputs["o"].enabled is output


REFUSED = [
    ("HeatTemplateFormatVersion: '2011-01-01'\nResources: {}\n", "invalid", 1),
    (f"{HEAT}{AWS}Resources: {{}}\n", "Ambiguous versions", 1),
    (f"{HEAT}heat_template_version: 2013-05-23\n", "Ambiguous versions", 1),
    (f"{HEAT}Resource: {{}}\n", "section is invalid: Resource", 2),
    (f"{HEAT}Conditions: {{}}\n", "section is invalid: Conditions", 2),
    (f"{HEAT}Mappings: [a]\n", "map of maps of maps", 2),
    (f"{HEAT}Parameters:\n  p: {{Type: string}}\n", "Invalid type", 3),
    (f"{HEAT}Parameters:\n  p: {{Type: String, Max: 1}}\n", "Invalid key 'Max'", 3),
    (f"{HEAT}Parameters:\n  p: {{Type: Number, MinLength: 1}}\n", "length constraint invalid", 3),
    (f"{HEAT}Resources:\n  a: {{Properties: {{}}}}\n", "has no type", 3),
    (template("{Ref: nope}"), "The Parameter (nope) was not provided", 13),
    (template("{Ref: [a]}"), "needs a name", 13),
    (template("{'Fn::GetAtt': [nope, out]}"), 'reference "nope"', 13),
    (template("{'Fn::GetAtt': [r, nope]}"), "r nope", 13),
    (template("{'Fn::GetAtt': r.out}"), "needs [resource, attribute]", 13),
    (template("{'Fn::FindInMap': [m, k, x]}"), "no value 'x'", 13),
    (template("{'Fn::FindInMap': [m, k]}"), "needs [map, key, value]", 13),
    (template("{'Fn::Join': [',', [1]]}"), "must be strings", 13),
    (template("{'Fn::Join': [',']}"), "needs [delimiter, list]", 13),
    (template("{'Fn::Split': ['', a]}"), "both of them texts", 13),
    (template("{'Fn::Select': [x, [a]]}"), "is no number", 13),
    (template("{'Fn::Base64': [a]}"), "needs a text", 13),
    (template("{'Fn::MemberListToMap': [a, b, [c]]}"), "has not the form", 13),
    (template("{'Fn::ResourceFacade': Metadata}"), "needs one of", 13),
    (CONDITIONAL.replace("[prod, large", "[nope, large"), 'Invalid condition "nope"', 12),
    (CONDITIONAL.replace("{Ref: env}, prod]", "{Ref: always}, prod]"), "(always)", 7),
]


@pytest.mark.parametrize(("text", "message", "line"), REFUSED)
def test_what_is_wrong_is_told_with_line_and_the_authors_path(text, message, line):
    """The path has the keys as they were written, never HOT's."""
    with pytest.raises(Invalid) as caught:
        load(text)
    (problem, *_) = [each for each in caught.value.problems if message in each.message]
    assert problem.mark.line == line
    assert not problem.path or str(problem.path[0])[0].isupper()


def test_a_json_document_with_tabs_is_read():
    """JSON is tried before YAML, which would not have the tabs."""
    text = json.dumps(
        {"HeatTemplateFormatVersion": "2012-12-12", "Resources": {"a": {"Type": "Any"}}},
        indent="\t",
    )
    assert list(load(text).graph.resources) == ["a"]


@pytest.mark.proves("api: GET /template_versions")
def test_the_versions_and_functions_are_listed():
    """Eleven of HOT, two of CFN; each with its own functions."""
    kinds = [(version.partition(".")[0], kind) for version, kind, _ in known_versions()]
    assert kinds == [("heat_template_version", "hot")] * len(DATES) + [
        ("HeatTemplateFormatVersion", "cfn"),
        ("AWSTemplateFormatVersion", "cfn"),
    ]
    names = {name for name, _ in functions_of("2012-12-12")}
    assert names == {
        "Fn::FindInMap", "Fn::GetAZs", "Ref", "Fn::GetAtt", "Fn::Select", "Fn::Join", "Fn::Split",
        "Fn::Replace", "Fn::Base64", "Fn::MemberListToMap", "Fn::ResourceFacade",
    }  # fmt: skip
    assert {name for name, _ in functions_of("2010-09-09")} - names == {"Fn::If"}
    assert {name for name, _ in condition_functions_of("2010-09-09")} == {
        "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or", "Ref", "Fn::FindInMap",
    }  # fmt: skip
    old = {name for name, _ in functions_of("2013-05-23")}
    assert names - {"Fn::FindInMap", "Fn::GetAtt"} < old
    assert "Fn::Select" in {name for name, _ in functions_of("2014-10-16")}
    assert "Fn::Join" not in {name for name, _ in functions_of("2014-10-16")}


WORDS = st.sampled_from(
    ["Type", "Any", "Properties", "value", "Ref", "Fn::GetAtt", "Fn::Join", "Fn::If", "Fn::Select",
     "Fn::FindInMap", "Fn::Equals", "Fn::And", "Condition", "DependsOn", "Default", "String",
     "Json", "MinLength", "AllowedValues", "Value", "a", "b", "Fn::MemberListToMap", "Fn::Replace"]
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
DATA = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [{"HeatTemplateFormatVersion": "2012-12-12"}, {"AWSTemplateFormatVersion": "2010-09-09"}]
    ),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.dictionaries(WORDS, DATA, max_size=3) | DATA
            for name in ("Resources", "Parameters", "Outputs", "Conditions", "Mappings")
        },
    ),
)
def test_no_cfn_document_makes_the_loader_stumble(head, data):
    """It is a template or it is `Invalid`."""
    try:
        load({**head, **data})
    except Invalid:
        return
