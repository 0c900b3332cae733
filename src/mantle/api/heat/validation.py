"""Checking a template without making a stack of it, in Heat's words."""

from collections.abc import Mapping
from typing import Any

from mantle.api.door import Reply
from mantle.api.heat.ask import Ask
from mantle.api.heat.requests import source, with_template
from mantle.api.heat.schemas import parameter_constraints
from mantle.api.heat.views import MASK
from mantle.model.errors import Invalid
from mantle.model.graph import ParameterDefinition, ParameterType, ResourceDefinition
from mantle.model.values import Unknown
from mantle.stacks.validate import validate_template
from mantle.template.loaded import Loaded, NothingYet
from mantle.template.resolve import resolve

TYPES = {
    ParameterType.STRING: "String",
    ParameterType.NUMBER: "Number",
    ParameterType.LIST: "CommaDelimitedList",
    ParameterType.JSON: "Json",
    ParameterType.BOOLEAN: "Boolean",
}


async def validate(ask: Ask) -> Reply:
    """POST /validate."""
    asked = source(await with_template(ask.control, ask.call.json_object()))
    report = await validate_template(ask.control, ask.caller, asked, strict=False)
    loaded = report.loaded
    environment = loaded.environment.as_data()
    environment.pop("encrypted_param_names", None)
    # Heat's registry knows a template file as a type from the moment a resource is made of it.
    files = {each.type: each.type for each in _templates(loaded) if each.type in loaded.nested}
    environment["resource_registry"] = files | environment["resource_registry"]
    given = {**loaded.environment.parameter_defaults, **loaded.environment.parameters}
    given |= loaded.source.parameters
    view = _view(loaded, given, nested=ask.flag("show_nested"))
    return Reply(body=view | {"Environment": environment})


def _view(loaded: Loaded, given: Mapping[str, Any], *, nested: bool) -> dict[str, Any]:
    """`given` are the values that came from outside, not those of the template's defaults."""
    graph = loaded.graph
    view: dict[str, Any] = {
        "Description": graph.description,
        "Parameters": {
            name: _parameter(definition, given) for name, definition in graph.parameters.items()
        },
    }
    if graph.parameter_groups:
        view["ParameterGroups"] = [
            {
                "label": group.label,
                "description": group.description,
                "parameters": list(group.parameters),
            }
            for group in graph.parameter_groups
        ]
    inner = _nested(loaded) if nested else {}
    if inner:
        view["NestedParameters"] = inner
    return view


def _nested(loaded: Loaded) -> dict[str, Any]:
    return {
        definition.name: _view(
            loaded.nested[definition.resolved_type], _handed_down(loaded, definition), nested=True
        )
        | {"Type": definition.type}
        for definition in _templates(loaded)
        if definition.resolved_type in loaded.nested
    }


def _templates(loaded: Loaded) -> list[ResourceDefinition]:
    return [each for each in loaded.graph.resources.values() if each.is_template]


def _handed_down(loaded: Loaded, definition: ResourceDefinition) -> Mapping[str, Any]:
    """The values a nested template gets, as far as they are known without any resource."""
    try:
        properties = resolve(definition.properties, loaded.scope(NothingYet()))
    except Invalid:
        return {}
    if not isinstance(properties, dict):
        return {}
    return {name: value for name, value in properties.items() if not isinstance(value, Unknown)}


def _parameter(definition: ParameterDefinition, given: Mapping[str, Any]) -> dict[str, Any]:
    view: dict[str, Any] = {
        "Type": TYPES[definition.type],
        "Description": definition.description,
        "NoEcho": "true" if definition.hidden else "false",
        "Label": definition.label or definition.name,
    }
    if definition.has_default:
        view["Default"] = definition.default
    if definition.name in given:
        view["Value"] = MASK if definition.hidden else given[definition.name]
    if definition.tags:
        view["Tags"] = list(definition.tags)
    return view | parameter_constraints(definition.constraints)
