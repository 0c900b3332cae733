"""Whether a stack may hold a secret: then everything of its tree is sealed where it is stored.

Secrets flow: a hidden parameter into the boot script of a server, a generated password through an
output into the stack around it, half of it, or its hash, into a name. Nobody follows that value by
value without losing one. So the question is asked once for each template, before anything is made:
is there a place in it that a secret can come from?
"""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from mantle.model.graph import ResourceDefinition
from mantle.model.schema import Property, ResourceSchema
from mantle.model.values import Call, Unknown
from mantle.plan.masking import can_hide, secret_keeper
from mantle.template.loaded import Loaded


def holds_secrets(loaded: Loaded, patterns: Iterable[str] = ()) -> bool:
    """Whether a secret can come from this template, or from one that it names.

    `patterns` are names of parameters that count as hidden, with `*` for any text.
    """
    graph = loaded.graph
    named = (*patterns, *loaded.environment.encrypted_param_names)
    for name, definition in graph.parameters.items():
        if definition.hidden or any(fnmatch.fnmatchcase(name, each) for each in named):
            return True
    sources = {
        kind: source
        for kind, facts in loaded.facts.items()
        if (source := _Source.of(facts.schema)) is not None
    }
    for resource in graph.resources.values():
        found = sources.get(resource.resolved_type)
        if found is not None and found.in_use(resource):
            return True
    inner = [*loaded.nested.values(), *(each for each, _ in loaded.inside.values())]
    return any(holds_secrets(each, patterns) for each in inner)


class _Source:
    """Where secrets can come from in resources of one type."""

    def __init__(self, schema: ResourceSchema) -> None:
        self.always = schema.secret_reference or any(
            each.secret and each.secret_when is None for each in schema.attributes.values()
        )
        self.when = [
            each.secret_when for each in schema.attributes.values() if each.secret_when is not None
        ]
        self.properties = secret_keeper(schema).properties

    @staticmethod
    def of(schema: ResourceSchema) -> "_Source | None":
        """None for the types that have no secret, and those are most."""
        source = _Source(schema)
        return source if source.always or source.when or source.properties else None

    def in_use(self, resource: ResourceDefinition) -> bool:
        given = resource.properties
        if self.always or any(_may_be(given, each) for each in self.when):
            return True
        return any(_given(schema, given.get(name)) for name, schema in self.properties)


def _may_be(given: Mapping[str, Any], wanted: Mapping[str, tuple[Any, ...]]) -> bool:
    """Whether the properties have these values, as far as is known."""
    return all(
        isinstance(given.get(name), Call | Unknown)
        or given.get(name) in values
        or str(given.get(name)).lower() in {str(each).lower() for each in values}
        for name, values in wanted.items()
    )


def _given(schema: Property, value: Any) -> bool:
    """Whether there is anything where the schema has a secret."""
    if value is None or not can_hide(schema):
        return False
    if schema.secret or isinstance(value, Call | Unknown):
        return True
    if isinstance(value, Mapping):
        fields = schema.fields or {}
        return any(_given(fields[key], part) for key, part in value.items() if key in fields)
    if schema.items is not None and isinstance(value, list):
        return any(_given(schema.items, part) for part in value)
    return False
