"""Policy rules out of YAML files, each with the line its expression is written on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mantle.cli.exits import Exit, Stop

FIELDS = {"effect", "expression", "actions", "resource_types", "description"}


def rules_in(path: Path, only: str | None = None) -> dict[str, dict[str, Any]]:
    """The file's rules by name; with `only`, that one."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(Exit.USAGE, f"Cannot read {path}: {error}") from None
    except yaml.YAMLError as error:
        raise Stop(Exit.INVALID, f"{path} is not YAML: {error}") from None
    if not isinstance(data, dict) or not all(isinstance(one, dict) for one in data.values()):
        raise Stop(
            Exit.INVALID,
            f"{path} holds no rules.",
            remedy="Write a map: NAME: {effect: deny, expression: ...}.",
        )
    if only is not None and only not in data:
        raise Stop(Exit.INVALID, f"{path} has no rule {only!r}.")
    lines = dict(_lines(node))
    rules: dict[str, dict[str, Any]] = {}
    for name, rule in data.items():
        if only is not None and name != only:
            continue
        unknown = sorted(str(key) for key in rule if key not in FIELDS)
        if unknown:
            raise Stop(
                Exit.INVALID,
                f"{path}: rule {name!r} has {', '.join(unknown)}.",
                remedy=f"A rule has {', '.join(sorted(FIELDS))}.",
            )
        rules[str(name)] = {
            "effect": "deny",
            **rule,
            "origin": f"{path.name}:{lines.get(str(name), 1)}",
        }
    return rules


def _lines(node: Any) -> Iterator[tuple[str, int]]:
    """Name to the line of its expression, from 1; a block text begins below its key."""
    for name, rule in node.value:
        for key, value in getattr(rule, "value", ()):
            if key.value == "expression":
                block = getattr(value, "style", None) in {"|", ">"}
                yield str(name.value), value.start_mark.line + (2 if block else 1)
