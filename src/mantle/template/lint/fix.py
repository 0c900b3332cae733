"""Repairs that change no meaning: lines are cut or a key renamed, all else stays as typed.

A repair that cannot be made in whole lines (a flow map, an anchor, a comment in between) is left
to the author. What comes out is read again and compared with what was meant, so that a mistake
here can never reach a file.
"""

import copy
from collections.abc import Collection
from typing import Any

import yaml

from mantle.model.errors import Invalid, Path
from mantle.template.lint.clouds import OLD_PROPERTIES
from mantle.template.lint.rule import Warned
from mantle.template.lint.run import lint
from mantle.template.load import parse

_MOST = 500
"""Repairs in one file; each is a pass over it."""


def fixed(
    text: str,
    file: str = "template",
    *,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
) -> str:
    """The text with every safe repair of the chosen rules made."""
    refused: set[tuple[str, Path]] = set()
    for _ in range(_MOST):
        todo = [
            one
            for one in lint(text, file, select=select, ignore=ignore)
            if one.fixable and (one.rule, one.path) not in refused
        ]
        if not todo:
            break
        one = todo[-1]
        result = _repaired(text, one)
        if result is None:
            refused.add((one.rule, one.path))
        else:
            text = result
    return text


def _repaired(text: str, one: Warned) -> str | None:
    try:
        data = parse(text).data
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (Invalid, yaml.YAMLError):
        return None
    wanted = copy.deepcopy(data)
    if one.rule == "MTL041":
        result = _renamed(text, node, wanted, one.path)
    elif one.rule in {"MTL021", "MTL022"}:
        result = _without(text, node, wanted, one.path)
    else:
        result = None
    try:
        return result if result is not None and parse(result).data == wanted else None
    except Invalid:
        return None


def _entry(node: Any, path: Path) -> tuple[Any, Any] | None:
    """Key and value nodes of what stands at the path; the key is None in a list."""
    key = None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pairs = [(one, two) for one, two in node.value if one.value == part]
            if len(pairs) != 1:
                return None
            key, node = pairs[0]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            key, node = None, node.value[part]
        else:
            return None
    return key, node


def _renamed(text: str, node: Any, wanted: Any, path: Path) -> str | None:
    entry = _entry(node, path)
    resource = wanted["resources"][path[1]]
    old = str(path[-1])
    new = OLD_PROPERTIES[resource["type"]][old]
    if entry is None or entry[0] is None or new in resource["properties"]:
        return None
    resource["properties"][new] = resource["properties"].pop(old)
    start, end = entry[0].start_mark.index, entry[0].end_mark.index
    return text[:start] + new + text[end:] if text[start:end] == old else None


def _without(text: str, node: Any, wanted: Any, path: Path) -> str | None:
    parent: Any = wanted
    for part in path[:-1]:
        parent = parent[part]
    cut = path
    if isinstance(path[-1], int) and len(parent) == 1:
        cut = path[:-1]
    elif path[0] == "conditions" and len(parent) == 1:
        cut = ("conditions",)
    holder: Any = wanted
    for part in cut[:-1]:
        holder = holder[part]
    del holder[cut[-1]]
    entry = _entry(node, cut)
    return None if entry is None else _cut_lines(text, *entry)


def _cut_lines(text: str, key: Any, value: Any) -> str | None:
    lines = text.splitlines(keepends=True)
    first = (key or value).start_mark.line
    last = value.end_mark.line
    if isinstance(value, yaml.CollectionNode) and not value.flow_style:
        # A block's end mark stands at what follows it: comments and blank lines are not its own.
        while last - 1 > first and not _own(lines[last - 1]):
            last -= 1
        last -= 1
    before = lines[first][: (key or value).start_mark.column].strip()
    if before not in {"", "-"} or (before == "-" and key is not None):
        return None
    cut = lines[first : last + 1]
    if any("#" in line for line in cut):
        return None
    return "".join([*lines[:first], *lines[last + 1 :]])


def _own(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
