"""Resource types: list, schema, and a template to start from."""

import re
from dataclasses import replace
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
    made: dict[str, Any] = {
        "heat_template_version": "2016-10-14",
        "description": f"Initial template of {short}",
        "parameters": {name: _hot_parameter(prop) for name, prop in properties.items()},
        "resources": {
            short: {
                "type": schema.type,
                "properties": {
                    name: {"if": [given(name), {"get_param": name}, None]}
                    if _may_be_left_out(prop)
                    else {"get_param": name}
                    for name, prop in properties.items()
                },
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
    conditions = {
        given(name): {"not": {"equals": [{"get_param": name}, _nothing(prop)]}}
        for name, prop in properties.items()
        if _may_be_left_out(prop)
    }
    return made | ({"conditions": conditions} if conditions else {})


def _cfn(schema: ResourceSchema) -> dict[str, Any]:
    short = _short(schema)
    properties = _shown(schema)
    made: dict[str, Any] = {
        # The other CFN format, HeatTemplateFormatVersion, knows no conditions.
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Initial template of {short}",
        "Parameters": {name: _cfn_parameter(prop) for name, prop in properties.items()},
        "Resources": {
            short: {
                "Type": schema.type,
                "Properties": {
                    name: {"Fn::If": [given(name), {"Ref": name}, None]}
                    if _may_be_left_out(prop)
                    else {"Ref": name}
                    for name, prop in properties.items()
                },
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
    conditions = {
        given(name): {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, _nothing(prop)]}]}
        for name, prop in properties.items()
        if _may_be_left_out(prop)
    }
    return made | ({"Conditions": conditions} if conditions else {})


def given(name: str) -> str:
    """The condition under which a property that may be left out is not."""
    return f"{name}_given"


def _may_be_left_out(prop: Property) -> bool:
    """Whether there is a value that stands for no value at all.

    Heat gives such a property the empty text, which most types then refuse; here it is left out.
    """
    return not prop.required and prop.default is None


def _shown(schema: ResourceSchema) -> dict[str, Property]:
    """What a template begins with; of several properties of which one is needed, one is asked."""
    return {
        name: replace(prop, required=True) if name == schema.begins_with else prop
        for name, prop in schema.properties.items()
        if not prop.hidden
    }


def _short(schema: ResourceSchema) -> str:
    return schema.type.rsplit("::", 1)[-1]


def _hot_parameter(prop: Property) -> dict[str, Any]:
    parameter: dict[str, Any] = {"type": _parameter_type(prop)}
    if prop.description:
        parameter["description"] = prop.description
    if prop.default is not None:
        parameter["default"] = prop.default
    elif not prop.required:
        parameter["default"] = _nothing(prop)
    if prop.secret:
        parameter["hidden"] = True
    # The empty default would break them; the property has them anyway.
    if prop.constraints and prop.kind is not Kind.LIST and not _may_be_left_out(prop):
        parameter["constraints"] = [constraint_view(one) for one in prop.constraints]
    return parameter


def _parameter_type(prop: Property) -> str:
    """A list of maps is JSON, and a number that may be left out is a text, which can be empty."""
    if prop.kind is Kind.LIST and prop.items is not None and prop.items.kind is not Kind.STRING:
        return "json"
    if _may_be_left_out(prop) and prop.kind not in {Kind.MAP, Kind.LIST}:
        return "string"
    return PARAMETER_TYPES[prop.kind]


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


def _nothing(prop: Property) -> Any:
    """A default that stands for leaving the property out."""
    if prop.kind is Kind.MAP:
        return {}
    return [] if prop.kind is Kind.LIST else ""
