"""Parameters: declared in the template, given by the user, coerced and constrained."""

import difflib
import json
import math
from collections.abc import Mapping
from typing import Any

from mantle.lib.patterns import Unreadable, check_pattern
from mantle.model.errors import Findings, Path, Problem
from mantle.model.graph import ParameterDefinition, ParameterType
from mantle.model.schema import (
    AllowedPattern,
    AllowedValues,
    Constraint,
    Custom,
    Length,
    Modulo,
    Range,
)
from mantle.model.values import Unknown
from mantle.template.asked import Asked
from mantle.template.constraints import Check, asks_more, is_known, why_not
from mantle.template.environment import Environment
from mantle.template.load import Document

PSEUDO = ("OS::stack_name", "OS::stack_id", "OS::project_id")
RESERVED = {*PSEUDO, "OS::region"}

KEYS = {
    "type", "label", "description", "default", "hidden", "constraints", "immutable", "tags",
    "schema",
}  # fmt: skip

TRUE = {"1", "t", "true", "on", "y", "yes"}
FALSE = {"0", "f", "false", "off", "n", "no"}


class Unfit(ValueError):
    """A value that cannot be made the parameter's type; the text says why."""


def coerce(kind: ParameterType, value: Any) -> Any:
    """The value as the type has it; raises `Unfit`. The edges are Heat's (reference section 3)."""
    match kind:
        case ParameterType.STRING:
            return value if isinstance(value, str) else str(value)
        case ParameterType.NUMBER:
            return _number(value)
        case ParameterType.BOOLEAN:
            text = str(value).strip().lower()
            if text in TRUE | FALSE:
                return text in TRUE
            known = ", ".join(sorted(TRUE | FALSE))
            raise Unfit(f"Unrecognized value '{value}', acceptable values are: {known}")
        case ParameterType.LIST:
            if isinstance(value, list):
                return [str(item) for item in value]
            if isinstance(value, str):
                return value.split(",") if value else []
            raise Unfit(f"Value must be a comma-delimited list string: {value}")
        case ParameterType.JSON:
            return _json(value)


def _number(value: Any) -> Any:
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) else _finite(value)
    except (ValueError, TypeError):
        pass
    try:
        return _finite(value)
    except (ValueError, TypeError) as error:
        raise Unfit(f"could not convert string to float: '{str(value)[:100]}'") from error


def _finite(value: Any) -> float:
    """JSON has no infinity, and nothing equals nan: neither is a number here."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str) and value:
        try:
            return json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Unfit(f"Value must be valid JSON: {error}") from error
    return value


def _no_constant(text: str) -> Any:
    """Python would read NaN and Infinity, which are no JSON."""
    message = f"{text} is no JSON"
    raise ValueError(message)


class Parameters:
    """Reads the section and resolves the values, collecting problems."""

    def __init__(
        self,
        document: Document,
        version: str,
        findings: Findings,
        custom: Mapping[str, Check],
        asked: list[Asked] | None = None,
    ) -> None:
        self.document = document
        self.version = version
        self.findings = findings
        self.custom = custom
        self.asked = asked

    def _add(self, code: str, message: str, path: Path, remedy: str = "", fault: str = "") -> None:
        self.findings.add(
            code,
            message,
            path,
            mark=self.document.mark(path),
            remedy=remedy,
            fault=fault or "StackValidationFailed",
        )

    # --- declarations ------------------------------------------------------------------------

    def declared(self, section: Any) -> dict[str, ParameterDefinition]:
        """Every usable declaration of the section."""
        if section is None:
            return {}
        if not isinstance(section, dict):
            self._add("section", '"parameters" section must be a map.', ("parameters",),
                      "Write each parameter as `NAME: {type: …}`.")  # fmt: skip
            return {}
        found: dict[str, ParameterDefinition] = {}
        for name, body in section.items():
            definition = self._definition(str(name), body, ("parameters", name))
            if definition is not None:
                found[definition.name] = definition
        return found

    def _definition(self, name: str, body: Any, path: Path) -> ParameterDefinition | None:
        if name in RESERVED:
            self._add("reserved", f"The name {name!r} is reserved.", path, "Choose another.")
            return None
        if not isinstance(body, dict):
            self._add("parameter", f"Parameter {name!r} must be a map.", path, "Give it a type.")
            return None
        self._unknown_keys(name, body, path)
        kind = self._type(name, body, path)
        if kind is None:
            return None
        constraints = self._constraints(name, kind, body.get("constraints"), path)
        default = body.get("default")
        has_default = default is not None
        if has_default:
            try:
                default = coerce(kind, default)
            except Unfit as error:
                self._add(
                    "parameter-default",
                    f"The default of parameter {name!r} does not fit its type {kind}: {error}",
                    (*path, "default"),
                    f"Write a {FIT[kind]}, or leave the default out.",
                )
                has_default = False
        definition = ParameterDefinition(
            name=name,
            type=kind,
            label=str(body.get("label") or ""),
            description=str(body.get("description") or ""),
            has_default=has_default,
            default=default if has_default else None,
            hidden=self._flag(name, body, "hidden", path),
            immutable=self._flag(name, body, "immutable", path),
            constraints=constraints,
            tags=self._tags(body, path),
            path=path,
        )
        if has_default:
            for constraint in constraints:
                if isinstance(constraint, Custom):
                    continue
                why = why_not(constraint, default, self.custom)
                if why and definition.hidden:
                    why = constraint.description or "its value is hidden"
                if why:
                    self._add(
                        "parameter-default",
                        f"The default of parameter {name!r} breaks its constraint: {why}",
                        (*path, "default"),
                        "Choose a default that fits, or widen the constraint.",
                    )
        return definition

    def _unknown_keys(self, name: str, body: Mapping[Any, Any], path: Path) -> None:
        for key in body:
            known = KEYS if self.version >= "2018-03-02" else KEYS - {"tags"}
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                self._add(
                    "unknown-key",
                    f"Invalid key {str(key)!r} for parameter {name!r}.",
                    (*path, key),
                    f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}.",
                )

    def _type(self, name: str, body: Mapping[str, Any], path: Path) -> ParameterType | None:
        given = body.get("type")
        try:
            return ParameterType(str(given))
        except ValueError:
            known = ", ".join(each.value for each in ParameterType)
            what = "Missing parameter type" if given is None else f"Invalid type ({given})"
            self._add(
                "parameter-type",
                f"{what} for parameter: {name}",
                (*path, "type") if given is not None else path,
                f"Types are, in lower case: {known}.",
            )
            return None

    def _flag(self, name: str, body: Mapping[str, Any], key: str, path: Path) -> bool:
        value = body.get(key, False)
        if value is None:
            return False
        if isinstance(value, bool):
            return value
        if str(value).lower() in {"true", "false"}:
            return str(value).lower() == "true"
        self._add(
            "parameter",
            f"{key!r} of parameter {name!r} must be true or false.",
            (*path, key),
            "Write true or false; Heat would read anything else as false.",
        )
        return False

    def _tags(self, body: Mapping[str, Any], path: Path) -> tuple[str, ...]:
        tags = body.get("tags") or []
        if not isinstance(tags, list):
            self._add("parameter", "`tags` must be a list of texts.", (*path, "tags"),
                      "Write it as [TAG, TAG].")  # fmt: skip
            return ()
        return tuple(str(tag) for tag in tags)

    def _constraints(
        self, name: str, kind: ParameterType, given: Any, path: Path
    ) -> tuple[Constraint, ...]:
        if given is None:
            return ()
        path = (*path, "constraints")
        if not isinstance(given, list):
            self._add("constraint", f"The constraints of {name!r} must be a list.", path,
                      "Begin each with a dash: `- length: {min: 1}`.")  # fmt: skip
            return ()
        made = []
        for position, entry in enumerate(given):
            constraint = self._constraint(kind, entry, (*path, position))
            if constraint is not None:
                made.append(constraint)
        return tuple(made)

    def _constraint(self, kind: ParameterType, entry: Any, path: Path) -> Constraint | None:
        # Modulo is newer than the rest, and no constraint before.
        known = [each for each in FITS if each != "modulo" or self.version >= "2017-02-24"]
        if not isinstance(entry, dict):
            self._add("constraint", "A constraint must be a map.", path,
                      "Write it as `- length: {min: 1}`.")  # fmt: skip
            return None
        for key in entry:
            if key not in {*FITS, "description"}:
                self._add("constraint", f"Invalid constraint {key!r}.", (*path, key),
                          f"Known: {', '.join(known)}.")  # fmt: skip
        name = next((key for key in known if key in entry), None)
        if name is None:
            self._add("constraint", "No constraint expressed.", path,
                      f"Add one of {', '.join(known)}.")  # fmt: skip
            return None
        if kind not in FITS[name]:
            able = [each for each in known if kind in FITS[each]]
            self._add("constraint", f"{name} constraint invalid for {kind}.", (*path, name),
                      f"A {kind} takes {', '.join(able)}.")  # fmt: skip
            return None
        return self._made(kind, name, entry[name], str(entry.get("description") or ""), path)

    def _made(
        self, kind: ParameterType, name: str, body: Any, about: str, path: Path
    ) -> Constraint | None:
        try:
            match name:
                case "range":
                    low, high = _bounds(body, whole=False)
                    return Range(min=low, max=high, description=about)
                case "length":
                    shortest, longest = _bounds(body, whole=True)
                    return Length(min=shortest, max=longest, description=about)
                case "modulo":
                    return _modulo(body, about)
                case "allowed_values":
                    if not isinstance(body, list):
                        raise Unfit("allowed_values must be a list")
                    items = body
                    if kind is not ParameterType.LIST:
                        items = [coerce(kind, item) for item in body]
                    return AllowedValues(allowed=tuple(items), description=about)
                case "allowed_pattern":
                    if not isinstance(body, str):
                        raise Unfit("the pattern must be a text")
                    check_pattern(body)
                    return AllowedPattern(pattern=body, description=about)
                case _:
                    if not is_known(str(body), self.custom):
                        raise Unfit(f"constraint {body!r} not found")
                    return Custom(name=str(body), description=about)
        except (Unfit, Unreadable) as error:
            self._add("constraint", f"The constraint {name} is unusable: {error}.", (*path, name),
                      WRITTEN[name])  # fmt: skip
            return None

    # --- values ------------------------------------------------------------------------------

    def values(
        self,
        definitions: Mapping[str, ParameterDefinition],
        environment: Environment,
        *,
        require: bool,
    ) -> dict[str, Any]:
        """Each parameter's value: the user's, else parameter_defaults', else the default."""
        values: dict[str, Any] = {}
        section = self.document.data.get("parameters")
        declared = section if isinstance(section, dict) else {}
        for name in environment.parameters:
            if name not in declared:
                near = difflib.get_close_matches(name, definitions, n=1)
                self._add(
                    "unknown-parameter",
                    f"The Parameter ({name}) was not defined in template.",
                    ("parameters", name),
                    f"Did you mean {near[0]}?" if near else "Declare it, or leave it out.",
                    fault="UnknownUserParameter",
                )
        for name, definition in definitions.items():
            if name in environment.parameters and environment.parameters[name] is not None:
                values[name] = self._value(definition, environment.parameters[name])
            elif environment.parameter_defaults.get(name) is not None:
                values[name] = self._value(definition, environment.parameter_defaults[name])
            elif definition.has_default:
                values[name] = definition.default
                if require:
                    # Heat leaves these out when it checks the declaration, and looks at them here.
                    self._constrained(definition, definition.default, (Custom,))
                self._ask(definition, definition.default)
            elif require:
                self._add(
                    "missing-parameter",
                    f"The Parameter ({name}) was not provided.",
                    definition.path,
                    f"Give it a value (a {definition.type}) or a default.",
                    fault="UserParameterMissing",
                )
            else:
                values[name] = Unknown((f"parameter {name}",))
        return values

    def _value(self, definition: ParameterDefinition, given: Any) -> Any:
        try:
            value = coerce(definition.type, given)
        except Unfit as error:
            shown = "******" if definition.hidden else str(error)
            self._invalid(definition, shown)
            return given
        self._constrained(definition, value)
        self._ask(definition, value)
        return value

    def _constrained(
        self, definition: ParameterDefinition, value: Any, kinds: tuple[type, ...] = (object,)
    ) -> None:
        for constraint in definition.constraints:
            why = why_not(constraint, value, self.custom) if isinstance(constraint, kinds) else None
            if why:
                said = constraint.description or "its constraint is broken"
                self._invalid(definition, said if definition.hidden else why)

    def _ask(self, definition: ParameterDefinition, value: Any) -> None:
        """Write down what only a cloud or a clock can check; an empty value asks for nothing."""
        if self.asked is None or value in ("", [], {}):
            return
        for constraint in definition.constraints:
            if not isinstance(constraint, Custom) or not asks_more(constraint.name):
                continue
            problem = Problem(
                code="cloud-constraint",
                message=f"Parameter '{definition.name}' is invalid: ",
                path=definition.path,
                mark=self.document.mark(definition.path),
            )
            self.asked += [
                Asked(
                    constraint=constraint.name,
                    value=str(each),
                    problem=problem,
                    about=constraint.description,
                    secret=definition.hidden,
                )
                for each in (value if isinstance(value, list) else [value])
            ]

    def _invalid(self, definition: ParameterDefinition, why: str) -> None:
        self._add(
            "parameter-value",
            f"Parameter '{definition.name}' is invalid: {why}",
            definition.path,
            f"Give it a {FIT[definition.type]}"
            + (f": {definition.description}" if definition.description else ".").rstrip(),
        )


FIT: Mapping[ParameterType, str] = {
    ParameterType.STRING: "text",
    ParameterType.NUMBER: "number",
    ParameterType.BOOLEAN: "boolean (true or false)",
    ParameterType.LIST: "list, or a text of items with commas between",
    ParameterType.JSON: "map, list or JSON text",
}

FITS: Mapping[str, set[ParameterType]] = {
    "range": {ParameterType.NUMBER},
    "modulo": {ParameterType.NUMBER},
    "length": {ParameterType.STRING, ParameterType.LIST, ParameterType.JSON},
    "allowed_values": set(ParameterType) - {ParameterType.JSON},
    "allowed_pattern": {ParameterType.STRING},
    "custom_constraint": set(ParameterType) - {ParameterType.JSON},
}
"""Which types each constraint is for; in one entry the first of these counts."""

WRITTEN: Mapping[str, str] = {
    "range": "Write {min: NUMBER, max: NUMBER}; one of them is enough.",
    "modulo": "Write {step: NUMBER, offset: NUMBER}.",
    "length": "Write {min: NUMBER, max: NUMBER}, whole numbers; one of them is enough.",
    "allowed_values": "Write a list of values of the parameter's type.",
    "allowed_pattern": "Write a regular expression in quotes; it has to match the whole value.",
    "custom_constraint": "Name one that there is, such as ip_addr or nova.flavor.",
}


def _bounds(body: Any, *, whole: bool) -> tuple[Any, Any]:
    if not isinstance(body, dict) or not set(body) <= {"min", "max"}:
        raise Unfit("it needs `min`, `max` or both")
    found = []
    for key in ("min", "max"):
        value = body.get(key)
        try:
            bound = None if value is None else _number(value)
        except Unfit as error:
            raise Unfit(f"{key} {value!r} is no number") from error
        if whole and isinstance(bound, float):
            if not bound.is_integer():
                raise Unfit(f"{key} {value!r} is no whole number")
            bound = int(bound)
        found.append(bound)
    if found == [None, None]:
        raise Unfit("it needs `min`, `max` or both")
    return found[0], found[1]


def _modulo(body: Any, about: str) -> Modulo:
    if not isinstance(body, dict) or set(body) != {"step", "offset"}:
        raise Unfit("it needs `step` and `offset`")
    step, offset = (_whole(body[key]) for key in ("step", "offset"))
    if step == 0 or abs(offset) >= abs(step) or step * offset < 0:
        raise Unfit("step must not be 0, offset smaller than it and of the same sign")
    return Modulo(step=step, offset=offset, description=about)


def _whole(value: Any) -> int:
    number = value if isinstance(value, bool) else _number(value)
    if isinstance(number, bool) or (isinstance(number, float) and not number.is_integer()):
        raise Unfit("step and offset must be integers")
    return int(number)
