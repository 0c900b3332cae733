"""A template file that stands for a resource type: what it must take, and what it must tell."""

import pytest

from mantle.model.errors import Invalid
from mantle.model.graph import TemplateSource
from mantle.model.schema import Attribute, Kind, Property, ResourceSchema, TypeFacts
from mantle.template.validate import load_template

HEAD = "heat_template_version: 2018-08-31\n"
TYPES = {
    "X::Y": TypeFacts(
        schema=ResourceSchema(
            type="X::Y",
            properties={
                "size": Property(kind=Kind.INTEGER, required=True),
                "note": Property(kind=Kind.STRING),
                "tags": Property(kind=Kind.LIST),
                "more": Property(kind=Kind.MAP),
                "open": Property(kind=Kind.BOOLEAN),
                "any": Property(kind=Kind.ANY),
            },
            attributes={"address": Attribute(), "show": Attribute()},
        )
    )
}
WHOLE = f"""{HEAD}parameters:
  size: {{type: number}}
  note: {{type: string, default: ''}}
  tags: {{type: comma_delimited_list, default: ''}}
  more: {{type: json, default: {{}}}}
  open: {{type: boolean, default: false}}
  any: {{type: json, default: {{}}}}
outputs:
  address: {{value: here}}
  extra: {{value: allowed}}
"""
USER = f"""{HEAD}resources:
  one: {{type: TYPE, properties: {{size: 1}}}}
  two: {{type: TYPE, properties: {{size: 2}}}}
"""


def problems(provider, *, type_name="X::Y", defaults=None):
    source = TemplateSource(
        template=USER.replace("TYPE", type_name),
        files={"y.yaml": provider},
        environment={
            "resource_registry": {type_name: "y.yaml"},
            "parameter_defaults": defaults or {},
        },
    )
    try:
        load_template(source, types=TYPES, stack_name="s", stack_id="i", project_id="p")
    except Invalid as error:
        return [(each.message, each.remedy, each.where, each.mark.line) for each in error.problems]
    return []


@pytest.mark.proves("environment: facade")
def test_a_file_that_has_it_all_may_stand_for_the_type():
    """Optional properties may be missing, and more outputs there."""
    shorter = WHOLE.replace("  note: {type: string, default: ''}\n", "")
    assert (problems(WHOLE), problems(shorter)) == ([], [])


CASES = [
    (
        ("  size: {type: number}\n", ""),
        "Required property size for facade X::Y missing in provider y.yaml.",
        "Declare the parameter `size: {type: number}` there.",
    ),
    (
        ("size: {type: number}", "size: {type: string}"),
        "Property size type mismatch between facade X::Y (integer) and provider y.yaml (string).",
        "Declare the parameter there as `type: number`.",
    ),
    (
        ("tags: {type: comma_delimited_list, default: ''}", "tags: {type: json, default: []}"),
        "Property tags type mismatch between facade X::Y (list) and provider y.yaml (map).",
        "Declare the parameter there as `type: comma_delimited_list`.",
    ),
    (
        ("  size:", "  needed: {type: string}\n  size:"),
        "Provider y.yaml requires property needed unknown in facade X::Y.",
        "Give the parameter a default there, or a value in parameter_defaults.",
    ),
    (
        ("  address: {value: here}\n", ""),
        "Attribute address for facade X::Y missing in provider y.yaml.",
        "Add an output `address` there.",
    ),
]


@pytest.mark.proves("environment: facade")
@pytest.mark.parametrize(("change", "message", "remedy"), CASES)
def test_each_difference_is_told_where_the_type_is_used(change, message, remedy):
    """Once for a file and type, at the first resource, with what to change in the file."""
    found = problems(WHOLE.replace(*change))
    assert [each for each in found if "facade" in each[0]] == [
        (message, remedy, "resources.one.type", 3)
    ]


def test_a_default_from_outside_asks_nothing_of_users():
    """A required parameter with a value in parameter_defaults is required no more."""
    provider = WHOLE.replace("  size:", "  needed: {type: string}\n  size:")
    assert problems(provider, defaults={"needed": "x"}) == []


def test_a_type_of_ones_own_is_bound_by_nothing():
    """There is no plug-in of that name to look like."""
    provider = f"{HEAD}parameters: {{size: {{type: number}}, x: {{type: string, default: ''}}}}\n"
    assert problems(provider, type_name="My::Own") == []
