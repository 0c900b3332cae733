"""A sample of `make fuzz`: nothing but our own errors comes out of hostile text."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fuzz.__main__ import inputs
from fuzz.targets import try_all

pytestmark = pytest.mark.proves("beyond: hostile input")
HEAD = 'heat_template_version: "2021-04-16"\n'


@settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0))
def test_templates_that_look_right(seed):
    assert try_all(*inputs(seed)) == {}


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200), st.text(max_size=60))
def test_any_text(text, more):
    assert try_all(HEAD + text, more, text) == {}


CFN = "HeatTemplateFormatVersion: '2012-12-12'\n"
FOUND = {
    "CFN functions of what is no name": CFN
    + "Resources: {r: {Type: Any, Properties: {value: [{'Fn::ResourceFacade': {}}, {Ref: []}, "
    "{'Fn::Select': [0, {Ref: {}}]}, {'Fn::Select': [1, {a: 1, b: 2}]}]}}}\n",
    "an `if` without arguments": HEAD + "conditions: {c: true}\noutputs: {o: {value: {if: []}}}\n",
    "a file named by a list": HEAD
    + "parameters: {l: {type: comma_delimited_list, default: 'a,b'}}\n"
    "resources: {r: {type: Any, properties: {value: {get_file: {get_param: l}}}}}\n",
    "properties that a function gives as a list": HEAD
    + "parameters: {l: {type: comma_delimited_list, default: 'a,b'}}\n"
    "resources: {r: {type: Any, properties: {get_param: l}}}\n",
    "a path into a parameter whose type is a list": HEAD
    + "parameters: {p: {type: [a]}}\noutputs: {o: {value: {get_param: [p, x]}}}\n",
}
"""What fuzzing has found: each stays found."""


def test_a_cfn_template_inside_a_cfn_template():
    """The nested one looked for HOT's pseudo parameters where the outer one had put CFN's."""
    assert try_all(CFN + "Resources: {r: {Type: child.yaml}}\n", "{}", CFN) == {}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_once(what):
    assert try_all(FOUND[what]) == {}
