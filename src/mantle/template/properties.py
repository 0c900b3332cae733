"""Property values against a type's schema: types, constraints, required ones, defaults.

What is not known yet (`Unknown`) or not resolved yet (`Call`) is left as it is.
"""

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

from mantle.model.errors import Findings, Mark, Path, Problem
from mantle.model.schema import EMPTY, Custom, Kind, Property, ResourceSchema, renamed
from mantle.model.values import Call, Unknown, Value
from mantle.template.asked import Asked
from mantle.template.constraints import Check, asks_more, why_not

Places = Callable[[Path], Mark | None]


def coerce_properties(
    schema: ResourceSchema,
    values: Mapping[str, Value],
    path: Path,
    findings: Findings,
    marks: Places | None = None,
    custom: Mapping[str, Check] = EMPTY,
    asked: list[Asked] | None = None,
) -> dict[str, Value]:
    """Every property of the schema with its value; problems go to `findings`.

    What only a cloud can check goes to `asked`.

    A property that is neither given nor has a default is None.
    """
    if schema.any_property:
        return dict(values)
    return _Coercer(findings, marks, custom, asked).fields(
        schema.properties, values, path, f"resource type {schema.type}"
    )


class _Coercer:
    def __init__(
        self,
        findings: Findings,
        marks: Places | None,
        custom: Mapping[str, Check],
        asked: list[Asked] | None,
    ) -> None:
        self.findings = findings
        self.marks = marks
        self.custom = custom
        self.asked = asked

    def add(self, code: str, message: str, path: Path, remedy: str = "") -> None:
        mark = self.marks(path) if self.marks is not None else None
        self.findings.add(code, message, path, mark=mark, remedy=remedy)

    def fields(
        self, known: Mapping[str, Property], values: Mapping[str, Value], path: Path, where: str
    ) -> dict[str, Value]:
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                self.add(
                    "unknown-property",
                    f"Property error: Unknown Property {name} in {where}.",
                    (*path, name),
                    f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}.",
                )
            elif values[name] is not None and values.get(known[name].alias_of) is not None:
                today = known[name].alias_of
                self.add(
                    "property-twice",
                    f"Cannot define the following properties at the same time: {today}, {name}",
                    (*path, name),
                    f"Keep {today}; {name} is an older name of it.",
                )
        result: dict[str, Value] = {}
        given = renamed(known, values)
        for name, schema in known.items():
            value = given.get(name)
            if value is not None:
                result[name] = self.value(schema, value, (*path, name))
            elif schema.default is not None:
                result[name] = schema.default
            else:
                result[name] = None
                if schema.required:
                    self.add(
                        "missing-property",
                        f"Property error: Property {name} not assigned in {where}.",
                        path,
                        f"Add `{name}`" + (f": {schema.description}" if schema.description else ""),
                    )
        return result

    def value(self, schema: Property, value: Value, path: Path) -> Value:
        if isinstance(value, Call | Unknown):
            return value
        made = self.typed(schema, value, path)
        if made is None:
            return value
        for constraint in schema.constraints:
            if isinstance(constraint, Custom) and asks_more(constraint.name):
                self.ask(constraint, made, path, secret=schema.secret)
            why = why_not(constraint, made, self.custom)
            if why:
                about = schema.description.rstrip(".")
                self.wrong(
                    path,
                    "******" if schema.secret else why,
                    f"Give a value that fits: {about}." if about else "Give a value that fits.",
                )
        return made

    def ask(self, constraint: Custom, value: Any, path: Path, *, secret: bool) -> None:
        """Write down what the cloud has to be asked; an empty text asks for nothing."""
        if self.asked is None or value == "":
            return
        dots = ".".join(str(part) for part in path)
        problem = Problem(
            code="cloud-constraint",
            message=f"Property error: : {dots}: : ",
            path=path,
            mark=self.marks(path) if self.marks is not None else None,
        )
        self.asked.append(
            Asked(
                constraint=constraint.name,
                value=str(value),
                problem=problem,
                about=constraint.description,
                secret=secret,
            )
        )

    def wrong(self, path: Path, why: str, remedy: str) -> None:
        dots = ".".join(str(part) for part in path)
        self.add("property-value", f"Property error: : {dots}: : {why}", path, remedy)

    def typed(self, schema: Property, value: Any, path: Path) -> Any:
        """The value as its kind; None after a problem."""
        match schema.kind:
            case Kind.STRING:
                if isinstance(value, str):
                    return value
                if isinstance(value, bool | int):
                    return str(value)
                self.wrong(path, "Value must be a string", "Put it into quotes.")
            case Kind.INTEGER:
                return self.integer(value, path)
            case Kind.NUMBER:
                return self.number(value, path)
            case Kind.BOOLEAN:
                if isinstance(value, bool):
                    return value
                if isinstance(value, str) and value.lower() in {"true", "false"}:
                    return value.lower() == "true"
                self.wrong(path, f'"{value}" is not a valid boolean', "Use true or false.")
            case Kind.LIST:
                return self.items(schema, value, path)
            case Kind.MAP:
                return self.map(schema, value, path)
            case Kind.ANY:
                return value
        return None

    def integer(self, value: Any, path: Path) -> Any:
        # Heat has `int` make one: it cuts fractions off, and true is one.
        if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return int(value)
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                pass
        self.wrong(path, f"Value '{str(value)[:100]}' is not an integer", "Give a whole number.")
        return None

    def number(self, value: Any, path: Path) -> Any:
        if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                pass
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if math.isfinite(number):
                return number
        self.wrong(path, f"Value '{str(value)[:100]}' is not a number", "Give a number.")
        return None

    def items(self, schema: Property, value: Any, path: Path) -> Any:
        if isinstance(value, str) and schema.splits:
            # Comma-delimited lists come down from parents as text.
            value = value.split(",") if value else []
        if not isinstance(value, list):
            self.wrong(path, f'"{str(value)[:100]}" is not a list', "Write it as [ITEM, ITEM].")
            return None
        inner = schema.items
        if inner is None:
            return value
        return [
            None if item is None else self.value(inner, item, (*path, position))
            for position, item in enumerate(value)
        ]

    def map(self, schema: Property, value: Any, path: Path) -> Any:
        if not isinstance(value, Mapping):
            self.wrong(path, f'"{str(value)[:100]}" is not a map', "Write it as {KEY: VALUE}.")
            return None
        if schema.fields is None:
            return dict(value)
        return self.fields(schema.fields, value, path, ".".join(str(part) for part in path))
