"""Watching an operation to its end, from the event stream.

On a terminal the tree is redrawn in place; in a pipe each event is one line; with `--json` nothing
is said until the end. A broken stream is opened again after the last event seen, for as long as
`PATIENCE_SECONDS`: a control plane that restarts goes on with the operation, and so does the watch.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mantle.cli.client import Client
from mantle.cli.exits import Exit, Stop
from mantle.cli.screen import Screen
from mantle.cli.tree import StackTree, state_of

PATIENCE_SECONDS = 120.0
"""How long an unreachable Mantle is asked again before the watch ends with exit code 7."""
PAUSE_SECONDS = 0.5
NESTED_DEPTH = 5
EVENT, END = "event", "end"
"""Anything else in the stream is a sign of life."""
SAYS_NOTHING = "state changed"
"""Heat's reason for a change that needs none."""


def follow(
    screen: Screen,
    client: Client,
    *,
    stack: Mapping[str, Any],
    plan: Mapping[str, Any],
    after: int,
) -> dict[str, Any]:
    """Show the operation until it ends; answer the stack as it is then."""
    tree = StackTree(str(stack["id"]), str(stack["name"]))
    tree.sequence = after
    tree.expect(plan)
    watch = _Watch(screen, client, tree)
    with watch.live():
        for event in watch.events():
            node = tree.apply(event)
            if node is not None and not screen.live:
                screen.say(_line(event, node.path))
    return final_stack(client, tree.stack_id, stack)


def final_stack(client: Client, stack_id: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The stack after the operation; a deleted one that is gone counts as deleted."""
    try:
        found: dict[str, Any] = client.get("stacks", stack_id)["stack"]
    except Stop as stop:
        if stop.code is not Exit.NOT_FOUND:
            raise
        return {**known, "status": "DELETE_COMPLETE", "reason": "", "outputs": []}
    return found


class _Watch:
    """The stream of one stack, with its interruptions mended."""

    def __init__(self, screen: Screen, client: Client, tree: StackTree) -> None:
        self._screen = screen
        self._client = client
        self._tree = tree
        self._note = ""

    def live(self) -> AbstractContextManager[Any]:
        """The picture, redrawn by a thread of rich's while events are awaited."""
        if not self._screen.live:
            return nullcontext()
        from rich.live import Live  # noqa: PLC0415 - pipes and JSON do not need it

        return Live(
            get_renderable=self._picture,
            console=self._screen.out,
            refresh_per_second=10,
            vertical_overflow="crop",
        )

    def _picture(self) -> Any:
        from mantle.cli.drawing import draw_tree  # noqa: PLC0415

        height = self._screen.out.size.height
        return draw_tree(self._tree, now=time.time(), lines=height, note=self._note)

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Every event once, in order, until the operation has ended."""
        lost_at: float | None = None
        while True:
            try:
                for message in self._client.stream(
                    "stacks",
                    self._tree.stack_id,
                    "events",
                    "stream",
                    after=self._tree.sequence,
                    nested_depth=NESTED_DEPTH,
                ):
                    lost_at, self._note = None, ""
                    if message.event == END:
                        return
                    if message.event == EVENT:
                        yield json.loads(message.data)
            except Stop as stop:
                if stop.code is not Exit.UNREACHABLE:
                    raise
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > PATIENCE_SECONDS:
                    raise
                self._note = "Mantle does not answer; trying again. The operation is durable."
            time.sleep(PAUSE_SECONDS)


def _line(event: Mapping[str, Any], path: str) -> str:
    """One event in one line: time, resource, state, and the reason if it says more."""
    at = str(event.get("at") or "")
    text = f"{at[11:19]}  {path}  {state_of(event)}"
    reason = str(event.get("reason") or "").replace("\n", " | ")
    return f"{text}  {reason}" if reason and reason != SAYS_NOTHING else text
