"""Template versions and functions, and checking a template without making a stack of it."""

from typing import Any

from mantle.api.door import Reply
from mantle.api.heat.ask import Ask
from mantle.api.heat.requests import source
from mantle.api.heat.schemas import parameter_constraints
from mantle.api.heat.views import MASK
from mantle.model.errors import NotFound
from mantle.model.graph import ParameterDefinition, ParameterType
from mantle.stacks.validate import validate_template
from mantle.template.functions import condition_functions_of, functions_of
from mantle.template.hot.versions import NAMES, known_versions
from mantle.template.validate import Loaded

PREFIX = "heat_template_version."

TYPES = {
    ParameterType.STRING: "String",
    ParameterType.NUMBER: "Number",
    ParameterType.LIST: "CommaDelimitedList",
    ParameterType.JSON: "Json",
    ParameterType.BOOLEAN: "Boolean",
}


async def versions(_: Ask) -> Reply:
    """GET /template_versions."""
    rows = [
        {"version": version, "type": kind, "aliases": aliases}
        for version, kind, aliases in known_versions()
    ]
    return Reply(body={"template_versions": rows})


async def functions(ask: Ask) -> Reply:
    """GET /template_versions/{version}/functions."""
    asked = ask.names["version"]
    short = asked.removeprefix(PREFIX)
    date = NAMES.get(short, short)
    if f"{PREFIX}{date}" not in {version for version, _, _ in known_versions()}:
        raise NotFound(
            f"Template with version {asked} not found.",
            remedy="`template_versions` lists those there are.",
            fault="NotFound",
        )
    found = functions_of(date)
    if ask.flag("with_condition_func"):
        found = sorted({*found, *condition_functions_of(date)})
    rows = [{"functions": name, "description": text} for name, text in found]
    return Reply(body={"template_functions": rows})


async def validate(ask: Ask) -> Reply:
    """POST /validate."""
    report = await validate_template(ask.control, ask.caller, source(ask.call.json_object()))
    return Reply(body=_view(report.loaded, nested=ask.flag("show_nested")))


def _view(loaded: Loaded, *, nested: bool) -> dict[str, Any]:
    graph = loaded.graph
    view: dict[str, Any] = {
        "Description": graph.description,
        "Parameters": {
            name: _parameter(definition, loaded) for name, definition in graph.parameters.items()
        },
        "Environment": loaded.environment.as_data(),
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
    if nested:
        view["NestedParameters"] = {
            definition.name: _view(loaded.nested[definition.resolved_type], nested=True)
            | {"Type": definition.type}
            for definition in graph.resources.values()
            if definition.resolved_type in loaded.nested
        }
    return view


def _parameter(definition: ParameterDefinition, loaded: Loaded) -> dict[str, Any]:
    view: dict[str, Any] = {
        "Type": TYPES[definition.type],
        "Description": definition.description,
        "NoEcho": "true" if definition.hidden else "false",
        "Label": definition.label or definition.name,
    }
    if definition.has_default:
        view["Default"] = definition.default
    value = loaded.graph.parameter_values.get(definition.name)
    if value is not None:
        view["Value"] = MASK if definition.hidden else value
    if definition.tags:
        view["Tags"] = list(definition.tags)
    return view | parameter_constraints(definition.constraints)
