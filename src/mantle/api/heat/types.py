"""Resource types: list, schema, and a template to start from."""

import re
from typing import Any

from mantle.api.door import Reply
from mantle.api.heat.ask import Ask
from mantle.api.heat.schemas import constraint_view, property_view
from mantle.model.errors import MantleError, NotFound
from mantle.model.schema import Kind, Property, ResourceSchema, SupportStatus

PATTERN_LENGTH = 128
"""Characters of a name filter, which is a regular expression from outside."""

PARAMETER_TYPES = {
    Kind.STRING: "string",
    Kind.INTEGER: "number",
    Kind.NUMBER: "number",
    Kind.BOOLEAN: "boolean",
    Kind.MAP: "json",
    Kind.LIST: "comma_delimited_list",
    Kind.ANY: "string",
}

CFN_TYPES = {
    "string": "String",
    "number": "Number",
    "boolean": "Boolean",
    "json": "Json",
    "comma_delimited_list": "CommaDelimitedList",
}


async def index(ask: Ask) -> Reply:
    """GET /resource_types."""
    wanted = _name_filter(ask.call.first("name") or "")
    status = (ask.call.first("support_status") or "").upper()
    if status and status not in set(SupportStatus):
        raise MantleError(
            f"Unknown support status {status!r}.", remedy=f"Use {', '.join(SupportStatus)}."
        )
    schemas = [
        kind.schema
        for name, kind in sorted(ask.control.registry.types.items())
        if wanted(name)
        and (kind.schema.support == status if status else kind.schema.support != "HIDDEN")
    ]
    if ask.flag("with_description"):
        described = [
            {"resource_type": schema.type, "description": schema.description} for schema in schemas
        ]
        return Reply(body={"resource_types": described})
    return Reply(body={"resource_types": [schema.type for schema in schemas]})


async def show(ask: Ask) -> Reply:
    """GET /resource_types/{type}."""
    schema = _find(ask)
    properties = {
        name: property_view(prop) for name, prop in schema.properties.items() if not prop.hidden
    }
    attributes: dict[str, Any] = {
        name: {"type": attribute.kind.value, "description": attribute.description}
        for name, attribute in schema.attributes.items()
    }
    body = {
        "resource_type": schema.type,
        "properties": properties,
        "attributes": attributes,
        "support_status": {
            "status": schema.support.value,
            "version": schema.since or None,
            "message": None,
            "previous_status": None,
        },
    }
    if ask.flag("with_description"):
        body["description"] = schema.description
    return Reply(body=body)


async def template(ask: Ask) -> Reply:
    """GET /resource_types/{type}/template."""
    kind = ask.call.first("template_type") or "cfn"
    schema = _find(ask)
    if kind == "hot":
        return Reply(body=_hot(schema))
    if kind == "cfn":
        return Reply(body=_cfn(schema))
    raise MantleError(f"Template type is not supported: {kind}.", remedy="Use hot or cfn.")


def _find(ask: Ask) -> ResourceSchema:
    name = ask.names["type"]
    if name not in ask.control.registry.types and name.endswith((".yaml", ".yml", ".template")):
        raise NotFound(f"The Resource Type ({name}) could not be found.")
    return ask.control.registry.get(name).schema


def _name_filter(pattern: str) -> Any:
    if not pattern:
        return lambda _: True
    if len(pattern) > PATTERN_LENGTH:
        raise MantleError(f"The name filter is longer than {PATTERN_LENGTH} characters.")
    try:
        return re.compile(pattern).match
    except re.error as error:
        raise MantleError(
            f"The name filter {pattern!r} is no regular expression: {error}.",
            remedy="Give part of a type's name, such as OS::Nova.",
        ) from None


def _hot(schema: ResourceSchema) -> dict[str, Any]:
    short = _short(schema)
    properties = _shown(schema)
    return {
        "heat_template_version": "2016-10-14",
        "description": f"Initial template of {short}",
        "parameters": {name: _hot_parameter(prop) for name, prop in properties.items()},
        "resources": {
            short: {
                "type": schema.type,
                "properties": {name: {"get_param": name} for name in properties},
            }
        },
        "outputs": {
            name: {
                "description": attribute.description,
                "value": {"get_attr": [short, name]},
            }
            for name, attribute in schema.attributes.items()
        },
    }


def _cfn(schema: ResourceSchema) -> dict[str, Any]:
    short = _short(schema)
    properties = _shown(schema)
    return {
        "HeatTemplateFormatVersion": "2012-12-12",
        "Description": f"Initial template of {short}",
        "Parameters": {name: _cfn_parameter(prop) for name, prop in properties.items()},
        "Resources": {
            short: {
                "Type": schema.type,
                "Properties": {name: {"Ref": name} for name in properties},
            }
        },
        "Outputs": {
            name: {
                "Description": attribute.description,
                "Value": {"Fn::GetAtt": [short, name]},
            }
            for name, attribute in schema.attributes.items()
        },
    }


def _shown(schema: ResourceSchema) -> dict[str, Property]:
    return {name: prop for name, prop in schema.properties.items() if not prop.hidden}


def _short(schema: ResourceSchema) -> str:
    return schema.type.rsplit("::", 1)[-1]


def _hot_parameter(prop: Property) -> dict[str, Any]:
    parameter: dict[str, Any] = {"type": PARAMETER_TYPES[prop.kind]}
    if prop.description:
        parameter["description"] = prop.description
    if prop.default is not None:
        parameter["default"] = prop.default
    elif not prop.required:
        parameter["default"] = _nothing(prop.kind)
    if prop.secret:
        parameter["hidden"] = True
    if prop.constraints and prop.kind is not Kind.LIST:
        parameter["constraints"] = [constraint_view(one) for one in prop.constraints]
    return parameter


def _cfn_parameter(prop: Property) -> dict[str, Any]:
    hot = _hot_parameter(prop)
    parameter: dict[str, Any] = {"Type": CFN_TYPES[hot["type"]]}
    if "description" in hot:
        parameter["Description"] = hot["description"]
    if "default" in hot:
        parameter["Default"] = hot["default"]
    if prop.secret:
        parameter["NoEcho"] = "true"
    return parameter


def _nothing(kind: Kind) -> Any:
    """A default that stands for leaving the property out."""
    if kind is Kind.MAP:
        return {}
    if kind is Kind.LIST:
        return []
    return "" if kind in {Kind.STRING, Kind.ANY} else None
