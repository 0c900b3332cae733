"""A template that was checked: what planner and engine work from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.model.errors import Problem
from mantle.model.graph import ParameterType, ResourceDefinition, TemplateGraph, TemplateSource
from mantle.model.schema import Attribute, Kind, OnChange, Property, ResourceSchema, TypeFacts
from mantle.model.values import Unknown, Value
from mantle.template.environment import Environment
from mantle.template.functions.base import Lookup, Scope

_KINDS = {
    ParameterType.STRING: Kind.STRING,
    ParameterType.NUMBER: Kind.NUMBER,
    ParameterType.LIST: Kind.LIST,
    ParameterType.JSON: Kind.ANY,
    ParameterType.BOOLEAN: Kind.BOOLEAN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A template that has no problems, with what it was checked against."""

    graph: TemplateGraph
    environment: Environment
    source: TemplateSource
    facts: Mapping[str, TypeFacts]
    """For every resolved type used."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Template file to the hash of what makes a nested stack of it.

    "" has those of the environment and of all files, with a dot between.
    """
    warnings: tuple[Problem, ...] = ()
    nested: Mapping[str, "Loaded"] = field(default_factory=dict)
    """Template file to what it says by itself."""
    settled: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """The properties of resources that refer to nothing: known whole when they were checked."""
    inside: Mapping[str, tuple["Loaded", int]] = field(default_factory=dict)
    """By resource, what a group is going to hold, and how often."""

    @property
    def facade(self) -> Mapping[str, Any] | None:
        """What the parent says of the resource this template stands for."""
        return self.source.facade

    def child_environment(self, definition: ResourceDefinition) -> Environment:
        """What a nested stack inherits: types and defaults, not the parameters."""
        inside = self.environment.inside(definition.name, definition.type)
        return replace(inside, parameters={})

    def child_source(
        self,
        definition: ResourceDefinition,
        properties: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
    ) -> TemplateSource:
        """What a nested stack is made from."""
        return TemplateSource(
            template=self.source.files[definition.resolved_type],
            files=self.source.files,
            parameters={name: value for name, value in properties.items() if value is not None},
            template_name=definition.resolved_type,
            facade={
                "metadata": dict(metadata or {}),
                "deletion_policy": definition.deletion_policy.value,
                "update_policy": dict(definition.update_policy)
                if isinstance(definition.update_policy, dict)
                else {},
            },
            secrets=self.graph.secret_values,
        )

    def scope(self, lookup: Lookup | None) -> Scope:
        """What its values are resolved against."""
        return Scope(
            version=self.graph.version,
            parameters=self.graph.parameter_values,
            files=self.source.files,
            lookup=lookup,
            conditions=self.graph.conditions,
            facade=self.facade,
        )


class NothingYet:
    """Answers as if no resource existed."""

    def reference(self, name: str) -> Value:
        """Unknown."""
        return Unknown((name,))

    def attributes(self, name: str) -> Mapping[str, Value] | Unknown:
        """Unknown."""
        return Unknown((name,))

    def failure(self, name: str, attribute: str) -> str | None:
        """Nothing has failed yet."""
        del name, attribute
        return None


def facts_of_template(key: str, child: Loaded, environment: Environment) -> TypeFacts:
    """A template file as a resource type: parameters are properties, outputs attributes."""
    properties = {
        name: Property(
            kind=_KINDS[parameter.type],
            description=parameter.description,
            required=not parameter.has_default and name not in environment.parameter_defaults,
            on_change=OnChange.UPDATE,
            constraints=parameter.constraints,
            secret=parameter.hidden,
            splits=parameter.type is ParameterType.LIST,
        )
        for name, parameter in child.graph.parameters.items()
    }
    attributes = {
        name: Attribute(kind=Kind.ANY, description=output.description)
        for name, output in child.graph.outputs.items()
    }
    return TypeFacts(
        schema=ResourceSchema(
            type=key,
            description=child.graph.description,
            properties=properties,
            attributes=attributes,
        )
    )
