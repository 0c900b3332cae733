"""`fmt`: the canonical layout, which changes no meaning, loses no comment and settles at once."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mantle.model.errors import Invalid
from mantle.template.load import parse
from mantle.template.rewrite.layout import formatted

BEFORE = """# A file of ours.

# What comes out
outputs:
    o:
        value:   {get_attr: [a, x]}   # short
        description: said
resources:
    # the first
    a:
        properties:
            user_data: |
                #!/bin/sh
                  indented

                # no comment
            items:
            - one
            -   two: 2
                three:
                  - x
        # of the type
        type: A
            # deep
    # after the last


heat_template_version:   2016-10-14
description: >
   Two
   lines
"""
AFTER = """# A file of ours.

heat_template_version: "2016-10-14"
description: >
  Two
  lines

resources:
  # the first
  a:
    # of the type
    type: A
    # deep
    properties:
      user_data: |
        #!/bin/sh
          indented

        # no comment
      items:
        - one
        - two: 2
          three:
            - x
  # after the last

# What comes out
outputs:
  o:
    description: said
    value: {get_attr: [a, x]}   # short
"""


@pytest.mark.proves("beyond: template fmt")
def test_the_layout():
    assert formatted(BEFORE).text == AFTER


def test_what_is_laid_out_stays():
    assert formatted(AFTER).text == AFTER


@pytest.mark.parametrize("text", ['{"heat_template_version": "2021-04-16"}', "- 1\n", ""])
def test_what_cannot_be_laid_out_is_left_and_said(text):
    result = formatted(text)
    assert (result.text, bool(result.left)) == (text, True)


def test_anchors_keep_their_order():
    text = 'outputs: &a\n    x: 1\nparameters: *a\nheat_template_version: "2021-04-16"\n'
    assert formatted(text).text == (
        'outputs: &a\n  x: 1\n\nparameters: *a\n\nheat_template_version: "2021-04-16"\n'
    )


def test_broken_text_is_refused():
    with pytest.raises(Invalid):
        formatted("a: [")


TEXT = st.text(st.sampled_from("ab #:-'\"\n|>&*%{}[]é"), max_size=12)
DATA = st.recursive(
    TEXT | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
TEMPLATES = st.fixed_dictionaries(
    {"resources": st.dictionaries(TEXT, st.dictionaries(TEXT, DATA, max_size=3), max_size=3)},
    optional={"outputs": DATA, "heat_template_version": st.just("2016-10-14"), "z": DATA},
)


class Literal(yaml.SafeDumper):
    """Writes literals, which move by rules of their own."""


Literal.add_representer(
    str,
    lambda dumper, data: dumper.represent_scalar(
        "tag:yaml.org,2002:str", data, style="|" if "\n" in data else None
    ),
)


@settings(deadline=None, max_examples=150)
@given(TEMPLATES, st.integers(2, 7), st.booleans())
def test_meaning_and_comments_stay_and_twice_is_once(data, indent, literal):
    dumper = Literal if literal else yaml.SafeDumper
    text = yaml.dump(data, Dumper=dumper, indent=indent, default_flow_style=False)
    text = text.replace("\nresources:", "\n# a comment\nresources:")
    try:
        wanted = parse(text).data
    except Invalid:
        return
    result = formatted(text).text
    again = formatted(result).text
    assert (parse(result).data, again, result.count("# a comment")) == (
        wanted,
        result,
        text.count("# a comment"),
    )
