"""Entries in their usual order, each with the comments above it."""

from collections.abc import Collection, Sequence
from typing import Any

import yaml

from mantle.template.rewrite.lines import compose, layout_of

SECTIONS = (
    "heat_template_version", "HeatTemplateFormatVersion", "AWSTemplateFormatVersion",
    "description", "Description", "parameter_groups", "ParameterGroups", "parameters",
    "Parameters", "Mappings", "conditions", "Conditions", "resources", "Resources", "outputs",
    "Outputs",
)  # fmt: skip
ENTRIES = {
    "parameters": (
        "type", "label", "description", "default", "hidden", "immutable", "tags", "constraints",
    ),
    "resources": (
        "type", "description", "external_id", "condition", "depends_on", "properties", "metadata",
        "update_policy", "deletion_policy",
    ),
    "outputs": ("description", "condition", "value"),
    "Parameters": (
        "Type", "Label", "Description", "Default", "NoEcho", "MinLength", "MaxLength", "MinValue",
        "MaxValue", "AllowedValues", "AllowedPattern", "ConstraintDescription",
    ),
    "Resources": (
        "Type", "Description", "Condition", "DependsOn", "Properties", "Metadata", "UpdatePolicy",
        "DeletionPolicy",
    ),
    "Outputs": ("Description", "Condition", "Value"),
}  # fmt: skip
"""Section to the order of keys inside each of its entries; other keys follow as they stood."""


def ordered(text: str) -> str:
    """The text with sections and the keys of entries in order."""
    layout, root = layout_of(text), compose(text)
    lines = layout.lines
    _sort(lines, layout.inside, root, SECTIONS)
    text = "\n".join(lines)
    layout, root = layout_of(text), compose(text)
    lines = layout.lines
    for key, section in root.value:
        order = ENTRIES.get(key.value)
        if order is None or not _is_block_map(section):
            continue
        # Sorting an entry moves no line outside of it, so one reading serves them all.
        for _, entry in section.value:
            _sort(lines, layout.inside, entry, order)
    return "\n".join(lines)


def _is_block_map(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style


def _rank(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _is_sorted(node: Any, order: Sequence[str]) -> bool:
    ranks = [_rank(key.value, order) for key, _ in node.value]
    return ranks == sorted(ranks)


def _sort(lines: list[str], inside: Collection[int], node: Any, order: Sequence[str]) -> None:
    """Sort one map in place."""
    if not _is_block_map(node) or _is_sorted(node, order):
        return
    starts = [key.start_mark.line for key, _ in node.value]
    if len(set(starts)) < len(starts) or any(
        lines[line][: key.start_mark.column].strip()
        for line, (key, _) in zip(starts, node.value, strict=True)
    ):
        return
    heads = []
    lower = 0
    for start in starts:
        head = start
        while head > lower and _is_comment(lines[head - 1]) and head - 1 not in inside:
            head -= 1
        heads.append(head)
        lower = start + 1
    end = _end(lines, node, heads[0])
    bounds = [*heads[1:], end]
    parts = [
        (_rank(key.value, order), lines[head:bound])
        for (key, _), head, bound in zip(node.value, heads, bounds, strict=True)
    ]
    parts.sort(key=lambda part: part[0])
    lines[heads[0] : end] = [line for _, part in parts for line in part]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _end(lines: Sequence[str], node: Any, first: int) -> int:
    """The line after the map's last; comments and blanks between it and what follows stay."""
    value = node.value[-1][1]
    column = node.value[0][0].start_mark.column
    end: int = max(node.value[-1][0].end_mark.line, min(node.end_mark.line, len(lines)) - 1) + 1
    if value.end_mark.line == node.end_mark.line and value.end_mark.column > 0:
        end = max(end, value.end_mark.line + 1)
    while end - 1 > first and _is_between(lines[end - 1], column):
        end -= 1
    return end


def _is_between(line: str, column: int) -> bool:
    text = line.lstrip()
    return not text or (text.startswith("#") and len(line) - len(text) < column)
