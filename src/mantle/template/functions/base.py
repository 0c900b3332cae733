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
                remedy=remedy or "See the function's form in the template guide.",
            )
        ]
    )


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


def dig(value: Any, path: list[Any], miss: Any) -> Any:
    """Follow keys and positions into a value; `miss` when one is not there."""
    for part in path:
        if isinstance(part, dict | list):
            return miss
        if isinstance(value, Mapping):
            if part not in value:
                return miss
            value = value[part]
        elif isinstance(value, list):
            try:
                value = value[int(part)]
            except (ValueError, IndexError, TypeError):
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
