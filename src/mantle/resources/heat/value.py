"""OS::Heat::Value: a value with a name, computed once and read by many."""

import json
from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Kind, TypeFacts
from mantle.model.values import Call, unknowns_in
from mantle.resources.kit import Context, Done, Outcome, ResourceType
from mantle.resources.schemas import anything, schema, string

TYPES = ("string", "number", "comma_delimited_list", "json", "boolean")
TRUE = ("t", "true", "on", "y", "yes", "1")
FALSE = ("f", "false", "off", "n", "no", "0")

SCHEMA = schema(
    "OS::Heat::Value",
    "Gives a computed value a name and a type.",
    {
        "value": anything("The value.", required=True, update=True),
        "type": string("What the value becomes.", allowed=TYPES, update=True),
    },
    {"value": (Kind.ANY, "The value, of the asked-for type.")},
    since="7.0.0",
)


def converted(value: Any, kind: str | None) -> Any:
    """The value as the asked-for type; raises ValueError when it cannot be."""
    match kind:
        case "string":
            return value if isinstance(value, str) else _text(value)
        case "number":
            return _number(value)
        case "boolean":
            return _boolean(value)
        case "comma_delimited_list":
            return _list(value)
        case "json":
            return json.loads(value) if isinstance(value, str) else value
        case _:
            return value


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list | bool) else str(value)


def _number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        return int(str(value))
    except ValueError:
        return float(str(value))


def _boolean(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f"{value!r} is not a boolean")


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")] if value else []
    raise ValueError(f"{value!r} is not a list")


def check(properties: Mapping[str, Any]) -> list[str]:
    """The value can be of the asked-for type."""
    value, kind = properties.get("value"), properties.get("type")
    if value is None or isinstance(value, Call) or unknowns_in(value):
        return []
    try:
        converted(value, kind if isinstance(kind, str) else None)
    except ValueError:
        return [f"value: {value!r} cannot be a {kind}. Correct the value or the type."]
    return []


async def create(ctx: Context) -> Outcome:
    """There is nothing to do but to have a name."""
    return Done(physical_id=ctx.ref.physical_id or ctx.name_hint)


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """The value as the asked-for type."""
    return {"value": converted(ctx.properties.get("value"), ctx.properties.get("type"))}


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA, check_properties=check),
    create=create,
    update=create,
    attributes=attributes,
    needs_no_cloud=True,
)
