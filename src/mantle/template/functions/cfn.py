"""The functions of CFN.

`Ref` and `Fn::GetAtt` become HOT's get_param, get_resource and get_attr when a document is read;
`Fn::If` chooses its branch there.
"""

import json
from collections.abc import Mapping
from typing import Any

from mantle.model.values import Call, Value
from mantle.template.functions import logic, resource_facade
from mantle.template.functions.base import Function, Scope, bounded, kind, wrong
from mantle.template.functions.str_replace import replaced

REGION = "ap-southeast-1"
"""What Heat answers for AWS::Region, always."""

ZONES = ("nova",)
"""What `Fn::GetAZs` gives; Heat answers so without a Nova to ask."""


def _items(count: int, form: str) -> Any:
    def check(argument: Value) -> str | None:
        if isinstance(argument, list) and len(argument) == count:
            return None
        return f"needs {form}"

    return check


def _select(argument: Value, scope: Scope, call: Call) -> Value:
    """Any miss is the empty text."""
    del scope
    index, items = argument
    if isinstance(items, str):
        if not items:
            return ""
        try:
            items = json.loads(items)
        except (ValueError, RecursionError) as error:
            raise wrong(call, "the text to select from is not JSON") from error
    if items is None:
        return ""
    if isinstance(items, Mapping):
        if not isinstance(index, str):
            raise wrong(call, f"a map is selected from by a key, not {kind(index)}")
        found = items.get(index)
        return "" if found is None else found
    if not isinstance(items, list):
        raise wrong(call, f"selects from a list or a map, not {kind(items)}")
    try:
        place = int(index)
    except (TypeError, ValueError) as error:
        raise wrong(call, f"the position {index!r} is no number") from error
    return items[place] if -len(items) <= place < len(items) else ""


def _join(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    delimiter, items = argument
    if not isinstance(delimiter, str):
        raise wrong(call, f"the delimiter must be a string, not {kind(delimiter)}")
    if items is None:
        return ""
    if not isinstance(items, list):
        raise wrong(call, f"must operate on a list, not {kind(items)}")
    for item in items:
        if item is not None and not isinstance(item, str):
            raise wrong(call, f"items to join must be strings, not {kind(item)}")
    bounded(call, sum(len(item or "") for item in items) + len(delimiter) * len(items))
    return delimiter.join(item or "" for item in items)


def _split(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    delimiter, text = argument
    if not isinstance(delimiter, str) or not delimiter or not isinstance(text, str):
        raise wrong(call, "needs [delimiter, text], both of them texts")
    return text.split(delimiter)


def _replace(argument: Value, scope: Scope, call: Call) -> Value:
    """As str_replace: the longest first, and what was put in is not looked at again."""
    del scope
    pairs, text = argument
    if not isinstance(pairs, Mapping) or not isinstance(text, str):
        raise wrong(call, "needs [{search: replacement}, text]")
    for new in pairs.values():
        if new is not None and not isinstance(new, str | int | float | bool):
            raise wrong(call, f"a replacement must be a text, not {kind(new)}")
    texts = {str(old): "" if new is None else str(new) for old, new in pairs.items()}
    return replaced(text, texts, call)[0]


def _base64(argument: Value, scope: Scope, call: Call) -> Value:
    """Unchanged, as Heat: whoever needs base64 encodes it."""
    del scope
    if not isinstance(argument, str):
        raise wrong(call, f"needs a text, not {kind(argument)}")
    return argument


def _member_list(argument: Value, scope: Scope, call: Call) -> Value:
    """`[".member.0.Name=a", ".member.0.Value=b"]` as `{a: b}`."""
    del scope
    key_name, value_name, items = argument
    if not isinstance(key_name, str) or not isinstance(value_name, str):
        raise wrong(call, "the names of key and value must be texts")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise wrong(call, "the third item is a list of texts such as .member.0.Name=x")
    members: dict[str, dict[str, str]] = {}
    for item in items:
        place, equals, value = item.partition("=")
        parts = place.split(".")
        if not equals or len(parts) < 4 or parts[1] != "member":
            raise wrong(call, f"{item!r} has not the form .member.N.{key_name}=value")
        members.setdefault(parts[2], {})[parts[3]] = value
    return {
        member[key_name]: member[value_name]
        for member in members.values()
        if key_name in member and value_name in member
    }


def _find(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    name, key, value, mappings = argument
    here: Any = mappings
    for part, what in ((name, "map"), (key, "key"), (value, "value")):
        if not isinstance(here, Mapping) or str(part) not in here:
            raise wrong(call, f"there is no {what} {part!r} in the mappings", "See `Mappings`.")
        here = here[str(part)]
    return here


def _zones(argument: Value, scope: Scope, call: Call) -> Value:
    del argument, scope, call
    return list(ZONES)


def _renamed(function: Function, name: str) -> Function:
    return Function(
        name=name,
        description=function.description,
        resolve=function.resolve,
        check=function.check,
        is_condition=function.is_condition,
        only_condition=function.only_condition,
    )


def _text(argument: Value) -> str | None:
    return None if isinstance(argument, str) and argument else "needs a name"


def _pair(argument: Value) -> str | None:
    good = isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str)
    return None if good else "needs [resource, attribute]"


def _never(argument: Value, scope: Scope, call: Call) -> Value:
    del argument, scope
    raise wrong(call, "is replaced when the template is read")


SELECT = Function(
    name="Fn::Select",
    description="One item of a list or a map.",
    resolve=_select,
    check=_items(2, "[position or key, list or map]"),
)
FIND = Function(
    name="Fn::FindInMap",
    description="A value of the template's mappings.",
    resolve=_find,
    check=_items(4, "[map, key, value]"),
    is_condition=True,
)
REF = Function(
    name="Ref",
    description="A parameter's value, or the reference of a resource.",
    resolve=_never,
    check=_text,
    is_condition=True,
)
GET_ATT = Function(
    name="Fn::GetAtt",
    description="An attribute of a resource.",
    resolve=_never,
    check=_pair,
)
IF = Function(
    name="Fn::If",
    description="One of two values, as a condition says.",
    resolve=_never,
)
OTHERS = (
    Function(
        name="Fn::GetAZs",
        description="The availability zones.",
        resolve=_zones,
    ),
    Function(
        name="Fn::Join",
        description="Joins texts by a delimiter.",
        resolve=_join,
        check=_items(2, "[delimiter, list]"),
    ),
    Function(
        name="Fn::Split",
        description="Cuts a text at a delimiter.",
        resolve=_split,
        check=_items(2, "[delimiter, text]"),
    ),
    Function(
        name="Fn::Replace",
        description="Replaces texts in a text.",
        resolve=_replace,
        check=_items(2, "[{search: replacement}, text]"),
    ),
    Function(
        name="Fn::Base64",
        description="The text; encoding is left to whoever needs it.",
        resolve=_base64,
    ),
    Function(
        name="Fn::MemberListToMap",
        description="A map out of `.member.N.key=value` texts.",
        resolve=_member_list,
        check=_items(3, "[key name, value name, list]"),
    ),
    _renamed(resource_facade.FUNCTION, "Fn::ResourceFacade"),
)


def _not(argument: Value, scope: Scope, call: Call) -> Value:
    """CFN writes the one condition in a list."""
    return logic.NOT.resolve(argument[0], scope, call)


CONDITIONS = (
    _renamed(logic.EQUALS, "Fn::Equals"),
    Function(
        name="Fn::Not",
        description=logic.NOT.description,
        resolve=_not,
        check=_items(1, "[condition]"),
        is_condition=True,
        only_condition=True,
    ),
    _renamed(logic.AND, "Fn::And"),
    _renamed(logic.OR, "Fn::Or"),
)
