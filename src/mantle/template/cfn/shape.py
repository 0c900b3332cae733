"""A CFN document in the shape of a HOT one: other keys, the same parts.

What stands inside properties, metadata, policies and conditions is left as it is: CFN's functions
are recognised there by name. Places keep pointing at what the author wrote, and so do paths.

Sources: Heat's `HeatTemplateFormatVersion` 2012-12-12 and `AWSTemplateFormatVersion` 2010-09-09.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.model.errors import Findings, Mark, Path, Problem
from mantle.template.load import Document

HEAT = "2012-12-12"
AWS = "2010-09-09"
VERSIONS = {"HeatTemplateFormatVersion": HEAT, "AWSTemplateFormatVersion": AWS}
"""The key that names the format, and the one version of each."""

SECTIONS = {
    "Description": "description",
    "Parameters": "parameters",
    "ParameterGroups": "parameter_groups",
    "Mappings": "mappings",
    "Conditions": "conditions",
    "Resources": "resources",
    "Outputs": "outputs",
}
RESOURCE = {
    "Type": "type",
    "Properties": "properties",
    "Metadata": "metadata",
    "DependsOn": "depends_on",
    "DeletionPolicy": "deletion_policy",
    "UpdatePolicy": "update_policy",
    "Description": "description",
    "Condition": "condition",
}
OUTPUT = {"Value": "value", "Description": "description", "Condition": "condition"}
PARAMETER = {
    "Type": "type",
    "Default": "default",
    "Description": "description",
    "Label": "label",
    "NoEcho": "hidden",
}
CONSTRAINTS = {
    "MinLength": ("length", "min"),
    "MaxLength": ("length", "max"),
    "MinValue": ("range", "min"),
    "MaxValue": ("range", "max"),
    "AllowedValues": ("allowed_values", None),
    "AllowedPattern": ("allowed_pattern", None),
}
TYPES = {
    "String": "string",
    "Number": "number",
    "CommaDelimitedList": "comma_delimited_list",
    "Json": "json",
    "Boolean": "boolean",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaped(Document):
    """A document whose parts have moved; it knows where each was."""

    written: Document
    moved: Mapping[Path, Path] = field(default_factory=dict)
    """Path here to path as written, for parts whose own name differs."""

    def original(self, path: Path) -> Path:
        """The path as the author would write it."""
        for length in range(len(path), 0, -1):
            found = self.moved.get(path[:length])
            if found is not None:
                return (*found, *path[length:])
        return path

    def mark(self, path: Path) -> Mark | None:
        """Where it stands in the text."""
        return self.written.mark(self.original(path))

    def as_written(self, problem: Problem) -> Problem:
        """A problem of this document, with the path as written."""
        if problem.mark is not None and problem.mark.file != self.file:
            return problem
        return replace(problem, path=self.original(problem.path))


def arn(project_id: str, stack_name: str, stack_id: str) -> str:
    """How CFN names a stack."""
    return f"arn:openstack:heat::{project_id}:stacks/{stack_name}/{stack_id}"


def is_cfn(data: Mapping[str, Any]) -> bool:
    """Whether the document says that it is one of the two formats."""
    return any(key in data for key in VERSIONS)


def version_of(data: Mapping[str, Any], document: Document, findings: Findings) -> str:
    """2012-12-12 or 2010-09-09; another value of either key is a problem."""
    key = next(key for key in VERSIONS if key in data)
    given, known = str(data[key]), VERSIONS[key]
    if given != known:
        findings.add(
            "template-version",
            f'The template version is invalid: "{key}: {given}".',
            (key,),
            mark=document.mark((key,)),
            remedy=f"It should be {known}.",
            fault="InvalidTemplateVersion",
        )
    if len([each for each in (*VERSIONS, "heat_template_version") if each in data]) > 1:
        findings.add(
            "template-version",
            "Ambiguous versions: a template has one of "
            + ", ".join([*VERSIONS, "heat_template_version"])
            + ".",
            (key,),
            mark=document.mark((key,)),
            remedy="Keep one.",
            fault="InvalidTemplateVersion",
        )
    return known


def hot_shaped(document: Document, version: str, findings: Findings) -> Shaped:
    """The document with HOT's keys. Keys that CFN does not know in a resource are left out."""
    moves: dict[Path, Path] = {}
    data: dict[str, Any] = {}
    for key, body in document.data.items():
        if key in VERSIONS:
            continue
        name = SECTIONS.get(key)
        if name is None or (name == "conditions" and version != AWS):
            findings.add(
                "unknown-section",
                f"The template section is invalid: {key}",
                (key,),
                mark=document.mark((key,)),
                remedy=f"Known: {', '.join(sorted(SECTIONS))}.",
                fault="InvalidTemplateSection",
            )
            continue
        moves[(name,)] = (key,)
        data[name] = body
    reader = _Reader(document, findings, moves, conditional=version == AWS)
    data["parameters"] = reader.each(data.get("parameters"), "parameters", reader.parameter)
    data["resources"] = reader.each(data.get("resources"), "resources", reader.resource)
    data["outputs"] = reader.each(data.get("outputs"), "outputs", reader.output)
    if isinstance(data.get("parameter_groups"), list):
        data["parameter_groups"] = [reader.group(each) for each in data["parameter_groups"]]
    return Shaped(data=data, file=document.file, written=document, moved=moves)


class _Reader:
    def __init__(
        self,
        document: Document,
        findings: Findings,
        moves: dict[Path, Path],
        *,
        conditional: bool,
    ) -> None:
        self.document = document
        self.findings = findings
        self.moves = moves
        self.conditional = conditional

    def each(self, body: Any, section: str, one: Any) -> Any:
        """A section's entries in HOT's shape; anything but a map is left for HOT's own check."""
        if not isinstance(body, dict):
            return body
        written = self.moves.get((section,), (section,))
        return {
            name: one(entry, (section, name), (*written, name))
            if isinstance(entry, dict)
            else entry
            for name, entry in body.items()
        }

    def _renamed(
        self, entry: Mapping[str, Any], names: Mapping[str, str], path: Path, written: Path
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in entry.items():
            name = names.get(key)
            if name is None or (name == "condition" and not self.conditional):
                continue
            self.moves[(*path, name)] = (*written, key)
            found[name] = value
        return found

    def resource(self, entry: Mapping[str, Any], path: Path, written: Path) -> dict[str, Any]:
        """One resource."""
        return self._renamed(entry, RESOURCE, path, written)

    def output(self, entry: Mapping[str, Any], path: Path, written: Path) -> dict[str, Any]:
        """One output."""
        return self._renamed(entry, OUTPUT, path, written)

    def group(self, entry: Any) -> Any:
        """One parameter group."""
        if not isinstance(entry, dict):
            return entry
        return {str(key).lower(): value for key, value in entry.items()}

    def parameter(self, entry: Mapping[str, Any], path: Path, written: Path) -> dict[str, Any]:
        """One parameter; each bound becomes a constraint."""
        found = self._renamed(entry, PARAMETER, path, written)
        known = {*PARAMETER, *CONSTRAINTS, "ConstraintDescription"}
        for key in entry:
            if key not in known:
                self.findings.add(
                    "unknown-key",
                    f"Invalid key {key!r} for parameter {path[-1]!r}.",
                    (*written, key),
                    mark=self.document.mark((*written, key)),
                    remedy=f"Known: {', '.join(sorted(known))}.",
                )
        kind = found.get("type")
        if kind is not None:
            # A name HOT does not know is refused with the name that was written.
            found["type"] = TYPES.get(str(kind), str(kind))
            if str(kind) in TYPES.values():
                found["type"] = f"{kind} (CFN: {next(k for k, v in TYPES.items() if v == kind)})"
        constraints = self._constraints(entry, path, written)
        if constraints:
            found["constraints"] = constraints
        return found

    def _constraints(
        self, entry: Mapping[str, Any], path: Path, written: Path
    ) -> list[dict[str, Any]]:
        made: dict[str, Any] = {}
        for key, (name, bound) in CONSTRAINTS.items():
            if key not in entry:
                continue
            if bound is None:
                made[name] = entry[key]
            else:
                made.setdefault(name, {})[bound] = _number(entry[key])
            place = (*path, "constraints", list(made).index(name))
            self.moves.setdefault(place, (*written, key))
        about = entry.get("ConstraintDescription")
        extra = {} if about is None else {"description": about}
        return [{name: body, **extra} for name, body in made.items()]


def _number(value: Any) -> Any:
    """CFN writes bounds as texts, too."""
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value
