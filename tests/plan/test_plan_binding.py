"""What spoils a plan and what does not; parts and waves of it."""

import copy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from test_plan_properties import templates

from mantle.model.errors import Conflict, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import PlanId
from mantle.model.plan import StepKind
from mantle.model.saved import Gate, WaveSpec
from mantle.model.status import Action, Status
from mantle.plan.binding import bind, moved, strays, touched_by
from mantle.plan.checks import check
from mantle.plan.part import part_of, select, split
from mantle.plan.rebase import rebased
from mantle.plan.stack import plan_with_values

KEY = b"key"


def thing(depends_on=(), **properties):
    return {"type": "Test::Thing", "properties": properties, "depends_on": list(depends_on)}


def label_of(name):
    return {"get_attr": [name, "label"]}


class Bound:
    """A world, and a plan bound to it."""

    def __init__(self, world, wanted):
        self.world, self.wanted = world, wanted
        self.loaded = world.load(wanted)
        self.definitions = self.loaded.graph.resources
        planned = plan_with_values(**world.request(self.loaded))
        self.plan = planned.plan
        self.binding = bind(planned, world.rows, self.definitions, KEY, {})

    def moved(self, part=None, done=(), loaded=None):
        """Why the plan does not fit now."""
        loaded = loaded or self.loaded
        keys = {step.key for step in self.plan.steps} if part is None else set(part)
        within = {step.resource for step in self.plan.steps if step.key in keys}
        return moved(
            self.plan,
            self.binding,
            keys,
            done,
            plan_with_values(**self.world.request(loaded), within=within),
            self.world.rows,
            loaded.graph.resources,
            KEY,
            {},
        )


@pytest.mark.proves("beyond: binding plan")
@settings(max_examples=120, deadline=None)
@given(before=templates(), data=st.data())
def test_unrelated_changes_never_spoil_a_plan(new_world, before, data):
    """Whatever happens to a resource whose row no step touches and whose values no step uses."""
    before |= {"x": thing(), "y": thing(depends_on=["x"])}
    after = copy.deepcopy(before)
    for name in data.draw(st.lists(st.sampled_from(sorted(before)), max_size=2, unique=True)):
        after[name]["properties"]["label"] = "c"
    bound = Bound(new_world().made(before), after)
    world, plan = bound.world, bound.plan
    assert bound.moved() == []
    touched = {row for step in plan.steps for row in touched_by(step)}
    used = {name for step in plan.steps if step.kind in {StepKind.CREATE, StepKind.UPDATE}
            for name in bound.definitions[step.resource].references}  # fmt: skip
    others = [row for row in world.rows if row.id not in touched and row.name not in used]
    assume(others)
    row = data.draw(st.sampled_from(others))
    changed = data.draw(
        st.sampled_from(
            [
                {"properties": {**row.properties, "label": "other"}},
                {"attributes": {**row.attributes, "label": "other"}},
                {"action": Action.UPDATE, "status": Status.FAILED},
                {"action": Action.CHECK, "status": Status.FAILED},
            ]
        )
    )
    world.change(row.name, version=row.version + 1, **changed)
    assert bound.moved() == []


@pytest.mark.proves("beyond: binding plan")
@settings(max_examples=120, deadline=None)
@given(before=templates(), after=templates(), data=st.data())
def test_related_changes_always_spoil_a_plan(new_world, before, after, data):
    """A row that a step touches is changed, fails, or goes: that resource is named."""
    bound = Bound(new_world().made(before), after)
    world = bound.world
    touched = {row for step in bound.plan.steps for row in touched_by(step)}
    rows = [row for row in world.rows if row.id in touched]
    assume(rows)
    row = data.draw(st.sampled_from(rows))
    how = data.draw(st.sampled_from(["property", "attribute", "failed", "running", "gone", "id"]))
    more = {"version": row.version + 1}
    match how:
        case "property":
            world.change(row.name, properties={**row.properties, "label": "other"}, **more)
        case "attribute":
            world.change(row.name, attributes={**row.attributes, "label": "other"}, **more)
        case "failed":
            world.change(row.name, status=Status.FAILED, **more)
        case "running":
            world.change(row.name, status=Status.IN_PROGRESS, **more)
        case "id":
            world.change(row.name, physical_id="another", **more)
        case "gone":
            world.rows = [each for each in world.rows if each.id != row.id]
    assert row.name in {problem.partition(":")[0] for problem in bound.moved()}


def test_a_value_that_is_used_and_moves_spoils_the_plan(new_world):
    """The reader is named, with the resource whose value it is."""
    world = new_world().made({"a": thing(label="x"), "b": thing(label="y")})
    bound = Bound(world, {"a": thing(label="x"), "b": thing(label=label_of("a"))})
    row = world.row("a")
    world.change("a", attributes={**row.attributes, "label": "z"}, version=9)
    (why,) = bound.moved()
    assert why == (
        "b: label would change from 'y' to 'z', and the plan says from 'y' to 'x' "
        "(it reads a, which changed since)"
    )


def test_another_attribute_of_what_is_used_moves_nothing(new_world):
    """The plan is bound to the values it uses."""
    world = new_world().made({"a": thing(label="x"), "b": thing(label="y")})
    bound = Bound(world, {"a": thing(label="x"), "b": thing(label=label_of("a"))})
    row = world.row("a")
    world.change("a", attributes={**row.attributes, "secret": "z"}, version=9)
    assert bound.moved() == []


def test_a_hidden_value_that_moves_spoils_the_plan_too(new_world):
    """Compared by a keyed hash; neither the plan nor its binding holds it."""
    world = new_world().made({"a": thing(label="x"), "b": thing()})
    bound = Bound(
        world, {"a": thing(label="x"), "b": thing(password={"get_attr": ["a", "secret"]})}
    )
    assert "secret of a" not in repr(bound.plan) + repr(bound.binding)
    world.change("a", attributes={**world.row("a").attributes, "secret": "z"}, version=9)
    (why,) = bound.moved()
    assert why.startswith("b: password, which the plan hides, would get another value")


def test_what_was_unknown_may_become_anything_but_a_step_that_is_not_there(new_world):
    """A value that was to be known after `a` is fine; a replacement because of it is not."""
    world = new_world().made({"b": thing(label="y"), "c": thing(size="s")})
    wanted = {
        "a": thing(label="x"),
        "b": thing(label=label_of("a")),
        "c": thing(size="s", peers=[label_of("a")]),
    }
    bound = Bound(world, wanted)
    first = [step.key for step in bound.plan.steps if step.resource == "a"]
    rest = [step.key for step in bound.plan.steps if step.resource != "a"]
    part = part_of(bound.plan, set(first), PlanId("part"), fresh=False)
    world.carry_out(part, bound.loaded)
    assert bound.moved(rest, first) == []
    picky = new_world().made({"p": {"type": "Test::Picky", "properties": {"label": "long"}}})
    wanted = {
        "a": thing(label="x"),
        "p": {"type": "Test::Picky", "properties": {"label": label_of("a")}},
    }
    bound = Bound(picky, wanted)
    part = part_of(bound.plan, {"create a"}, PlanId("part"), fresh=False)
    picky.carry_out(part, bound.loaded)
    (why,) = bound.moved({"update p"}, {"create a"})
    assert why.startswith("p: it would now need a replacement, which is not in the plan")


@pytest.mark.proves("beyond: gated waves")
@settings(max_examples=150, deadline=None)
@given(before=templates(), after=templates(), data=st.data())
def test_waves_are_the_plan_and_nothing_else(new_world, before, after, data):
    """Each step in one wave, after what it needs; carried out in waves, the same is reached."""
    bound = Bound(new_world().made(before), after)
    plan = bound.plan
    assume(plan.steps)
    names = sorted({step.resource for step in plan.steps})
    spec = st.one_of(
        st.builds(WaveSpec, percent=st.floats(1, 100), gate=st.sampled_from(Gate)),
        st.just(WaveSpec(layer=True)),
        st.builds(WaveSpec, resources=st.lists(st.sampled_from(names), min_size=1).map(tuple)),
    )
    waves = split(plan, data.draw(st.lists(spec, min_size=1, max_size=4)))
    keys = [key for wave in waves for key in wave.steps]
    assert sorted(keys) == sorted(step.key for step in plan.steps)
    whole = copy.deepcopy(bound.world)
    whole.carry_out(plan, bound.loaded)
    done: set = set()
    for wave in waves:
        part = part_of(plan, set(wave.steps), PlanId("part"), fresh=False)
        assert check(replace(part, based_on={})) == [] or part.steps
        assert all(
            required in done or required in wave.steps
            for step in plan.steps
            if step.key in wave.steps
            for required in step.requires
        )
        bound.world.carry_out(part, bound.loaded)
        done |= set(wave.steps)

    def reached(world):
        return sorted(
            (row.name, row.id, repr(sorted(row.properties.items()))) for row in world.rows
        )

    assert {row[:2] for row in reached(bound.world)} == {row[:2] for row in reached(whole)}


@pytest.mark.proves("beyond: binding plan")
@settings(max_examples=150, deadline=None)
@given(before=templates(), after=templates(), data=st.data())
def test_a_part_needs_nothing_that_is_left_out(new_world, before, after, data):
    """Included names are in with all they need; excluded ones are out with all that needs them."""
    bound = Bound(new_world().made(before), after)
    plan = bound.plan
    names = sorted({step.resource for step in plan.steps})
    assume(names)
    include = data.draw(st.lists(st.sampled_from(names), unique=True))
    exclude = data.draw(st.lists(st.sampled_from(names), unique=True))
    try:
        part = select(plan, include=include, exclude=exclude)
    except MantleError:
        return
    by_key = {step.key: step for step in plan.steps}
    chosen = set(part.steps)
    assert all(required in chosen for key in chosen for required in by_key[key].requires)
    assert not {by_key[key].resource for key in chosen} & set(exclude)
    if include and not exclude:
        assert set(part.added) | set(include) >= {by_key[key].resource for key in chosen}
    if not include and not exclude:
        assert chosen == set(by_key)


def test_at_run_time_a_step_strays_when_its_values_are_not_the_plans(new_world):
    """Asked before the deed; unknown and hidden values are not compared here."""
    world = new_world().made({"a": thing(label="x", password="one")})
    bound = Bound(world, {"a": thing(label="y", password="two")})
    (step,) = bound.plan.steps
    before, good = world.row("a").properties, {**world.row("a").properties, "label": "y"}
    assert strays(step, before, {**good, "password": "three"}) is None
    assert (
        strays(step, before, {**good, "label": "z"}) == "label is no longer 'y', as the plan says"
    )
    assert strays(step, before, {**good, "peers": ["p"]}) == (
        "peers would change too, which is not in the plan"
    )


# --- bringing a change onto another source ----------------------------------------------------


def source(resources, **rest):
    template = {"heat_template_version": "2021-04-16", "resources": resources}
    return TemplateSource(template=template, **rest)


def test_two_changes_of_one_source_become_one():
    """Each keeps what the other did, added and taken away; environments and files too."""
    base = source({"a": thing(size="s"), "b": thing(), "c": thing()}, parameters={"p": 1, "q": 1})
    theirs = source({"a": thing(size="l"), "b": thing()}, parameters={"p": 2, "q": 1})
    ours = source(
        {"a": thing(size="s"), "b": thing(label="x"), "c": thing(), "d": thing()},
        parameters={"p": 1, "q": 3},
        files={"f": "text"},
    )
    merged = rebased(base, theirs, ours)
    assert merged.template["resources"] == {
        "a": thing(size="l"),
        "b": thing(label="x"),
        "d": thing(),
    }
    assert merged.environment["parameters"] == {"p": 2, "q": 3}
    assert merged.files == {"f": "text"}


def test_what_both_changed_is_a_conflict_with_its_path():
    """Also when one of them took it away."""
    base = source({"a": thing(size="s"), "b": thing(label="x")})
    theirs = source({"a": thing(size="m"), "b": thing(label="y")})
    ours = source({"a": thing(size="l")})
    with pytest.raises(Conflict, match=r"resources.a.properties.size, resources.b"):
        rebased(base, theirs, ours)


@settings(max_examples=100, deadline=None)
@given(base=templates(), change=templates())
def test_rebasing_onto_what_it_was_made_from_changes_nothing(base, change):
    """And what both did alike is done once."""
    one, two = source(base), source(change)
    assert rebased(one, one, two).template == two.template
    assert rebased(one, two, one).template == two.template
    assert rebased(one, two, two).template == two.template
