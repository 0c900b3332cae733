"""Where in a template a live value would have to be written, or why it cannot be. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mantle.model.errors import Path
from mantle.model.graph import ParameterDefinition, ResourceDefinition, TemplateGraph
from mantle.model.schema import ResourceSchema
from mantle.model.values import Call, Value, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class InTemplate:
    """The value itself stands there, or will."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class InParameter:
    """A parameter gives the value, whole."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nowhere:
    """It cannot be written; the reason names what stands in the way."""

    reason: str


Place = InTemplate | InParameter | Nowhere


def place_of(
    graph: TemplateGraph,
    definition: ResourceDefinition,
    schema: ResourceSchema,
    name: str,
    raw: Any,
) -> Place:
    """Where the property `name` of a resource gets its value. `raw`: the template as data."""
    top = definition.path or ("resources", definition.name)
    entry = _at(raw, top)
    section = "Properties" if top[0] == "Resources" else "properties"
    given = _given_as(schema, definition.properties, name)
    path = (*top, section, given)
    if given not in definition.properties:
        return InTemplate(path=path)
    value = definition.properties[given]
    calls = [part for part in walk(value) if isinstance(part, Call)]
    if not calls:
        written = _at(entry, (section, given))
        if written == value:
            return InTemplate(path=path)
        return Nowhere(reason=f"its property {given} is chosen by a condition")
    if isinstance(value, Call) and value.function == "get_param":
        return _parameter(graph.parameters, value.argument, given)
    names = ", ".join(dict.fromkeys(call.function for call in calls))
    return Nowhere(reason=f"its property {given} is computed by {names}")


def _parameter(parameters: Mapping[str, ParameterDefinition], argument: Value, given: str) -> Place:
    name = argument[0] if isinstance(argument, list) and len(argument) == 1 else argument
    if not isinstance(name, str):
        return Nowhere(reason=f"its property {given} is a part of a parameter")
    definition = parameters.get(name)
    if definition is None:
        return Nowhere(reason=f"its property {given} is {name}, which nobody can set")
    for is_so, word in ((definition.hidden, "hidden"), (definition.immutable, "immutable")):
        if is_so:
            return Nowhere(reason=f"its property {given} is the parameter {name}, which is {word}")
    return InParameter(name=name)


def _given_as(schema: ResourceSchema, properties: Mapping[str, Value], name: str) -> str:
    """The property's name in the template: an older one of it, perhaps."""
    if name in properties:
        return name
    for other, declared in schema.properties.items():
        if declared.alias_of == name and other in properties:
            return other
    return name


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
