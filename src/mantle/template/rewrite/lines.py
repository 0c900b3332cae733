"""A YAML text as lines that belong to something: entries, scalars of many lines, comments.

Formatters that build the data and write it anew lose or move comments. Here lines stay lines; what
PyYAML's nodes tell is only which line begins an entry and which ones are inside a value.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

ODD_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
"""YAML ends lines here as well; such a text has other lines than these modules count."""


@dataclass(slots=True)
class Body:
    """A value of many lines: how far it moves follows from where its entry went."""

    first: int
    last: int
    column: int
    """Of the entry it belongs to."""
    block: bool
    """Literal or folded, and so indented by its first line."""
    fixed: bool
    """The text says itself how deep it is indented (`|2`)."""


@dataclass(slots=True)
class Layout:
    """What each line is."""

    lines: list[str]
    entries: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Line to (column now, column wanted)."""
    gaps: list[tuple[int, int, int]] = field(default_factory=list)
    """(line, from, to): blanks that should be one."""
    bodies: list[Body] = field(default_factory=list)
    inside: set[int] = field(default_factory=set)
    """Lines within a value."""
    shared: bool = False
    """Anchors are used, so that order matters."""


def compose(text: str) -> Any:
    """The nodes, with marks. Raises `yaml.YAMLError`."""
    return yaml.compose(text, Loader=yaml.CSafeLoader)


def layout_of(text: str) -> Layout:
    """Read the lines of a text that is known to be YAML."""
    layout = Layout(text.split("\n"))
    _Walk(layout).node(compose(text), 0, 0, -1, -1)
    return layout


class _Walk:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.seen: set[int] = set()

    def node(self, node: Any, wanted: int, column: int, after: int, line: int) -> None:
        """`wanted`, `column`, `line`: of the entry that holds it; `after`: where its key ends."""
        if node.start_mark.index < after or id(node) in self.seen:
            self.layout.shared = True  # an alias: the node stands elsewhere
            return
        self.seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            if isinstance(node, yaml.MappingNode):
                self._map(node, wanted)
            else:
                self._list(node, wanted)
            return
        first, last = node.start_mark.line, node.end_mark.line
        first += first == line
        block = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}
        if block and node.end_mark.column == 0:
            last -= 1
        last = min(last, len(self.layout.lines) - 1)
        if last >= first:
            header = self.layout.lines[node.start_mark.line][node.start_mark.column :].split("#")[0]
            fixed = block and any(sign.isdigit() for sign in header)
            self.layout.bodies.append(Body(first, last, column, block, fixed))
            self.layout.inside.update(range(first, last + 1))

    def _map(self, node: Any, wanted: int) -> None:
        for key, value in node.value:
            mark = key.start_mark
            self._entry(mark.line, mark.column, wanted)
            end = key.end_mark
            line = self.layout.lines[end.line]
            start = value.start_mark
            if start.line == end.line and start.index > end.index:
                between = line[end.column : start.column]
                if between.strip() == ":" and between.startswith(":"):
                    self.layout.gaps.append((end.line, end.column + 1, start.column))
            self.node(value, wanted + 2, mark.column, end.index, end.line)

    def _list(self, node: Any, wanted: int) -> None:
        column = node.start_mark.column
        before = node.start_mark.line
        for item in node.value:
            line = item.start_mark.line
            if item.start_mark.index < node.start_mark.index or id(item) in self.seen:
                self.layout.shared = True
                continue
            while line > before and not self.layout.lines[line].startswith("-", column):
                line -= 1
            self._entry(line, column, wanted)
            if line == item.start_mark.line and _blank(
                self.layout.lines[line], column + 1, item.start_mark.column
            ):
                self.layout.gaps.append((line, column + 1, item.start_mark.column))
            self.node(item, wanted + 2, column, -1, line)
            before = max(line, item.start_mark.line)

    def _entry(self, line: int, column: int, wanted: int) -> None:
        # The first entry of a line is the outermost; `- a: 1` begins two.
        self.layout.entries.setdefault(line, (column, wanted))


def _blank(line: str, start: int, end: int) -> bool:
    return start < end and not line[start:end].strip()


def comment_lines(layout: Layout) -> Iterator[int]:
    """Lines that are a comment and nothing else."""
    for number, line in enumerate(layout.lines):
        if number not in layout.inside and line.lstrip().startswith("#"):
            yield number
