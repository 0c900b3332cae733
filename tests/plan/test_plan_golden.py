"""Golden plans: two templates in, the plan that people read out, reviewed as text.

Each folder of `tests/golden` is a scenario. `before.yaml` is made first; then the plan to
`after.yaml` is compared with `plan.txt`. Without `before.yaml` it is a create, without `after.yaml`
a delete. Other YAML files are included files. `scenario.yaml` may say more:

    parameters: {before: {…}, after: {…}}
    interrupted: {template: half.yaml, steps: 3}   an update that got only so far
    rows: {web: {action: CREATE, status: FAILED, reason: …}}   what became of rows since
    action: ROLLBACK

`GOLDEN=write make test` (or pytest) writes the plans anew; read the difference before you commit.
"""

import os
from pathlib import Path

import pytest
import yaml

from mantle.model.graph import TemplateSource
from mantle.model.status import Action, Status
from mantle.plan.checks import check
from mantle.plan.render import render
from mantle.resources.registry import default_registry

GOLDEN = Path(__file__).parent.parent / "golden"
SCENARIOS = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


def source(folder, name, more):
    """A template of the scenario, with every other file of the folder beside it."""
    path = folder / name
    if not path.exists():
        return None
    files = {each.name: each.read_text() for each in folder.glob("*.yaml")}
    # A file that is of no use to the template must not count as a change to it.
    files = {key: text for key, text in files.items() if key in path.read_text()}
    parameters = more.get("parameters", {}).get(path.stem, {})
    return TemplateSource(template=path.read_text(), files=files, parameters=parameters)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_plan_reads_as_reviewed(new_world, scenario):
    """The whole text, and none of the invariants broken."""
    folder = GOLDEN / scenario
    about = folder / "scenario.yaml"
    more = yaml.safe_load(about.read_text()) if about.exists() else {}
    world = new_world(facts=default_registry().facts)
    before, after = source(folder, "before.yaml", more), source(folder, "after.yaml", more)
    action = Action.UPDATE
    if before is None:
        action = Action.CREATE
    else:
        world.reach(world.load_source(before))
    if "interrupted" in more:
        half = world.load_source(source(folder, more["interrupted"]["template"], more))
        world.carry_out(world.plan(half), half, steps=more["interrupted"]["steps"])
    for name, fields in more.get("rows", {}).items():
        kinds = {"action": Action, "status": Status}
        world.change(name, **{k: kinds.get(k, str)(v) for k, v in fields.items()})
    loaded = world.load_source(after) if after is not None else None
    if loaded is None:
        action = Action.DELETE
    plan = world.plan(loaded, Action(more.get("action", action)))
    assert check(plan) == []
    golden = folder / "plan.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(render(plan))
    assert render(plan) == golden.read_text()
