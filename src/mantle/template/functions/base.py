"""What a template function is: a name, a check of its argument's shape, and what it makes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mantle.model.errors import Invalid, Problem
from mantle.model.values import Call, Unknown, Value


class Lookup(Protocol):
    """Answers what resources are; `Unknown` while one does not exist."""

    def reference(self, name: str) -> Value:
        """What get_resource gives."""
        ...

    def attributes(self, name: str) -> Mapping[str, Value] | Unknown:
        """All attributes of a resource."""
        ...

    def failure(self, name: str, attribute: str) -> str | None:
        """Why the attribute of an existing resource has no value; None where it is just absent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Everything a value can be resolved against."""

    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    lookup: Lookup | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    facade: Mapping[str, Any] | None = None
    """metadata, deletion_policy and update_policy of the resource this template stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function. `resolve` gets its argument resolved already, without unknowns."""

    name: str
    description: str
    resolve: Callable[[Value, Scope, Call], Value]
    check: Callable[[Value], str | None] = field(default=lambda _: None)
    """Why the argument, before it is resolved, cannot be right; or None."""
    is_condition: bool = False
    """Usable inside conditions."""
    only_condition: bool = False
    """A literal map anywhere else."""


def wrong(call: Call, message: str, remedy: str = "") -> Invalid:
    """An argument that turned out unusable."""
    return Invalid(
        [
            Problem(
                code="function-argument",
                message=f'"{call.function}": {message}',
                path=call.path,
                remedy=remedy or form_of(call.function),
            )
        ]
    )


def form_of(name: str) -> str:
    """The remedy for an argument of the wrong shape: how the function is written."""
    form = FORMS.get(name)
    return f"Write it as {form}." if form else "Look at how the function is written."


FORMS: Mapping[str, str] = {
    "get_param": "{get_param: NAME} or {get_param: [NAME, KEY, ...]}",
    "get_resource": "{get_resource: NAME}",
    "get_attr": "{get_attr: [RESOURCE, ATTRIBUTE, KEY, ...]}",
    "get_file": "{get_file: PATH}",
    "list_join": "{list_join: [DELIMITER, [TEXT, ...]]}",
    "str_replace": "{str_replace: {template: TEXT, params: {KEY: VALUE}}}",
    "str_replace_strict": "{str_replace_strict: {template: TEXT, params: {KEY: VALUE}}}",
    "str_replace_vstrict": "{str_replace_vstrict: {template: TEXT, params: {KEY: VALUE}}}",
    "str_split": "{str_split: [DELIMITER, TEXT]} or {str_split: [DELIMITER, TEXT, POSITION]}",
    "map_merge": "{map_merge: [{KEY: VALUE}, ...]}",
    "map_replace": "{map_replace: [{KEY: VALUE}, {keys: {OLD: NEW}, values: {OLD: NEW}}]}",
    "repeat": "{repeat: {template: VALUE, for_each: {VARIABLE: [TEXT, ...]}}}",
    "digest": "{digest: [ALGORITHM, TEXT]}",
    "yaql": "{yaql: {expression: TEXT, data: VALUE}}",
    "if": "{if: [CONDITION, VALUE, OTHER VALUE]}",
    "equals": "{equals: [VALUE, VALUE]}",
    "not": "{not: CONDITION}",
    "and": "{and: [CONDITION, CONDITION, ...]}",
    "or": "{or: [CONDITION, CONDITION, ...]}",
    "contains": "{contains: [VALUE, LIST OR TEXT]}",
    "filter": "{filter: [[VALUE, ...], LIST]}",
    "make_url": "{make_url: {scheme: TEXT, host: TEXT, port: NUMBER, path: TEXT, query: MAP}}",
    "list_concat": "{list_concat: [[VALUE, ...], [VALUE, ...]]}",
    "list_concat_unique": "{list_concat_unique: [[VALUE, ...], [VALUE, ...]]}",
    "resource_facade": "{resource_facade: metadata | deletion_policy | update_policy}",
    "Ref": "{Ref: NAME}",
    "Fn::GetAtt": "{Fn::GetAtt: [RESOURCE, ATTRIBUTE]}",
    "Fn::Select": "{Fn::Select: [POSITION OR KEY, LIST OR MAP]}",
    "Fn::Join": "{Fn::Join: [DELIMITER, [TEXT, ...]]}",
    "Fn::Split": "{Fn::Split: [DELIMITER, TEXT]}",
    "Fn::Replace": "{Fn::Replace: [{KEY: TEXT}, TEXT]}",
    "Fn::Base64": "{Fn::Base64: TEXT}",
    "Fn::MemberListToMap": "{Fn::MemberListToMap: [Name, Value, ['.member.0.Name=a', ...]]}",
    "Fn::FindInMap": "{Fn::FindInMap: [MAP, KEY, VALUE NAME]}",
    "Fn::GetAZs": "{Fn::GetAZs: ''}",
    "Fn::ResourceFacade": "{Fn::ResourceFacade: Metadata | DeletionPolicy | UpdatePolicy}",
    "Fn::If": "{Fn::If: [CONDITION, VALUE, OTHER VALUE]}",
    "Fn::Equals": "{Fn::Equals: [VALUE, VALUE]}",
    "Fn::Not": "{Fn::Not: [CONDITION]}",
    "Fn::And": "{Fn::And: [CONDITION, CONDITION, ...]}",
    "Fn::Or": "{Fn::Or: [CONDITION, CONDITION, ...]}",
}
"""How each function is written."""


MOST_TEXT = 4 * 1024 * 1024
"""Characters that one call may make: what a whole template may have."""


def bounded(call: Call, size: int) -> None:
    """Refuse a result that a few lines of template blew up, before it is made."""
    if size > MOST_TEXT:
        raise wrong(
            call,
            f"would make a text of more than {MOST_TEXT:,} characters",
            "Keep large texts in files, and name them once.",
        )


def dig(value: Any, path: list[Any], miss: Any, *, counts_texts: bool = True) -> Any:
    """Follow keys and positions into a value; `miss` when one is not there.

    A text has positions, too: its letters. With `counts_texts` a text such as "1" is a position.
    """
    for part in path:
        if not isinstance(part, str | int):
            return miss
        if isinstance(value, Mapping):
            if part not in value:
                return miss
            value = value[part]
        elif isinstance(value, list | str):
            if isinstance(part, str) and not counts_texts:
                return miss
            try:
                value = value[int(part)]
            except (ValueError, IndexError):
                return miss
        else:
            return miss
    return value


def kind(value: Any) -> str:
    """The value's type in a template writer's words."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    names |= {list: "a list", dict: "a map"}
    return names.get(type(value), "a function")


def literal(value: Any) -> bool:
    """True when the value is no call, so that its type can be checked before it is resolved."""
    return not isinstance(value, Call)
