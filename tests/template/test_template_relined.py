"""Entries of a template change; every other line stays as its author typed it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mantle.template.load import parse
from mantle.template.rewrite.relined import relined, written

TEXT = """\
# Ours.
heat_template_version: "2018-08-31"   # the newest but one

description: >
  Two things

resources:

  # The first: it is read below.
  a:
    type: OS::Heat::Value   # plain
    properties: {value: 1}

  # The second
  b:
    type: OS::Heat::Value
    properties:
      value: {get_attr: [a, value]}   # of the first
  # At the end of resources.

outputs:
  o: {value: 1}   # one
"""


def changed(**sections):
    data = parse(TEXT).data
    for name, change in sections.items():
        data[name] = {**data.get(name, {}), **change}
        data[name] = {key: value for key, value in data[name].items() if value is not None}
    return data


def test_what_is_taken_out_goes_with_the_comment_above_it():
    """Its neighbours do not move."""
    assert relined(TEXT, changed(resources={"a": None})) == TEXT.replace(
        """\
  # The first: it is read below.
  a:
    type: OS::Heat::Value   # plain
    properties: {value: 1}
""",
        "",
    )


def test_what_changes_is_written_anew_in_its_place():
    """What is new comes behind the last entry; a new section stands where it belongs."""
    b = {"type": "OS::Heat::Value", "properties": {"value": {"get_param": "p"}}}
    wanted = changed(resources={"b": b, "c": {"type": "X"}})
    wanted = {**wanted, "parameters": {"p": {"type": "string"}}}
    assert relined(TEXT, wanted) == TEXT.replace(
        "      value: {get_attr: [a, value]}   # of the first\n",
        "      value:\n        get_param: p\n  c:\n    type: X\n",
    ).replace("resources:\n", "parameters:\n  p:\n    type: string\n\nresources:\n", 1)


def test_the_last_entry_leaves_an_empty_section():
    """As a map that is empty."""
    text = relined(TEXT, {**changed(), "resources": {}})
    assert "resources: {}\n" in text
    assert "# one" in text


@pytest.mark.parametrize(
    "text",
    [
        "{heat_template_version: 2018-08-31, resources: {a: {type: X}}}",
        "heat_template_version: 2018-08-31\nresources:\n  a: &x {type: X}\n  b: *x\n",
        "heat_template_version: 2018-08-31\nresources:\n  ? a\n  : {type: X}\n",
    ],
)
def test_what_has_no_lines_of_its_own_is_left_to_data(text):
    """There is no text then, rather than a wrong one."""
    data = parse(text).data
    assert relined(text, {**data, "resources": {"a": {"type": "Y"}}}) is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=4)
sections = st.dictionaries(names, st.dictionaries(names, values, max_size=3), max_size=3)


@example(before=({"0": {"\x85": None}}, {"0": {"\x85": None, "0": None}}), after=({}, {}))
@given(before=st.tuples(sections, sections), after=st.tuples(sections, sections))
@settings(max_examples=60, deadline=None)
def test_it_means_what_is_wanted_or_there_is_no_text(before, after):
    """Whatever stands in the entries."""
    old = {"parameters": before[0], "resources": before[1]}
    new = {"parameters": after[0], "resources": after[1]}
    text = "# first\n" + written(old)
    result = relined(text, new)
    assert result is None or parse(result).data == new
