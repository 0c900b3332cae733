"""Somebody rages on the cloud; one correction brings everything back, with nothing left over."""

import asyncio
import dataclasses
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from power import CALLER, Plant
from test_scenarios_drift import EVERYTHING, drift, made, rows, settled

from mantle.clouds.ports import CloudError, ObjectStatus, Power
from mantle.stacks.drift import correct_drift, look

RENAMED = ("net", "subnet", "port", "volume", "listener", "pool")


async def rage(control, stack, dice):
    """Delete what lets itself be deleted, break, rename and stop some of what is left."""
    session = control.machine.session(stack)
    found = await rows(control, stack)
    kinds = control.registry.types
    doomed = dice.sample(sorted(found), dice.randint(0, 5))
    for _ in range(4):  # Whatever is in use goes after its users.
        for name in doomed:
            row = found[name]
            try:
                await kinds[row.resolved_type].live(session).delete(row.physical_id)
            except CloudError:
                continue
        await asyncio.sleep(5)
    for name in dice.sample(RENAMED, 2):
        objects = kinds[found[name].resolved_type].live(session)
        try:
            spec = (await objects.get(found[name].physical_id)).spec
            await objects.update(
                found[name].physical_id, dataclasses.replace(spec, name=f"{name} by hand")
            )
        except CloudError:
            continue
    try:
        await session.servers.power(found["second"].physical_id, Power.OFF)
    except CloudError:
        return
    shelf = control.clouds["simulated"].world.shelf(stack.project_id, "volumes")
    broken = shelf.get(found["volume"].physical_id)
    if broken is not None and dice.random() < 0.3:
        broken.object = dataclasses.replace(broken.object, status=ObjectStatus.ERROR)


@pytest.mark.proves("beyond: drift of what is missing")
@pytest.mark.parametrize("seed", range(8))
def test_whatever_was_done_by_hand_one_correction_brings_it_back(seed):
    """No drift is left, nothing is doubled, and nothing belongs to nobody."""
    plant = Plant()

    async def story(control):
        stack = await made(control, EVERYTHING)
        await rage(control, stack, random.Random(seed))
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) != []
        await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []

    assert plant.life(story)
    assert plant.problems(plant.stack("s")) == []
