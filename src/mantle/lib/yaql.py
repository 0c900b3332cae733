"""YAQL expressions over data, evaluated within bounds.

YAQL can loop over loops, and raise numbers to powers: each evaluation counts its calls and ends
when there are too many, no collection may be longer than Heat allows, no value larger; and what one
call could blow up by itself is ours (patterns, powers, repetition: see `yaql_bounded.py`) or not
there (shifts, formats), nor is what is no function of the data (the time, the machine's time zone,
chance): a plan would show another value than its operation finds. Dates and spans are there, as
YAQL's own (`yaql_dates.py`). Heat's limits: 200 iterations, 10,000 bytes.
"""

import math
import threading
from collections.abc import Collection
from functools import cache
from typing import Any

MOST_ITEMS = 200
MOST_BYTES = 10_000
MOST_CALLS = 20_000
"""Some ten thousand calls a second: an expression that needs more is refused."""
LONGEST = 10_000
"""Characters of an expression."""

LEFT_OUT = (
    "pow", "shiftBitsLeft", "shiftBitsRight", "format", "random", "assert", "now", "localtz",
    "range", "sequence", "cycle", "repeat", "generate", "generateMany",
)  # fmt: skip
"""What one call could blow up, or go on for ever with. Some are ours instead."""

REPEATS = {"list_by_int", "int_by_list", "string_by_int", "int_by_string"}
"""What `*` does to lists and texts: the memory is taken before it is counted."""

WIDEST_BITS = 4096
"""Of a number that comes out."""
_lock = threading.Lock()
"""The parser has a state of its own while it reads one expression."""


class YaqlError(ValueError):
    """The expression cannot be read or evaluated; `str()` says why."""


class _TooMuch(Exception):
    """The evaluation has used up its calls."""


@cache
def _engine() -> tuple[Any, Any, Any]:
    """The parser, the functions there are, and the class of contexts that count."""
    import yaql  # noqa: PLC0415 - a quarter of a second that few templates need
    from yaql.language import contexts  # noqa: PLC0415

    from mantle.lib.yaql_bounded import FUNCTIONS, register  # noqa: PLC0415
    from mantle.lib.yaql_dates import DATES  # noqa: PLC0415

    class Counted(contexts.Context):  # type: ignore[misc]
        """A context whose calls, and those of all contexts below it, are counted together."""

        def __init__(self, parent: Any = None, data: Any = None, convention: Any = None) -> None:
            del data
            super().__init__(parent, convention=convention)
            self.left: list[int] = parent.left if isinstance(parent, Counted) else [MOST_CALLS]

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Every operator, look-up and function comes through here."""
            self.left[0] -= 1
            if self.left[0] < 0:
                raise _TooMuch
            return super().__call__(*args, **kwargs)

    options = {"yaql.limitIterators": MOST_ITEMS, "yaql.memoryQuota": MOST_BYTES}
    functions = yaql.create_context(regex=False, yaqlized=False)
    for name in LEFT_OUT:
        _remove(functions, name)
    _remove(functions, "datetime", {"datetime_from_string"})
    _remove(functions, "#operator_*", REPEATS)
    functions.register_function(_range, name="range")
    register(functions, FUNCTIONS)
    register(functions, DATES)
    return yaql.YaqlFactory().create(options=options), functions, Counted


def _remove(context: Any, name: str, only: Collection[str] = ()) -> None:
    here = context
    while here is not None:
        for definition in list(here.get_functions(name)[0]):
            if not only or definition.payload.__name__ in only:
                here.delete_function(definition)
        here = here.parent


def _range(start: int, stop: int | None = None, step: int = 1) -> list[int]:
    """As YAQL's, no longer than a collection may be."""
    numbers = range(start) if stop is None else range(start, stop, step)
    if len(numbers) > MOST_ITEMS:
        message = f"a range may have {MOST_ITEMS} numbers"
        raise ValueError(message)
    return list(numbers)


def parse(expression: str) -> Any:
    """The expression, read; raises `YaqlError`."""
    if len(expression) > LONGEST:
        text = f"an expression may have {LONGEST:,} characters, this has {len(expression):,}"
        raise YaqlError(text)
    from yaql.language.exceptions import YaqlException  # noqa: PLC0415

    try:
        with _lock:
            return _engine()[0](expression)
    except (YaqlException, RecursionError, ValueError) as error:
        raise YaqlError(f"the expression cannot be read: {error}") from error


def evaluate(expression: str, data: Any) -> Any:
    """The expression's value over `$.data`, as JSON data; raises `YaqlError`."""
    parsed = parse(expression)
    from yaql.language.exceptions import YaqlException  # noqa: PLC0415

    _, functions, counted = _engine()
    try:
        return _plain(parsed.evaluate(data={"data": data}, context=counted(functions)))
    except _TooMuch:
        raise YaqlError(f"the expression takes more than {MOST_CALLS:,} steps") from None
    except RecursionError:
        raise YaqlError("the expression is nested too deeply") from None
    except (
        YaqlException,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        ArithmeticError,
        StopIteration,
        MemoryError,
        OSError,
    ) as error:
        # What an expression's own mistakes raise: YAQL passes Python's errors through.
        raise YaqlError(f"the expression failed: {type(error).__name__}: {error}") from error


def _plain(value: Any) -> Any:
    """JSON data: YAQL's tuples and sets as lists."""
    match value:
        case int() if value.bit_length() > WIDEST_BITS:
            raise YaqlError("the expression gives a number that is too large")
        case float() if not math.isfinite(value):
            raise YaqlError(f"the expression gives {value}, which is no JSON")
        case str() | int() | float() | bool() | None:
            return value
        case dict():
            return {str(key): _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case set() | frozenset():
            return sorted((_plain(part) for part in value), key=repr)
        case _:
            return str(value)
