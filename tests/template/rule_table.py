"""The rule table: every rule of the language, with what breaks it and what stands beside it.

The rules are in `rules/*.yaml`, a file for each section of the description of the language that
they were taken from. A rule names what it proves; a row of `refused` the problem it has to raise
(its code, the beginning of its message and its line), one of `accepted` what it gives, if that
matters. How rows are written, shortest first:

- `value`: an expression, as a property of the last resource of `VALUE` (`property`: of another one)
- `parameter`: the declaration of parameter `p`, with the values `given`
- `cfn`, `aws`: an expression in either of the two CFN formats
- `hot`: what stands below `heat_template_version`
- `template`: a whole template
- `environment text`, `environment files`: an environment for a parameter `p` of a `type`
- `made`: what is too large to be written down
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "rules"
NEWEST = "2021-04-16"
TEST = "template/test_template_rules.py"

VALUE = """\
heat_template_version: {version}
parameters:
  text: {{type: string, default: hello}}
  many: {{type: comma_delimited_list, default: 'a,b'}}
  map: {{type: json, default: {{k: [x, y]}}}}
  num: {{type: number, default: 3}}
resources:
  r: {{type: Any}}
  q: {{type: Any}}
  t: {{type: Any, properties: {{{property}: {value}}}}}
"""
PARAMETER = """\
heat_template_version: {version}
parameters:
  p: {parameter}
resources: {{}}
"""
CFN = """\
{head}
Parameters:
  p: {{Type: String, Default: k}}
  l: {{Type: CommaDelimitedList, Default: 'a,b'}}
Mappings: {{m: {{k: {{v: found}}}}}}
Resources:
  r: {{Type: Any}}
  t: {{Type: Any, Properties: {{value: {value}}}}}
"""
HEADS = {
    "cfn": "HeatTemplateFormatVersion: '2012-12-12'",
    "aws": "AWSTemplateFormatVersion: '2010-09-09'\n"
    "Conditions:\n  c: {'Fn::Equals': [{Ref: p}, k]}",
}
MADE = {
    "size": "x" * 5_000_000,
    "depth": f"heat_template_version: {NEWEST}\nresources: " + "[" * 100 + "]" * 100,
    "bomb": "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)),
    "deep": f"heat_template_version: {NEWEST}\nresources:\n  a: {{type: l1.yaml}}\n",
}
DEEP = {
    f"l{level}.yaml": f"heat_template_version: {NEWEST}\nresources:\n"
    f"  n: {{type: {f'l{level + 1}.yaml' if level < 6 else 'Any'}}}\n"
    for level in range(1, 7)
}


@cache
def rules() -> list[dict[str, Any]]:
    """All of them, in the order of the sections."""
    return [
        rule for path in sorted(FOLDER.glob("*.yaml")) for rule in yaml.safe_load(path.read_text())
    ]


def rows() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Each row with its name, and whether it is refused."""
    for rule in rules():
        for kind in ("refused", "accepted"):
            for number, row in enumerate(rule.get(kind, ()), 1):
                yield f"{name_of(rule)}-{kind}-{number}", row, kind == "refused"


def name_of(rule: dict[str, Any]) -> str:
    """`3-length-is-for-string-list-and-json`, in letters that every terminal prints."""
    words = "".join(sign if sign.isalnum() else " " for sign in rule["rule"].lower()).split()
    return f"{rule['section']}-{'-'.join(words[:9])}"


def text_of(row: dict[str, Any]) -> str:
    """The row's template."""
    version = row.get("version", NEWEST)
    for kind, head in HEADS.items():
        if kind in row:
            return CFN.format(head=head, value=row[kind])
    if "value" in row:
        name = row.get("property", "value")
        return VALUE.format(version=version, property=name, value=row["value"])
    if "parameter" in row:
        return PARAMETER.format(version=version, parameter=row["parameter"])
    if "hot" in row:
        return f"heat_template_version: {version}\n{row['hot']}"
    if "made" in row:
        return MADE[row["made"]]
    if "template" in row:
        return str(row["template"])
    kind = row.get("type", "json")
    return f"heat_template_version: {NEWEST}\nparameters: {{p: {{type: {kind}}}}}\n"
