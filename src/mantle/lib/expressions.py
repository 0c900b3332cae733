"""The door to CEL, the Common Expression Language: typed, without side effects, and bounded.

`cel-expr-python` wraps Google's own implementation: expressions are type-checked when compiled, a
comprehension runs at most some ten thousand rounds, nesting is limited, and regular expressions are
RE2's, which cannot blow up. What remains to be bounded, the text's length and the number of
evaluations, is up to the caller.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]

LONGEST = 4096
"""Characters of an expression."""

KINDS: Mapping[str, Any] = {
    "text": cel.Type.STRING,
    "truth": cel.Type.BOOL,
    "time": cel.Type.TIMESTAMP,
    "texts": cel.Type.List(cel.Type.STRING),
    "map": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
}
"""What a variable can be, in our words."""

_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_FOREIGN = re.compile(r"Non-CEL value type for '(.*?) -> .*", re.DOTALL)
_TOO_BIG = re.compile(r"Integer value '.*?' out of range for '(.*?) -> .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in an expression; line and column count from 1."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


class BadExpression(ValueError):
    """It cannot be compiled; `faults` holds every reason."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


class NoAnswer(ValueError):
    """It could not be evaluated over these values; the text says why and holds no value."""


@dataclass(frozen=True, slots=True)
class Values:
    """The variables' values, converted once for several expressions of one vocabulary."""

    activation: Any


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression that answers true or false."""

    text: str
    program: Any

    def holds(self, values: Values) -> bool:
        """Evaluate it; raises `NoAnswer`."""
        try:
            answer = self.program.eval(values.activation)
        except RuntimeError as error:
            raise NoAnswer(_plain(str(error))) from None
        if answer.type() == cel.Type.ERROR:
            raise NoAnswer(_plain(str(answer.value())))
        if answer.type() != cel.Type.BOOL:
            raise NoAnswer(f"it answers a {answer.type()}, not true or false")
        return bool(answer.value())


class Vocabulary:
    """The variables that expressions of one purpose may use, each with its kind (see `KINDS`)."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = dict(variables)
        self._environment = cel.NewEnv(
            variables={name: KINDS[kind] for name, kind in variables.items()}
        )
        self._compiled = lru_cache(maxsize=1024)(self._compile)

    def compile(self, text: str) -> Expression:
        """Check and compile; raises `BadExpression`. Compiling the same text again is free."""
        return self._compiled(text)

    def _compile(self, text: str) -> Expression:
        if len(text) > LONGEST:
            reason = f"it has {len(text)} characters; {LONGEST} are allowed"
            raise BadExpression((Fault(1, 1, reason),))
        if "\0" in text:
            raise BadExpression((Fault(1, 1, "it holds a null character"),))
        try:
            program = self._environment.compile(text)
        except RuntimeError as error:
            raise BadExpression(_faults(str(error))) from None
        except UnicodeEncodeError:
            raise BadExpression((Fault(1, 1, "it is not valid Unicode"),)) from None
        answers = program.return_type()
        if answers not in (cel.Type.BOOL, cel.Type.DYN):
            reason = f"it answers a {answers}, not true or false"
            raise BadExpression((Fault(1, 1, reason),))
        return Expression(text, program)

    def values(self, data: Mapping[str, Any]) -> Values:
        """The variables' values, for any number of expressions."""
        return Values(self._environment.Activation(dict(data)))


def _faults(text: str) -> tuple[Fault, ...]:
    found = tuple(
        Fault(int(line), int(column), message.strip())
        for line, column, message in _PLACE.findall(text)
    )
    return found or (Fault(1, 1, _plain(text)),)


def _plain(text: str) -> str:
    """The library's message without its status words, and without any value."""
    if found := _FOREIGN.search(text):
        return f"{found.group(1)} is of no type that expressions know"
    if found := _TOO_BIG.search(text):
        return f"{found.group(1)} is too large a number"
    text = re.sub(r"\s*\[[A-Z_]+\]$", "", text.strip())
    return re.sub(r"^[A-Z_]+: ", "", text)
