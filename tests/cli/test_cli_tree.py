"""The tree: events in, lines out; no clock and no terminal."""

from rich.console import Console
from server_of_v2 import PLAN, STACK, event

from mantle.cli.drawing import draw_plan, draw_tree, duration
from mantle.cli.tree import StackTree


def text_of(renderable):
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(renderable)
    return [line.rstrip() for line in captured.get().splitlines()]


def tree_of(*events):
    tree = StackTree(STACK["id"], "web")
    tree.expect(PLAN)
    for one in events:
        tree.apply(one)
    return tree


def stack_event(sequence, status):
    return event(sequence, "web", status, physical_id=STACK["id"])


AT_5 = 1795226405.0
"""2026-11-21T02:00:05Z."""


def test_planned_resources_wait_until_their_turn():
    """The whole plan is visible from the first moment."""
    assert text_of(draw_tree(tree_of(), now=AT_5, lines=20)) == [
        "· web  waiting",
        "└─ · server  OS::Nova::Server               waiting",
        "   0 done · 0 running · 1 waiting",
    ]


def test_a_running_resource_counts_its_seconds():
    """From its own event to now; the spinner's frame follows from the time."""
    tree = tree_of(stack_event(1, "IN_PROGRESS"), event(2, "server", "IN_PROGRESS"))
    assert text_of(draw_tree(tree, now=AT_5, lines=20)) == [
        "⠋ web  create …  4.0s",
        "└─ ⠋ server  OS::Nova::Server               create …          3.0s",
        "   0 done · 1 running · 0 waiting",
    ]


def test_a_failed_resource_shows_the_first_line_of_its_reason():
    """The rest is in the events."""
    tree = tree_of(event(2, "server", "IN_PROGRESS"), event(3, "server", "FAILED", "no\nmemory"))
    assert text_of(draw_tree(tree, now=AT_5, lines=20))[1] == (
        "└─ ✗ server  OS::Nova::Server               create FAILED     1.0s  no"
    )


def test_nested_resources_hang_below_theirs():
    """Each event tells the way to its stack; a nested stack's own event adds no line."""
    tree = tree_of(
        event(1, "server", "IN_PROGRESS"),
        event(2, "web-server-x", "IN_PROGRESS", stack_id="c", physical_id="c", within="server"),
        event(3, "inner", "COMPLETE", stack_id="c", within="server"),
        event(4, "server", "COMPLETE"),
    )
    assert [(row.node.path, row.depth) for row in tree.rows(10)[0]] == [
        ("server", 0),
        ("server/inner", 1),
    ]


def test_what_has_no_room_is_what_needs_no_watching():
    """Of a large stack failures stay first, then what runs, in the order of the template."""
    tree = StackTree(STACK["id"], "web")
    for number in range(100):
        tree.apply(event(1, f"r{number}", "COMPLETE"))
    tree.apply(event(2, "r7", "IN_PROGRESS"))
    tree.apply(event(3, "r50", "FAILED"))
    rows, left_out = tree.rows(3)
    assert [row.node.name for row in rows] == ["r0", "r7", "r50"]
    assert left_out == 97


def test_the_stream_goes_on_behind_the_last_event():
    """So nothing is told twice after a break."""
    assert tree_of(event(2, "server", "IN_PROGRESS"), event(5, "server", "COMPLETE")).sequence == 5


def test_durations_read_like_a_clock():
    """Short ones to the tenth, long ones in minutes."""
    assert [duration(s) for s in (0.04, 9.96, 12.4, 185)] == ["0.0s", "10.0s", "12s", "3m 05s"]


def test_a_plan_keeps_its_text():
    """Colour is added, nothing is moved."""
    rendered = "Plan for stack web (create)\n\n  +   a  (T)\n        why\n"
    assert draw_plan(rendered).plain == rendered
