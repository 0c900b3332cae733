"""Power is cut at every moment while people retry, skip, cancel and take over.

Whatever the verb and the moment: after the restart the operation ends, the request was done once or
not at all, and nothing is doubled, lost, or unknown to the stack.
"""

import asyncio
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import Refused
from mantle.clouds.simulated import Faults
from mantle.model.errors import MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.interventions import Verb
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.interventions import Ask, intervene
from mantle.stacks.queries import find_stack, list_operations
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import interventions as intervention_rows
from mantle.store import operations as operation_rows

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  volume: {type: OS::Cinder::Volume, properties: {size: 1}}
  server:
    type: OS::Nova::Server
    properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
  members:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def: {type: OS::Cinder::Volume, properties: {size: 1}}
  last: {type: OS::Heat::RandomString, depends_on: [server, members]}
"""
AFTER = (
    TEMPLATE.replace("  net:", "  other:")
    .replace("get_resource: net", "get_resource: other")
    .replace("size: 1}}\n  server", "size: 1, name: renamed}}\n  server")
    .replace("count: 2", "count: 3")
)


class Weather:
    """Calls that are refused for a while."""

    def __init__(self, plant: Plant) -> None:
        self.inner, self.calls = plant.faults.hook, set()
        plant.faults.hook = self

    def __call__(self, moment, call):
        self.inner(moment, call)
        if moment == "before" and call in self.calls:
            raise Refused(f"{call} is refused")


async def begun(control, template=TEMPLATE):
    """The stack and its newest operation; begun in the first life, found in the next."""
    try:
        stack = await find_stack(control, CALLER.project_id, "s")
    except NotFound:
        request = CreateRequest(name="s", source=TemplateSource(template=template))
        stack, _ = await create_stack(control, CALLER, request)
    return stack, (await list_operations(control, stack))[0]


async def once(control, operation, verb, step, **more):
    """Ask unless an earlier life has; too late is an answer as well."""
    kept = await control.database.read(intervention_rows.of_operation, operation.id)
    if any(each.user_name == "tester" for each in kept):
        return
    try:
        await intervene(control, CALLER, operation, Ask(verb=verb, step=step, **more))
    except MantleError:
        return


def story_of(verb, step, wait, *, failing=(), **more):
    """A create in which somebody asks for something after a while."""

    def make(plant, weather):
        weather.calls = set(failing)

        async def story(control):
            _, operation = await begun(control)
            await asyncio.sleep(wait)
            if failing:
                await quiet(control)
            weather.calls = set()
            operation = await control.database.read(operation_rows.get, operation.id)
            await once(control, operation, verb, step, **more)

        return story

    return make


STORIES = {
    "retry a failed step": story_of(Verb.RETRY, "server", 0, failing=["servers.create"]),
    "retry everything that failed": story_of(Verb.RETRY, "", 0, failing=["volumes.create"]),
    "retry a step under way": story_of(Verb.RETRY, "server", 1.0),
    "skip a step under way": story_of(Verb.SKIP, "server", 1.0),
    "skip a failed step": story_of(Verb.SKIP, "volume", 0, failing=["volumes.create"]),
    "skip a stack inside": story_of(Verb.SKIP, "members", 1.0),
    "cancel a step": story_of(Verb.CANCEL, "volume", 1.0),
    "cancel a step and go on": story_of(Verb.CANCEL, "members", 1.0, carry_on=True),
    "cancel the operation now": story_of(Verb.CANCEL, "", 1.0, now=True),
    "take it over": story_of(Verb.TAKE_OVER, "", 1.0),
}


def staged(build_seconds=4.0):
    plant = Plant(faults=Faults(build_seconds=build_seconds, delete_seconds=3.0))
    return plant, Weather(plant)


async def mended(control):
    """An update that does whatever was left out; the stack is then whole."""
    stack, _ = await begun(control)
    await quiet(control)
    await update_stack(control, CALLER, stack, UpdateRequest(template=TEMPLATE))


def wrong(plant):
    """Orphans and doubles now; and after an update has done what was left out, losses."""
    found = [one for one in plant.problems(plant.stack("s")) if not one.startswith("lost")]
    assert plant.life(mended)
    stack = plant.stack("s")
    found += plant.problems(stack)
    if stack.state != "UPDATE_COMPLETE":
        found.append(f"is {stack.state}: {stack.reason}")
    return found


def survived(name, point):
    plant, weather = staged()
    plant.armed, plant.cut_at = True, point
    finished = plant.life(STORIES[name](plant, weather))
    plant.armed = False
    weather.calls = set()
    cut = plant.moments[-1]
    if not finished and not plant.life(STORIES[name](plant, weather)):
        return [f"cut {cut}: the second life ended too"]
    weather.calls = set()
    return [f"cut at {point} ({cut}): {one}" for one in wrong(plant)]


def points(name):
    plant, weather = staged()
    plant.armed = True
    assert plant.life(STORIES[name](plant, weather))
    return len(plant.moments)


@pytest.mark.proves("beyond: verbs survive a kill at any moment")
@pytest.mark.parametrize("name", STORIES)
def test_a_verb_survives_a_power_cut(name):
    """At two moments; the long suite tries each."""
    total = points(name)
    assert [
        problem for point in (total // 3, total * 2 // 3) for problem in survived(name, point)
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_a_verb_survives_a_power_cut_at_every_single_moment(name):
    """At each moment there is."""
    assert [problem for point in range(points(name)) for problem in survived(name, point)] == []


# --- any sequence ----------------------------------------------------------------------------

WHAT = ["", "net", "other", "volume", "server", "members", "last", "create server", "delete net"]
ACTS = st.tuples(
    st.floats(0.0, 6.0),
    st.sampled_from([*Verb, Verb.RETRY, Verb.RETRY]),
    st.sampled_from(WHAT),
    st.booleans(),
    st.booleans(),
)
CALLS = ["servers.create", "volumes.create", "networks.create", "networks.delete", "servers.delete"]


SEQUENCES = {
    "acts": st.lists(ACTS, min_size=1, max_size=7),
    "refused": st.sets(st.sampled_from(CALLS), max_size=3),
    "updated": st.booleans(),
}
ROUGH = list(HealthCheck)


def tried(acts, refused, updated):
    """One sequence, what it left, and whether everything can be mended and removed after it."""
    plant, weather = staged(build_seconds=15.0)

    async def story(control):
        stack, _ = await begun(control)
        if updated:
            await quiet(control)
            weather.calls = set(refused)
            await update_stack(control, CALLER, stack, UpdateRequest(template=AFTER))
        weather.calls = set(refused)
        for number, (wait, verb, what, first, second) in enumerate(acts):
            await asyncio.sleep(wait)
            if number == 3:
                weather.calls = set()
            known = await control.database.read(
                operation_rows.listing, project_id=CALLER.project_id
            )
            target = known[0] if first else known[-1]
            ask = Ask(verb=verb, step=what, carry_on=first, now=second)
            try:
                await intervene(control, CALLER, target, ask)
            except MantleError:
                continue
        weather.calls = set()

    async def removed(control):
        await delete_stack(control, CALLER, (await begun(control))[0])

    assert plant.life(story)
    found = wrong(plant)
    assert plant.life(removed)
    return found + plant.problems(None)


@pytest.mark.proves("beyond: no sequence of verbs doubles or loses an object")
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=ROUGH)
@given(**SEQUENCES)
def test_no_sequence_of_verbs_doubles_or_loses_an_object(acts, refused, updated):
    """In any order, at any moment, on outer and inner operations; all can be mended after it."""
    assert tried(acts, refused, updated) == []


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=ROUGH)
@given(**SEQUENCES)
def test_no_long_run_of_sequences_does_either(acts, refused, updated):
    """Many more of them, other ones every time."""
    assert tried(acts, refused, updated) == []
