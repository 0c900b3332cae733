"""Where output goes: coloured on a terminal, plain lines in a pipe, JSON when asked.

Answers go to standard output; progress, questions and refusals to standard error, so that a pipe
carries answers only. rich is imported only when something is drawn with it.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Screen:
    """How to talk to this person or program."""

    json: bool = False
    """One JSON document on standard output, nothing else there."""

    @cached_property
    def out(self) -> "Console":
        """Standard output."""
        from rich.console import Console  # noqa: PLC0415 - see the module's docstring

        return Console(highlight=False, soft_wrap=True)

    @cached_property
    def err(self) -> "Console":
        """Standard error."""
        from rich.console import Console  # noqa: PLC0415 - see the module's docstring

        return Console(highlight=False, soft_wrap=True, stderr=True)

    @property
    def live(self) -> bool:
        """A person watches: the tree may be redrawn in place."""
        return not self.json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def asks(self) -> bool:
        """A person is there to answer a question."""
        return self.live and sys.stdin.isatty()

    def say(self, text: str = "") -> None:
        """One line of an answer; nothing in JSON mode."""
        if not self.json:
            print(text, flush=True)  # noqa: T201 - this is the command line's own door

    def answer(self, data: Any, text: str | None = None) -> None:
        """The command's result: the data as JSON when asked for, else the text."""
        if self.json:
            print(json.dumps(data, indent=2, ensure_ascii=False))  # noqa: T201
        elif text is not None:
            self.say(text)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Columns: drawn on a terminal, tab-separated with a heading line in a pipe."""
        if not self.live:
            self.say("\t".join(headings))
            for row in rows:
                self.say("\t".join(_cell(value).replace("\n", " ") for value in row))
            return
        from rich.box import SIMPLE_HEAD  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(value), style=style_of(value)) for value in row))
        self.out.print(table, soft_wrap=False)

    def facts(self, values: Mapping[str, Any]) -> None:
        """Name and value, one a line."""
        width = max((len(name) for name in values), default=0)
        for name, value in values.items():
            first, *more = _cell(value).split("\n")
            self.say(f"{name:<{width}}  {first}")
            for line in more:
                self.say(f"{'':<{width}}  {line}")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def style_of(value: Any) -> str:
    """The colour of a state; none for anything else."""
    text = value if isinstance(value, str) else ""
    if text.endswith("_COMPLETE"):
        return "green"
    if text.endswith("_FAILED"):
        return "bold red"
    return "yellow" if text.endswith("_IN_PROGRESS") else ""
