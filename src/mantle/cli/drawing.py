"""The stack tree and the plan, drawn with rich."""

import json
import math
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from mantle.cli.tree import WAITING, Node, Row, StackTree

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_EACH_SECOND = 10
LINES_BESIDES_TREE = 6
"""The heading, the count line and some air, so that the picture never scrolls."""


def draw_tree(tree: StackTree, *, now: float, lines: int, note: str = "") -> RenderableType:
    """The tree as it stands `now`, in at most `lines` lines."""
    rows, left_out = tree.rows(max(3, lines - LINES_BESIDES_TREE))
    width = max([len(row.node.name) + 3 * row.depth for row in rows], default=10)
    parts: list[RenderableType] = [_heading(tree, now)]
    parts.extend(_row(row, width, now) for row in rows)
    if left_out:
        parts.append(Text(f"   … and {left_out} more that need no watching", style="dim"))
    parts.append(_counts(tree))
    if note:
        parts.append(Text(note, style="yellow"))
    return Group(*parts)


def _heading(tree: StackTree, now: float) -> Text:
    text = Text.assemble(_sign(tree.root, now), " ", (tree.stack_name, "bold"), "  ")
    text.append(_words(tree.root.state), style=_style(tree.root))
    return text.append(_elapsed(tree.root, now), style="dim")


def _row(row: Row, width: int, now: float) -> Text:
    node = row.node
    elbow = "".join("   " if last else "│  " for last in row.lasts[:-1])
    elbow += "└─ " if row.lasts[-1] else "├─ "
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(elbow, style="dim")
    text.append_text(_sign(node, now))
    text.append(f" {node.name:<{width - 3 * row.depth}}  ")
    text.append(f"{node.type:<30} ", style="dim")
    text.append(f"{_words(node.state):<14}", style=_style(node))
    text.append(f"{_elapsed(node, now):>8}", style="dim")
    if node.reason and (node.failed or (node.running and not _plain(node.reason))):
        text.append(f"  {node.reason.splitlines()[0]}", style="red" if node.failed else "dim")
    return text


def _plain(reason: str) -> bool:
    """A reason that says no more than the state does."""
    return reason.lower() in {"", "state changed"} or reason.lower().endswith(" started")


def _sign(node: Node, now: float) -> Text:
    if node.running:
        return Text(FRAMES[math.floor(now * FRAMES_EACH_SECOND) % len(FRAMES)], style="cyan")
    if node.failed:
        return Text("✗", style="bold red")
    return Text("✓", style="green") if node.done else Text("·", style="dim")


def _style(node: Node) -> str:
    if node.running:
        return "cyan"
    if node.failed:
        return "bold red"
    return "green" if node.done else "dim"


def _words(state: str) -> str:
    """`CREATE_IN_PROGRESS` as people say it."""
    if state == WAITING:
        return "waiting"
    action, _, status = state.partition("_")
    return {
        "IN_PROGRESS": f"{action.lower()} …",
        "COMPLETE": f"{action.lower()} done",
        "FAILED": f"{action.lower()} FAILED",
    }.get(status, state.lower())


def _elapsed(node: Node, now: float) -> str:
    seconds = node.seconds(now)
    return "" if seconds is None else f"  {duration(seconds)}"


def duration(seconds: float) -> str:
    """`0.8s`, `12s`, `3m 05s`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    return f"{int(seconds // 60)}m {int(seconds % 60):02}s"


def _counts(tree: StackTree) -> Text:
    done, running, failed, waiting = tree.counts()
    text = Text("   ")
    text.append(f"{done} done", style="green")
    text.append(f" · {running} running", style="cyan" if running else "dim")
    text.append(f" · {waiting} waiting", style="dim")
    if failed:
        text.append(f" · {failed} failed", style="bold red")
    return text


SIGN_STYLES: Mapping[str, str] = {
    "+": "green",
    "~": "yellow",
    "+/-": "magenta",
    "-": "red",
    "x": "dim red",
}


def draw_plan(rendered: str) -> Text:
    """The server's rendered plan, coloured by the sign each step begins with."""
    text = Text()
    for number, line in enumerate(rendered.rstrip("\n").splitlines()):
        text.append(line, style=_plan_style(number, line))
        text.append("\n")
    return text


def _plan_style(number: int, line: str) -> str:
    if number == 0:
        return "bold"
    indent = len(line) - len(line.lstrip())
    if indent == 2:
        return SIGN_STYLES.get(line.split(maxsplit=1)[0] if line.split() else "", "")
    return "dim" if indent > 6 else ""


def draw_outputs(outputs: list[Mapping[str, Any]]) -> Text:
    """Name and value of every output, as the last thing seen."""
    width = max((len(str(output["name"])) for output in outputs), default=0)
    text = Text()
    for output in outputs:
        text.append(f"   {output['name']:<{width}}  ", style="bold")
        if output.get("error"):
            text.append(f"{output['error']}\n", style="red")
        elif output.get("waits_for"):
            text.append(f"waits for {', '.join(output['waits_for'])}\n", style="dim")
        else:
            text.append(f"{_shown(output.get('value'))}\n", style="cyan")
    return text


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
