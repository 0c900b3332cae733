"""YAQL expressions over data, evaluated within bounds.

YAQL can loop over loops, and raise numbers to powers: each evaluation counts its calls and ends
when there are too many, no collection may be longer than Heat allows, no value larger; and what one
call could blow up by itself (powers, shifts, formats, regular expressions) or what is no function
of the data (time, chance) is not there. Heat's limits: 200 iterations, 10,000 bytes.
"""

import threading
from functools import cache
from typing import Any

MOST_ITEMS = 200
MOST_BYTES = 10_000
MOST_CALLS = 20_000
"""Some ten thousand calls a second: an expression that needs more is refused."""
LONGEST = 10_000
"""Characters of an expression."""

LEFT_OUT = ("pow", "shiftBitsLeft", "shiftBitsRight", "format", "random", "assert")
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
    functions = yaql.create_context(regex=False, datetime=False, yaqlized=False)
    for name in LEFT_OUT:
        here = functions
        while here is not None:
            for definition in here.get_functions(name)[0]:
                here.delete_function(definition)
            here = here.parent
    return yaql.YaqlFactory().create(options=options), functions, Counted


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
    ) as error:
        # What an expression's own mistakes raise: YAQL passes Python's errors through.
        raise YaqlError(f"the expression failed: {type(error).__name__}: {error}") from error


def _plain(value: Any) -> Any:
    """JSON data: YAQL's tuples and sets as lists."""
    match value:
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
