"""The canonical layout: two blanks a level, one blank line between sections, a quoted version."""

import re
from dataclasses import dataclass

import yaml

from mantle.model.errors import Invalid
from mantle.template.load import parse
from mantle.template.rewrite.lines import ODD_BREAKS, Layout, comment_lines, compose, layout_of
from mantle.template.rewrite.order import ordered

_VERSION = re.compile(
    r"^(heat_template_version|HeatTemplateFormatVersion|AWSTemplateFormatVersion):[ ]+"
    r"(?P<quote>['\"]?)(?P<value>[\w-]+)(?P=quote)(?P<rest>[ ]*(#.*)?)$",
    re.MULTILINE,
)
_PASSES = 4


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text laid out, or as it was, and why."""

    text: str
    left: str = ""
    """Why it was left alone; empty when it was laid out."""


def formatted(text: str, file: str = "template") -> Formatted:
    """Lay out a template. Raises `Invalid` when it is no YAML.

    What the result means is compared with what the text meant; should they differ, the text is left
    as it is. A layout that does not settle is left alone as well, so that running it twice never
    differs from running it once.
    """
    wanted = parse(text, file=file).data
    if not isinstance(wanted, dict) or ODD_BREAKS.search(text):
        return Formatted(text, "it is no map" if not ODD_BREAKS.search(text) else "odd line breaks")
    node = compose(text)
    if node.flow_style:
        return Formatted(text, "it is written in braces (JSON)")
    before = text.replace("\r\n", "\n")
    for _ in range(_PASSES):
        after = _once(before, file, wanted)
        if after is None:
            return Formatted(text, "it uses YAML in a way that is not laid out here")
        if after == before:
            return Formatted(after)
        before = after
    return Formatted(text, "its layout does not settle")


def _once(text: str, file: str, wanted: object) -> str | None:
    try:
        if not layout_of(text).shared:
            text = _kept(text, ordered(text), file, wanted)
        text = _kept(text, _VERSION.sub(_quoted, text, count=1), file, wanted)
        result = _indented(text)
        result = None if result is None else _spaced(result)
        return result if result is not None and parse(result, file=file).data == wanted else None
    except (Invalid, yaml.YAMLError):
        return None


def _kept(before: str, after: str, file: str, wanted: object) -> str:
    """The better text if it means the same."""
    try:
        return after if parse(after, file=file).data == wanted else before
    except Invalid:
        return before


def _quoted(match: re.Match[str]) -> str:
    return f'{match[1]}: "{match["value"]}"{match["rest"]}'


def _indented(text: str) -> str | None:
    layout = layout_of(text)
    lines = list(layout.lines)
    for at, start, end in sorted(layout.gaps, reverse=True):
        lines[at] = f"{lines[at][:start]} {lines[at][end:]}"
    for number, (_, wanted) in layout.entries.items():
        lines[number] = " " * wanted + lines[number].lstrip(" ")
    for number in comment_lines(layout):
        lines[number] = " " * _comment_column(layout, number) + lines[number].lstrip()
    _move_bodies(layout, lines)
    for number, old in enumerate(layout.lines):
        known = number in layout.entries or number in layout.inside
        if known or not old.strip() or old.lstrip().startswith("#"):
            continue
        if not old.startswith(("---", "...", "%")):
            return None
    return "\n".join(
        line if number in layout.inside else line.rstrip() for number, line in enumerate(lines)
    )


def _move_bodies(layout: Layout, lines: list[str]) -> None:
    for body in layout.bodies:
        owner = body.first - 1
        while owner not in layout.entries and owner > 0:
            owner -= 1
        column, wanted = layout.entries.get(owner, (0, 0))
        # `- a: |` begins two entries; the inner one is two further in for each dash.
        target = wanted + (_inner(layout.lines[owner], column, body.column))
        delta = target - body.column
        source = layout.lines[body.first : body.last + 1]
        full = [line for line in source if line.strip()]
        if body.block and not body.fixed and full:
            indent = len(full[0]) - len(full[0].lstrip(" "))
            delta = target + 2 - indent
        for number in range(body.first, body.last + 1):
            lines[number] = _shifted(layout.lines[number], delta, block=body.block)


def _inner(line: str, column: int, inner: int) -> int:
    return 2 * line[column:inner].count("-") if inner > column else 0


def _shifted(line: str, delta: int, *, block: bool) -> str:
    if not line.strip(" "):
        if not block or delta == 0:
            return line
        return line[: max(0, len(line) + delta)] if delta < 0 else line
    if delta >= 0:
        return " " * delta + line
    blanks = len(line) - len(line.lstrip(" "))
    return line[min(-delta, blanks) :]


def _comment_column(layout: Layout, number: int) -> int:
    """A comment stands with the entry below it, or, written deeper, with one above."""
    line = layout.lines[number]
    column = len(line) - len(line.lstrip())
    below = next((at for at in range(number + 1, len(layout.lines)) if at in layout.entries), None)
    now, wanted = layout.entries[below] if below is not None else (0, 0)
    if column <= now:
        return wanted
    for at in range(number - 1, -1, -1):
        entry = layout.entries.get(at)
        if entry is None:
            continue
        if now < entry[0] <= column:
            return entry[1]
        if entry[0] <= now:
            break
    return wanted


def _spaced(text: str) -> str:
    """One blank line between sections, never two, none at either end."""
    layout = layout_of(text)
    found: list[str] = []
    blank = True
    last_inside = False
    for number, line in enumerate(layout.lines):
        if number in layout.inside:
            found.append(line)
            blank, last_inside = not line.strip(), True
            continue
        if not line.strip():
            if not blank:
                found.append("")
            blank = True
            continue
        if not blank and _begins_section(layout, number):
            found.append("")
        found.append(line)
        blank, last_inside = False, False
    if not last_inside:
        while found and not found[-1]:
            found.pop()
    text = "\n".join(found)
    return text if text.endswith("\n") else text + "\n"


def _begins_section(layout: Layout, number: int) -> bool:
    """A top-level key, or the first comment of those right above it; not the file's first."""
    if not any(at in layout.entries for at in range(number)):
        return False
    if layout.lines[number - 1].startswith("#") and number - 1 not in layout.inside:
        return False
    if layout.lines[number].startswith("#"):
        at = number
        while at < len(layout.lines) and layout.lines[at].startswith("#"):
            at += 1
        number = at
    entry = layout.entries.get(number)
    if entry is None or entry[0] != 0:
        return False
    return not layout.lines[number].lower().startswith("description:")
