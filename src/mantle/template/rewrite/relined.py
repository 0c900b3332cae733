"""A template's text with some entries changed: all other lines, comments too, stay as typed.

Entries of sections (one resource, one parameter) are taken out, put in, or written anew, whole.
What comes out is read again and compared with what was meant; where lines cannot do it (a flow map,
anchors), there is no text, and the caller keeps the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from mantle.model.errors import Invalid
from mantle.template.load import as_json, parse
from mantle.template.rewrite.lines import ODD_BREAKS, compose, layout_of

FIRST = ("parameter_groups", "parameters", "conditions")
"""New sections of these names stand before the resources, others at the end."""


class _Plain(yaml.SafeDumper):
    """Writes every value where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors."""
        del data
        return True


def written(data: Mapping[str, Any]) -> str:
    """Data as YAML, in its own order."""
    text: str = yaml.dump(dict(data), Dumper=_Plain, sort_keys=False, width=100, allow_unicode=True)
    return text


def relined(text: str, wanted: Mapping[str, Any]) -> str | None:
    """The text that means `wanted`; None when its lines cannot be edited."""
    if ODD_BREAKS.search(text):
        return None
    try:
        edited = _Edit(text, wanted).done()
        return edited if _same(parse(edited).data, wanted) else None
    except (Invalid, yaml.YAMLError, _Unfit):
        return None


class _Unfit(Exception):
    """The lines do not fall into entries."""


@dataclass(slots=True)
class _Edit:
    text: str
    wanted: Mapping[str, Any]
    cuts: list[tuple[int, int, list[str]]] = field(default_factory=list)
    """(first line, line behind the last, what comes instead)."""
    lines: list[str] = field(default_factory=list)

    def done(self) -> str:
        """Edit section by section."""
        ended = self.text if self.text.endswith("\n") else self.text + "\n"
        self.lines = ended.splitlines(keepends=True)
        top = compose(ended)
        if layout_of(ended).shared or not _is_block(top):
            raise _Unfit
        data = parse(ended).data
        spans = self._spans(top, len(self.lines))
        for key, _ in top.value:
            name = key.value
            if name not in self.wanted or not _same(data[name], self.wanted[name]):
                self._section(name, data, top, spans[name])
        for name in self.wanted:
            if name not in data:
                self._new(name, spans)
        for first, last, instead in sorted(self.cuts, key=lambda cut: cut[:2], reverse=True):
            self.lines[first:last] = instead
        return "".join(self.lines)

    def _section(self, name: str, data: Any, top: Any, span: tuple[int, int]) -> None:
        body = next(value for key, value in top.value if key.value == name)
        now, then = self.wanted.get(name), data[name]
        if not (isinstance(now, dict) and isinstance(then, dict) and now and _is_block(body)):
            instead = [] if name not in self.wanted else _dumped({name: now}, 0)
            self.cuts.append((*span, instead))
            return
        entries = self._spans(body, span[1])
        column = body.value[0][0].start_mark.column
        for key, (first, last) in entries.items():
            if key not in now:
                self.cuts.append((self._with_comments(first, column), last, []))
            elif not _same(now[key], then[key]):
                self.cuts.append((first, last, _dumped({key: now[key]}, column)))
        added = {key: value for key, value in now.items() if key not in then}
        if added:
            end = max(last for _, last in entries.values())
            self.cuts.append((end, end, _dumped(added, column)))

    def _new(self, name: str, spans: Mapping[str, tuple[int, int]]) -> None:
        at = len(self.lines)
        if name in FIRST and "resources" in spans:
            at = self._with_comments(spans["resources"][0], 0)
        self.cuts.append((at, at, [*_dumped({name: self.wanted[name]}, 0), "\n"]))

    def _spans(self, node: Any, end: int) -> dict[str, tuple[int, int]]:
        """Entry to its first line and the line behind its last; each begins its own line."""
        marks = [key.start_mark for key, _ in node.value]
        firsts = [mark.line for mark in marks]
        if len(set(firsts)) < len(firsts) or any(
            self.lines[mark.line][: mark.column].strip() for mark in marks
        ):
            raise _Unfit
        spans = {}
        for (key, _), first, behind in zip(node.value, firsts, [*firsts[1:], end], strict=True):
            last = behind
            while last - 1 > first and not _own(self.lines[last - 1]):
                last -= 1
            spans[key.value] = (first, last)
        return spans

    def _with_comments(self, first: int, column: int) -> int:
        """The first of the comment lines right above that stand with the entry."""
        while first > 0 and self.lines[first - 1].startswith(" " * column + "#"):
            first -= 1
        return first


def _is_block(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _same(one: Any, other: Any) -> bool:
    """As JSON: true is not 1."""
    return as_json(one) == as_json(other)


def _own(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _dumped(data: Mapping[str, Any], column: int) -> list[str]:
    lines = written(data).splitlines(keepends=True)
    return [" " * column + line if line.strip() else line for line in lines]
