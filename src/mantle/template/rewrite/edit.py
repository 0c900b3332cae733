"""Writes one value into a template's text and leaves every other character where it is.

Comments, order and layout belong to whoever wrote them. The place is found by PyYAML's nodes, the
new value is written as JSON (which YAML is too), and the result is read again: where it does not
say exactly what it should (anchors, merged maps), the text is written anew from the data.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from mantle.model.errors import Invalid
from mantle.template.load import parse
from mantle.template.rewrite.lines import compose
from mantle.template.rewrite.side import copied

_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def with_value(text: str, path: Sequence[str | int], value: Any) -> str:
    """The text with this value at the path; maps on the way that are not there are made."""
    wanted = _put(copied(parse(text).data), path, value)
    edited = _edited(text, path, value)
    if edited is not None and _says(edited, wanted):
        return edited
    written: str = yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True)
    if not _says(written, wanted):
        # Some characters survive only as escapes.
        written = yaml.safe_dump(wanted, sort_keys=False)
    return written


def _says(text: str, wanted: Any) -> bool:
    try:
        return bool(parse(text).data == wanted)
    except Invalid:
        return False


def put_value(data: Any, path: Sequence[str | int], value: Any) -> Any:
    """The same for a template that came as data."""
    return _put(copied(data), path, value)


def _put(data: Any, path: Sequence[str | int], value: Any) -> Any:
    if not path:
        return value
    first, *rest = path
    if isinstance(data, list) and isinstance(first, int):
        data[first] = _put(data[first], rest, value)
        return data
    made = data if isinstance(data, dict) else {}
    made[first] = _put(made.get(first), rest, value)
    return made


def _edited(text: str, path: Sequence[str | int], value: Any) -> str | None:
    """None when there is no node to write at."""
    node = compose(text)
    for position, part in enumerate(path):
        rest = path[position + 1 :]
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            continue
        if not isinstance(node, yaml.MappingNode):
            return None
        pair = next((pair for pair in node.value if pair[0].value == part), None)
        if pair is None:
            return _inserted(text, node, str(part), _nested(rest, value))
        key, node = pair
        if not rest or not isinstance(node, yaml.CollectionNode):
            return _replaced(text, key, node, _nested(rest, value))
    return None


def _nested(path: Sequence[str | int], value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


def _replaced(text: str, key: Any, node: Any, value: Any) -> str:
    start, end = key.end_mark.index, _end(node)
    # A literal text ends behind its last line.
    behind = "\n" if text[start:end].endswith("\n") else ""
    return f"{text[:start]}: {_json(value)}{behind}{text[end:]}"


def _end(node: Any) -> int:
    """Where the last character of a node stands; a block's own mark is behind what follows it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _inserted(text: str, node: Any, name: str, value: Any) -> str | None:
    """Before the first key: that is the one place where the indentation is known."""
    if node.flow_style:
        start = node.start_mark.index + 1
        comma = ", " if node.value else ""
        return f"{text[:start]}{_json(name)}: {_json(value)}{comma}{text[start:]}"
    if not node.value:
        return None
    mark = node.value[0][0].start_mark
    entry = f"{name}: {_json(value)}\n{' ' * mark.column}"
    return f"{text[: mark.index]}{entry}{text[mark.index :]}"


def _json(value: Any) -> str:
    """As JSON, with what YAML would take for a line's end or no text at all escaped."""
    return _ODD.sub(lambda odd: f"\\u{ord(odd[0]):04x}", json.dumps(value, ensure_ascii=False))
