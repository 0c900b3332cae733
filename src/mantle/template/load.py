"""YAML and JSON text to plain data, with the line and column of every node.

Built on libyaml's events: the parser in C finds the structure, this module builds the data, so that
every key and item keeps its place, a duplicate key is refused and an alias is counted each time it
is used (a "YAML bomb" is small text that means millions of nodes). Scalars mean what PyYAML's safe
loader makes of them, except that timestamps stay text, as Heat has it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from mantle.model.errors import Findings, Mark, Path

MOST_BYTES = 4 * 1024 * 1024
"""Of one document. Heat's default is 512 KiB; 20,000 resources need about 2 MiB."""
MOST_NODES = 1_000_000
"""After every alias is expanded."""
MOST_DEPTH = 64

_STR = "tag:yaml.org,2002:str"
_CONTAINERS = {None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_MERGE = "tag:yaml.org,2002:merge"
_RESOLVERS = Resolver.yaml_implicit_resolvers
_scalars = SafeConstructor()


def _integer(node: ScalarNode) -> int:
    """As PyYAML has it: with signs and bases, minutes and seconds; mostly it is just digits."""
    text = node.value
    plain = text.isdecimal() and not text.startswith("0")
    return int(text) if plain else _scalars.construct_yaml_int(node)


_MAKE: dict[str, Callable[[ScalarNode], Any]] = {
    "tag:yaml.org,2002:int": _integer,
    "tag:yaml.org,2002:float": _scalars.construct_yaml_float,
    "tag:yaml.org,2002:bool": _scalars.construct_yaml_bool,
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:timestamp": lambda node: node.value,
    "tag:yaml.org,2002:value": lambda node: node.value,
    _MERGE: lambda node: node.value,
    _STR: lambda node: node.value,
}

_HARMLESS = {"duplicate-key", "tag", "scalar", "merge", "key"}
"""Problems that leave data to look at."""

Places = dict[Any, Any] | list[Any] | None
"""Beside the data: for a map or list, each key's or item's (line, column, places inside)."""


@dataclass(frozen=True, slots=True)
class Document:
    """Data and where each part of it stands."""

    data: Any
    file: str
    places: Places = field(default=None, repr=False)

    def mark(self, path: Path) -> Mark | None:
        """The place of what stands at this path, or of its nearest parent that has one."""
        found: Mark | None = None
        here = self.places
        for part in path:
            try:
                line, column, here = here[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                break
            found = Mark(self.file, line, column)
        if found is None and self.places is not None:
            return Mark(self.file, 1, 1)
        return found


def parse(
    text: str,
    *,
    file: str = "template",
    most_bytes: int = MOST_BYTES,
    collect: Findings | None = None,
) -> Document:
    """Text to data. Raises `Invalid` with every problem found, each with line and column.

    With `collect`, problems that leave usable data (a duplicate key) are put there instead, so that
    they can be reported together with what is found later.
    """
    findings = Findings()
    if len(text) > most_bytes or len(text.encode(errors="surrogatepass")) > most_bytes:
        findings.add(
            "too-large",
            f"{file} has {len(text):,} characters; {most_bytes:,} bytes are allowed.",
            mark=Mark(file, 1, 1),
            remedy="Split it into nested templates, or move long texts into files; an operator "
            "raises the limit with --max-template-size.",
            fault="RequestLimitExceeded",
        )
        findings.raise_if_any()
    builder = _Builder(file, findings)
    try:
        data, places = builder.build(text)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(file, place.line + 1, place.column + 1) if place else Mark(file, 1, 1)
        why = " ".join(part for part in (error.context, error.problem) if part)
        findings.add(
            "syntax",
            f"This is not YAML: {why}.",
            mark=mark,
            remedy="Look at the indentation and quotes here and in the line before.",
            fault="HTTPBadRequest",
        )
    except yaml.YAMLError as error:
        findings.add(
            "syntax",
            f"This is not YAML: {str(error).splitlines()[0]}",
            mark=Mark(file, 1, 1),
            remedy="Remove characters that are no text.",
            fault="HTTPBadRequest",
        )
    except UnicodeError:
        findings.add(
            "syntax",
            "The text holds broken characters (lone surrogates).",
            mark=Mark(file, 1, 1),
            remedy="Save it as UTF-8.",
            fault="HTTPBadRequest",
        )
    if collect is not None and all(each.code in _HARMLESS for each in findings.problems):
        collect.problems.extend(findings.problems)
    else:
        findings.raise_if_any()
    # What is neither map nor list has no places inside, and still stands in a text.
    return Document(data, file, {} if places is None else places)


def document_of(data: Mapping[str, Any], file: str = "template") -> Document:
    """Data that came as JSON: it has no lines. Bounded like text."""
    findings = Findings()
    nodes = 0
    pending: list[tuple[Any, Path]] = [(data, ())]
    while pending:
        value, path = pending.pop()
        nodes += 1
        if nodes > MOST_NODES or len(path) > MOST_DEPTH:
            what = "deeper" if len(path) > MOST_DEPTH else "larger"
            findings.add(
                "too-large",
                f"The template is {what} than allowed "
                f"({MOST_DEPTH} levels, {MOST_NODES:,} values).",
                path[:8],
                remedy="Use nested templates.",
                fault="RequestLimitExceeded",
            )
            findings.raise_if_any()
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if isinstance(inner, dict | list):
                    pending.append((inner, (*path, key)))
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                if isinstance(inner, dict | list):
                    pending.append((inner, (*path, position)))
    return Document(data, file)


class _Frame:
    """A map or list being built."""

    __slots__ = ("anchor", "data", "key", "key_mark", "mark", "merges", "places", "start")

    def __init__(self, data: Any, places: Any, anchor: str | None, mark: Any, start: int) -> None:
        self.data = data
        self.places = places
        self.anchor = anchor
        self.mark = mark
        self.key: Any = _NO_KEY
        self.key_mark: Any = None
        self.merges: list[Any] = []
        self.start = start


_NO_KEY = object()


class _Builder:
    def __init__(self, file: str, findings: Findings) -> None:
        self.file = file
        self.findings = findings
        self.nodes = 0
        self.anchors: dict[str, tuple[Any, Places, int]] = {}

    def build(self, text: str) -> tuple[Any, Places]:
        """Walk the events once."""
        stack: list[_Frame] = []
        root: tuple[Any, Places] | None = None
        documents = 0
        done: tuple[Any, Any, Any, Any, int]
        events = yaml.CSafeLoader(text)
        while events.check_event():
            event: Any = events.get_event()
            kind = type(event)
            if kind is ScalarEvent:
                self._count(1, event)
                done = (self._scalar(event), None, event.start_mark, event.anchor, 1)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if event.tag not in _CONTAINERS:
                    self._tag(event)
                empty: Any = {} if kind is MappingStartEvent else []
                places: Any = {} if kind is MappingStartEvent else []
                stack.append(_Frame(empty, places, event.anchor, event.start_mark, self.nodes))
                self._count(1, event)
                if len(stack) > MOST_DEPTH:
                    self._stop(
                        event, f"The nesting is deeper than the {MOST_DEPTH} levels allowed."
                    )
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                frame = stack.pop()
                for merged in frame.merges:
                    self._merge(frame, merged)
                size = self.nodes - frame.start
                done = (frame.data, frame.places, frame.mark, frame.anchor, size)
            elif kind is AliasEvent:
                known = self.anchors.get(event.anchor)
                if known is None:
                    self._stop(
                        event,
                        f"The alias *{event.anchor} names no anchor that is complete.",
                        "syntax",
                        f"Write &{event.anchor} before a value that ends above this line.",
                    )
                    raise AssertionError
                self._count(known[2], event)
                done = (known[0], known[1], event.start_mark, None, known[2])
            else:
                if kind is DocumentStartEvent:
                    documents += 1
                    if documents > 1:
                        self._stop(
                            event,
                            "There is more than one document in this file.",
                            "syntax",
                            "Keep one, without the line `---` between them.",
                        )
                continue
            value, inner, mark, anchor, size = done
            if anchor is not None:
                self.anchors[anchor] = (value, inner, size)
            if not stack:
                root = (value, inner)
            else:
                self._attach(stack[-1], value, inner, mark, event)
        return root if root is not None else (None, None)

    def _attach(self, frame: _Frame, value: Any, inner: Places, mark: Any, event: Any) -> None:
        if type(frame.data) is list:
            frame.data.append(value)
            frame.places.append((mark.line + 1, mark.column + 1, inner))
            return
        if frame.key is _NO_KEY:
            frame.key_mark = mark
            if type(event) is ScalarEvent:
                # Keys are names: `on:` and `1:` mean their text here, not true and one.
                frame.key = _MERGE if value == "<<" and not event.style else event.value
                return
            if type(value) is dict or type(value) is list:
                self._problem(event, "key", "A key must be plain text, not a map or a list.")
            frame.key = str(value)
            return
        key, place = frame.key, frame.key_mark
        frame.key = _NO_KEY
        if key is _MERGE:
            frame.merges.append((value, inner, place))
            return
        if key in frame.data:
            first = frame.places[key]
            self.findings.add(
                "duplicate-key",
                f"The key {str(key)[:100]!r} stands here twice; the first is in line {first[0]}.",
                mark=Mark(self.file, place.line + 1, place.column + 1),
                remedy="Remove or rename one of them.",
            )
        frame.data[key] = value
        frame.places[key] = (place.line + 1, place.column + 1, inner)

    def _merge(self, frame: _Frame, merged: Any) -> None:
        value, inner, place = merged
        sources = value if isinstance(value, list) else [value]
        inners = inner if isinstance(value, list) else [(0, 0, inner)]
        for source, (_, _, where) in zip(sources, inners or [], strict=False):
            if not isinstance(source, dict):
                self.findings.add(
                    "merge",
                    "Only maps can be merged with `<<`.",
                    mark=Mark(self.file, place.line + 1, place.column + 1),
                    remedy="Name a map, or a list of maps.",
                )
                return
            for key, item in source.items():
                if key not in frame.data:
                    frame.data[key] = item
                    line = place.line + 1, place.column + 1, None
                    frame.places[key] = where.get(key, line) if where else line

    def _scalar(self, event: Any) -> Any:
        value = event.value
        tag = event.tag
        if tag is None or tag == "!":
            if event.style or not event.implicit[0]:
                return value
            for candidate, pattern in _RESOLVERS.get(value[:1], ()):
                if pattern.match(value):
                    tag = candidate
                    break
            else:
                return value
        make = _MAKE.get(tag)
        if make is None:
            self._tag(event)
            return value
        try:
            return make(ScalarNode(tag, value))
        except (ValueError, KeyError, IndexError, OverflowError):
            self._problem(event, "scalar", f"{value[:100]!r} is no {tag.rsplit(':', 1)[-1]}.")
            return value

    def _tag(self, event: Any) -> None:
        self._problem(event, "tag", f"The tag {event.tag} is not known here.")

    def _count(self, nodes: int, event: Any) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            self._stop(
                event,
                f"With its aliases expanded it has more than {MOST_NODES:,} values.",
            )

    def _problem(self, event: Any, code: str, message: str) -> None:
        mark = event.start_mark
        self.findings.add(
            code,
            message,
            mark=Mark(self.file, mark.line + 1, mark.column + 1),
            remedy="Write it as plain YAML.",
        )

    def _stop(
        self,
        event: Any,
        message: str,
        code: str = "too-large",
        remedy: str = "Split the template into nested ones.",
    ) -> None:
        mark = event.start_mark
        self.findings.add(
            code,
            message,
            mark=Mark(self.file, mark.line + 1, mark.column + 1),
            remedy=remedy,
            fault="RequestLimitExceeded" if code == "too-large" else "HTTPBadRequest",
        )
        self.findings.raise_if_any()


def as_json(value: Any) -> str:
    """JSON with sorted keys, as Heat puts maps and lists into texts."""
    return json.dumps(value, sort_keys=True)
