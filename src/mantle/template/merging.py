"""Parameters of several environment files as one, by the strategy each parameter has.

The rules are Heat's, of its merging on the server: the first file that sets a parameter settles its
strategy (`overwrite`, unless that file says otherwise), a later file may only say the same; what a
value means depends on the type of the parameter it is for; null never overwrites; and names that no
template declares are left out as soon as there is something to merge with.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mantle.model.errors import Invalid
from mantle.model.graph import ParameterType, TemplateSource
from mantle.template.cfn import shape as cfn
from mantle.template.load import parse

OVERWRITE = "overwrite"
DEEP = "deep_merge"
STRATEGIES = frozenset({OVERWRITE, "merge", DEEP})

Kinds = Mapping[str, ParameterType | None]
"""Parameter to type, of every template that came along; None where it is no type."""

Report = Callable[[str, str], None]
"""Told a parameter's name and why its values cannot be merged."""


class Unmergeable(ValueError):
    """Two values that do not go together; the text says why."""


@dataclass(slots=True)
class Merging:
    """What is known of all the files of one request."""

    source: TemplateSource
    settled: dict[str, str] = field(default_factory=dict)
    """Parameter to the strategy it has had so far."""
    has_registry: bool = False
    """Whether a file before had one."""
    _kinds: Kinds | None = None

    @property
    def kinds(self) -> Kinds | None:
        """Read when they are first needed; None when the template itself cannot be read."""
        if self._kinds is None:
            self._kinds = _kinds_of(self.source)
        return self._kinds

    def settle(self, new: Mapping[str, Any], said: Mapping[str, str], report: Report) -> None:
        """Settle the strategies of one file's parameters, and report those that change."""
        for name, value in new.items():
            if value is None:
                continue
            usual = self.settled.get(name, said.get("default", OVERWRITE))
            strategy = said.get(name, usual)
            before = self.settled.setdefault(name, strategy)
            if before != strategy:
                report(name, f"the strategy is {strategy} here and {before} in an earlier file")

    def merged(
        self, old: Mapping[str, Any], new: Mapping[str, Any], report: Report
    ) -> dict[str, Any]:
        """A section of one file on top of those before."""
        if not old or not new:
            return dict(new or old)
        kinds, result = self.kinds, dict(old)
        for name, value in new.items():
            if value is None or (kinds is not None and name not in kinds):
                continue
            strategy = self.settled.get(name, OVERWRITE)
            if strategy == OVERWRITE:
                result[name] = value
                continue
            kind = kinds.get(name) if kinds is not None else None
            try:
                result[name] = _combined(kind, result.get(name), value, deep=strategy == DEEP)
            except Unmergeable as error:
                report(name, str(error))
        return result


def _kinds_of(source: TemplateSource) -> Kinds | None:
    own = _declared(source.template)
    if own is None:
        return None
    found: dict[str, ParameterType | None] = {}
    for text in source.files.values():
        if "arameters" in text:
            found.update(_declared(text) or {})
    return {**found, **own}


def _declared(template: str | Mapping[str, Any]) -> dict[str, ParameterType | None] | None:
    """A template's parameters; None when it is no template."""
    try:
        data = parse(template).data if isinstance(template, str) else template
    except Invalid:
        return None
    heads = {"heat_template_version", *cfn.VERSIONS}
    if not isinstance(data, Mapping) or not heads & set(data):
        return None
    section = data.get("parameters") or data.get("Parameters")
    found: dict[str, ParameterType | None] = {}
    for name, body in section.items() if isinstance(section, Mapping) else ():
        given = body.get("type") or body.get("Type") if isinstance(body, Mapping) else None
        word = cfn.TYPES.get(str(given), str(given))
        known = word in set(ParameterType)
        found[str(name)] = ParameterType(word) if known else None
    return found


def _combined(kind: ParameterType | None, before: Any, value: Any, *, deep: bool) -> Any:
    if before is None and kind is not ParameterType.BOOLEAN:
        return value
    match kind:
        case ParameterType.JSON:
            return _documents(_read(before), _read(value), deep=deep)
        case ParameterType.LIST:
            return _lists(before, value)
        case ParameterType.STRING:
            return _texts(before, value)
        case ParameterType.NUMBER:
            return _number(before) + _number(value)
        case ParameterType.BOOLEAN:
            raise Unmergeable("true or false cannot be merged")
        case None:
            return _by_value(before, value, deep=deep)


def _by_value(before: Any, value: Any, *, deep: bool) -> Any:
    """Where no type is known."""
    if isinstance(before, bool) or isinstance(value, bool):
        raise Unmergeable("true or false cannot be merged")
    if isinstance(before, dict | list):
        return _documents(before, value, deep=deep)
    return _texts(before, value) if isinstance(before, str) else _number(before) + _number(value)


def _read(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Unmergeable(f"it is no JSON: {error}") from error


def _documents(before: Any, value: Any, *, deep: bool) -> Any:
    if not before:
        return value
    if isinstance(before, dict) and isinstance(value, dict):
        return _maps(before, value, deep=deep)
    if isinstance(before, list) and isinstance(value, list):
        return [*before, *value]
    raise Unmergeable(f"{_shown(before)} and {_shown(value)} do not go together")


def _maps(before: Mapping[str, Any], value: Mapping[str, Any], *, deep: bool) -> dict[str, Any]:
    result = dict(before)
    for key, inner in value.items():
        if inner is None:
            continue
        there = result.get(key)
        if not deep or there is None or not isinstance(inner, dict | list | str):
            result[key] = inner
        elif isinstance(inner, str):
            result[key] = _texts(there, inner)
        else:
            result[key] = _documents(there, inner, deep=True)
    return result


def _lists(before: Any, value: Any) -> Any:
    """Lists and texts of items with commas between, one after the other."""
    if not all(isinstance(each, list | str) for each in (before, value)):
        raise Unmergeable(f"{_shown(before)} and {_shown(value)} are not both lists")
    if not before:
        return value
    if isinstance(before, str) and isinstance(value, str):
        return f"{before},{value}"
    return [*_items(before), *_items(value)]


def _items(value: list[Any] | str) -> list[Any]:
    return value.split(",") if isinstance(value, str) and value else list(value)


def _texts(before: Any, value: Any) -> str:
    if isinstance(before, str) and isinstance(value, str):
        return before + value
    raise Unmergeable(f"{_shown(before)} and {_shown(value)} are not both texts")


def _number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    raise Unmergeable(f"{_shown(value)} is no number")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a map"
    return "a list" if isinstance(value, list) else repr(value)[:50]
