"""A template of either CFN format as HOT.

Mappings become json parameters whose default is the map, read with a path. Types stay what they
are: HOT knows the AWS types as well, and properties of a successor mean something else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mantle.model.errors import Findings, Invalid, Mark, Path, Problem
from mantle.template.cfn.shape import AWS, Shaped, hot_shaped, is_cfn, version_of
from mantle.template.load import parse
from mantle.template.rewrite.functions import Values
from mantle.template.rewrite.order import ENTRIES

VERSION = "2021-04-16"


@dataclass(frozen=True, slots=True)
class Converted:
    """HOT, and what could not be carried over."""

    text: str
    problems: Sequence[Problem]


def converted(text: str, file: str = "template") -> Converted:
    """CFN to HOT. Raises `Invalid` when the text is no CFN template."""
    document = parse(text, file=file)
    if not isinstance(document.data, dict) or not is_cfn(document.data):
        raise Invalid(
            [
                Problem(
                    code="template-version",
                    message="This is no CFN template.",
                    mark=Mark(file, 1, 1),
                    remedy="It begins with HeatTemplateFormatVersion or AWSTemplateFormatVersion.",
                )
            ]
        )
    findings = Findings()
    version = version_of(document.data, document, findings)
    findings.raise_if_any()
    shaped = hot_shaped(document, version, findings)
    findings.raise_if_any()
    return _Converter(shaped, version).convert()


class _Converter:
    def __init__(self, shaped: Shaped, version: str) -> None:
        self.shaped = shaped
        self.data: Mapping[str, Any] = shaped.data
        self.conditional = version == AWS
        self.values = Values(shaped, self._map("resources"), self._map("mappings"))

    def convert(self) -> Converted:
        made: dict[str, Any] = {"heat_template_version": VERSION}
        if self.data.get("description") is not None:
            made["description"] = self.data["description"]
        if self.data.get("parameter_groups") is not None:
            made["parameter_groups"] = self.data["parameter_groups"]
        made["parameters"] = {**self._map("parameters")}
        if self.conditional:
            made["conditions"] = {
                name: self._condition(body, ("conditions", name))
                for name, body in self._map("conditions").items()
            }
        for section, keys in (
            ("resources", {"properties", "metadata", "update_policy", "deletion_policy"}),
            ("outputs", {"value"}),
        ):
            made[section] = {
                name: self._entry(body, (section, name), keys)
                for name, body in self._map(section).items()
            }
        made["parameters"].update(self._mappings(made["parameters"]))
        found = {key: body for key, body in made.items() if body not in ({}, None)}
        problems = [self.shaped.as_written(each) for each in self.values.findings.problems]
        return Converted(_written(found), problems)

    def _map(self, name: str) -> Mapping[str, Any]:
        body = self.data.get(name)
        return body if isinstance(body, dict) else {}

    def _entry(self, body: Any, path: Path, keys: set[str]) -> Any:
        if not isinstance(body, dict):
            return body
        found = {
            key: self.values.value(part, (*path, key)) if key in keys else part
            for key, part in body.items()
        }
        order = ENTRIES[str(path[0])]
        return {key: found[key] for key in order if key in found}

    def _condition(self, body: Any, path: Path) -> Any:
        result = self.values.value(body, path)
        # HOT refuses a condition that is only the name of another.
        return {"and": [result, True]} if isinstance(result, str) else result

    def _mappings(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        made = {}
        for name, body in self._map("mappings").items():
            if name not in self.values.used_mappings:
                continue
            if name in parameters or name in self._map("resources"):
                self.values.told(
                    f"Mapping {name!r} has the name of a parameter or resource.",
                    ("mappings", name),
                    "Rename it.",
                )
                continue
            made[name] = {"type": "json", "description": f"Mapping {name}", "default": body}
        return made


class _Plain(yaml.SafeDumper):
    """No anchors; lists stand further in than their key."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


class _Literal(_Plain):
    """Texts of many lines as literals."""


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = "|" if "\n" in data.rstrip("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Literal.add_representer(str, _text)


def _written(data: Mapping[str, Any]) -> str:
    text = _dumped(data, _Literal)
    try:
        if parse(text).data == data:
            return text
    except Invalid:
        pass
    # PyYAML writes some literals (a first line of blanks) that YAML cannot read.
    return _dumped(data, _Plain)


def _dumped(data: Mapping[str, Any], dumper: type[_Plain]) -> str:
    parts = []
    for key, body in data.items():
        if key == "heat_template_version":
            parts.append(f'heat_template_version: "{body}"\n')
            continue
        parts.append(
            yaml.dump({key: body}, Dumper=dumper, sort_keys=False, allow_unicode=True, width=100)
        )
    return "\n".join(parts)
