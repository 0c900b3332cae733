"""Saved plans as people read them: tests/golden/saved-plans.txt; MANTLE_ACCEPT=1 writes it anew."""

import os
from dataclasses import replace
from pathlib import Path

from mantle.model.ids import PlanId, ProjectId, StackId
from mantle.model.saved import Binding, Gate, PlanStatus, SavedPlan, WaveSpec
from mantle.plan.part import split
from mantle.plan.quota import counted, verdicts
from mantle.plan.saved_text import render_saved

GOLDEN = Path(__file__).parents[1] / "golden" / "saved-plans.txt"


def thing(**properties):
    return {"type": "Test::Thing", "properties": properties}


def saved(world, wanted, specs=(), **rest):
    plan = replace(world.plan(world.load(wanted)), id=PlanId("p"))
    return SavedPlan(
        id=plan.id,
        project_id=ProjectId("p"),
        stack_id=StackId("s"),
        stack_name="shop",
        plan=plan,
        binding=Binding(),
        waves=split(plan, specs),
        made_at=100.0,
        expires_at=100.0 + 5400.0,
        **rest,
    )


def test_saved_plans_read_as_they_should(new_world):
    """An open one, one at a gate, one that stopped, an expired one."""
    world = new_world().made({"a": thing(size="s"), "old": thing()})
    wanted = {
        "a": thing(size="l"),
        "b": thing(label={"get_attr": ["a", "label"]}),
        "c": thing(password="hush"),
    }
    needs, frees = counted(world.plan(world.load(wanted)))
    needs["servers"], frees["servers"], needs["volumes"] = 3, 1, 2
    quota = [
        {**{name: getattr(one, name) for name in ("what", "needs", "frees", "left", "limit")},
         "verdict": one.word}
        for one in verdicts(needs, frees, {"servers": (8, 10)})
    ]  # fmt: skip
    whole = saved(world, wanted, notes={"quota": quota, "rollback": True})
    gates = (WaveSpec(resources=("a",), gate=Gate.MANUAL), WaveSpec(percent=30, gate=Gate.HEALTH))
    waved = saved(world, wanted, gates)
    done = waved.waves[0].steps
    shown = [
        whole,
        replace(waved, status=PlanStatus.WAITING, reason="wave 1 of 3 is done", wave=1, done=done),
        replace(whole, status=PlanStatus.STOPPED, reason="resources.b: it broke", done=done),
        replace(whole, status=PlanStatus.EXPIRED, reason="its time is over"),
    ]
    text = f"\n{'=' * 60}\n\n".join(render_saved(one, 1000.0) for one in shown)
    assert "hush" not in text
    if os.environ.get("MANTLE_ACCEPT"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
