"""`--fix`: what it repairs, and what it leaves alone."""

import pytest

from mantle.template.lint.fix import fixed

HEAD = 'heat_template_version: "2021-04-16"\n'
CFN = """HeatTemplateFormatVersion: '2012-12-12'
Resources:
  p:
    Type: OS::Neutron::Port
    Properties:
      network_id: a
"""
"""Its repairs are `convert`'s: what is found there is told, and not touched."""
BEFORE = f"""{HEAD}
conditions:
  used: true
  unused: false

resources:
  net: {{type: OS::Neutron::Net}}
  sub:
    type: OS::Neutron::Subnet   # the only one
    depends_on: net
    properties:
      network_id: {{get_resource: net}}

  port:
    type: OS::Neutron::Port
    condition: used
    depends_on:
      - net
      - sub
    properties: {{network: {{get_resource: net}}}}
"""
AFTER = f"""{HEAD}
conditions:
  used: true

resources:
  net: {{type: OS::Neutron::Net}}
  sub:
    type: OS::Neutron::Subnet   # the only one
    properties:
      network: {{get_resource: net}}

  port:
    type: OS::Neutron::Port
    condition: used
    depends_on:
      - sub
    properties: {{network: {{get_resource: net}}}}
"""


def test_lines_are_cut_and_names_renewed_and_the_rest_stays():
    assert fixed(BEFORE) == AFTER


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}conditions: {{unused: true, other: false}}\n",
        f"{HEAD}conditions:\n  unused: true # said on purpose\n",
        HEAD
        + "resources: {p: {type: 'OS::Neutron::Port', properties: {network_id: a, network: a}}}",
        "{",
        CFN,
    ],
)
def test_what_is_no_whole_line_is_left_to_the_author(text):
    assert fixed(text) == text
