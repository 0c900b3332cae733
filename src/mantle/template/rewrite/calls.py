"""Functions in a template's plain data: found, changed, and made into calls that resolve."""

import re
from collections.abc import Callable, Collection
from typing import Any

from mantle.model.errors import Path
from mantle.model.values import Call, Value

KEPT = object()
Change = Callable[[str, Any, Path], Any]
"""(function, argument, path) -> what stands there instead, or `KEPT` to look further inside."""


def walked(value: Any, path: Path, functions: Collection[str], change: Change) -> Any:
    """The data with every function asked about, the outermost first."""
    if isinstance(value, dict):
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in functions:
                found = change(name, argument, path)
                if found is not KEPT:
                    return found
        return {key: walked(part, (*path, key), functions, change) for key, part in value.items()}
    if isinstance(value, list):
        return [walked(part, (*path, at), functions, change) for at, part in enumerate(value)]
    return value


def as_calls(value: Any, path: Path, functions: Collection[str]) -> Value:
    """The data with its functions as calls."""
    if isinstance(value, dict):
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in functions:
                return Call(name, as_calls(argument, path, functions), path)
        return {key: as_calls(part, path, functions) for key, part in value.items()}
    if isinstance(value, list):
        return [as_calls(part, path, functions) for part in value]
    return value


def texts_in(value: Any) -> list[str]:
    """Every text in it, keys aside."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts_in(part)]


def word(part: Any) -> str:
    """What a part of a reference gives to a parameter's name."""
    text = str(part) if isinstance(part, str | int) else ""
    return re.sub(r"[^A-Za-z0-9]+", "_", text.removeprefix("OS::")).strip("_")


def type_for(value: Any) -> str:
    """The type of a parameter that is to have this value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "json"
