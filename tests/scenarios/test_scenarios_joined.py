"""Starting an operation: who joins, who waits behind, and who claims nothing."""

import asyncio

from mantle.engine.runtime import Joined
from mantle.lib import virtual_time
from mantle.model.ids import OperationId

ONE = OperationId("one")


class Performing:
    """Takes ten seconds each time."""

    def __init__(self):
        self.said = []

    async def __call__(self, operation_id, attempt):
        self.said.append(f"begin {attempt}")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            self.said.append(f"killed {attempt}")
            raise
        self.said.append(f"end {attempt}")


def run(story):
    performing = Performing()
    virtual_time.run(story(Joined(performing)))
    return performing.said


def test_the_same_attempt_is_joined_and_a_newer_one_waits_behind_it():
    """A start that comes while the earlier attempt ends is not lost."""

    async def story(joined):
        tasks = [joined.task(ONE, 0), joined.task(ONE, 0), joined.task(ONE, None)]
        tasks += [joined.task(ONE, 3), joined.task(ONE, 1)]
        await asyncio.gather(*tasks)

    assert run(story) == ["begin 0", "end 0", "begin 3", "end 3"]


def test_what_is_let_go_is_killed_and_begun_anew():
    """Nobody is left performing it when that returns."""

    async def story(joined):
        joined.task(ONE, 0)
        await asyncio.sleep(1)
        await joined.let_go(ONE)
        await joined.let_go(OperationId("another"))
        await joined(ONE, 2)

    assert run(story) == ["begin 0", "killed 0", "begin 2", "end 2"]


def test_stopping_kills_what_runs_and_what_waits_behind():
    """The engine closes."""

    async def story(joined):
        joined.task(ONE, 0)
        joined.task(ONE, 1)
        await asyncio.sleep(1)
        await joined.stop()

    assert run(story) == ["begin 0", "killed 0"]
