"""A template as a typed graph: what the template layer hands to the planner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mantle.model.errors import Path
from mantle.model.schema import Constraint
from mantle.model.values import Value


class DeletionPolicy(StrEnum):
    """What happens to the cloud's object when its resource leaves the stack."""

    DELETE = "Delete"
    RETAIN = "Retain"
    SNAPSHOT = "Snapshot"


class ParameterType(StrEnum):
    """HOT's parameter types; the values are their exact spelling."""

    STRING = "string"
    NUMBER = "number"
    LIST = "comma_delimited_list"
    JSON = "json"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDefinition:
    """One declared parameter. `default` is coerced already; `has_default` tells None from none."""

    name: str
    type: ParameterType
    label: str = ""
    description: str = ""
    has_default: bool = False
    default: Any = None
    hidden: bool = False
    immutable: bool = False
    constraints: tuple[Constraint, ...] = ()
    tags: tuple[str, ...] = ()
    path: Path = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterGroup:
    """Parameters shown together; for people only."""

    label: str
    description: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDefinition:
    """One enabled resource of a template. Values may hold calls."""

    name: str
    type: str
    """As written in the template."""
    resolved_type: str
    """After the environment's resource registry: a plug-in's name or a template file's key."""
    properties: Mapping[str, Value] = field(default_factory=dict)
    metadata: Value = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    """Names it needs first, sorted: depends_on, and whatever its properties and metadata name."""
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    update_policy: Mapping[str, Value] = field(default_factory=dict)
    external_id: str | None = None
    description: str = ""
    path: Path = ()

    @property
    def is_template(self) -> bool:
        """True when the resource is a nested stack made from a template file."""
        return self.resolved_type.endswith((".yaml", ".yml", ".template"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDefinition:
    """One output. `enabled` is false when its condition is; its value is then null."""

    name: str
    value: Value
    description: str = ""
    enabled: bool = True
    path: Path = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateGraph:
    """A template, parsed and checked for one set of parameter values.

    `resources` holds the enabled resources only, in the order of the template; every name in a
    `references` is a key of it, and the graph has no cycle.
    """

    version: str
    description: str = "No description"
    parameters: Mapping[str, ParameterDefinition] = field(default_factory=dict)
    parameter_groups: tuple[ParameterGroup, ...] = ()
    parameter_values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Every parameter's value after coercion, pseudo parameters included."""
    conditions: Mapping[str, bool] = field(default_factory=dict)
    resources: Mapping[str, ResourceDefinition] = field(default_factory=dict)
    outputs: Mapping[str, OutputDefinition] = field(default_factory=dict)
    secret_values: tuple[str, ...] = field(default=(), repr=False)
    """Texts that must never be shown: the values of hidden parameters, and what the stack around
    it knows to be secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """What a user handed over: the template, its environment files and its included files.

    `template` is text, or data when it came as JSON. `files` maps keys (a path or URL, as the
    template writes them) to text. `parameters` and the parsed `environment` come last and win.
    """

    template: str | Mapping[str, Any] = field(repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: str | Mapping[str, Any] = field(default_factory=dict, repr=False)
    environment_files: tuple[str, ...] = ()
    """Keys of `files`, merged in order before `environment`."""
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    template_name: str = "template"
    """The file name shown in messages."""
    facade: Mapping[str, Any] | None = None
    """For a nested stack: the parent's metadata and policies of the resource it stands for."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """For a nested stack: texts in all this that the stack around it knows to be secret."""
