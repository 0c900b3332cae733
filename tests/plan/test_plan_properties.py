"""Any templates, any interruptions: plans keep their invariants, arrive, and then rest."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from mantle.model.status import Action, Status
from mantle.plan.checks import check
from mantle.plan.render import plan_from_json, plan_json, render

NAMES = [f"r{number}" for number in range(7)]


@st.composite
def resources(draw, earlier):
    """A resource that refers to earlier names only, so that every template is acyclic."""
    some = st.lists(st.sampled_from(earlier), max_size=3, unique=True) if earlier else st.just([])
    reading = st.lists(
        st.tuples(st.sampled_from(["get_resource", "get_attr"]), st.sampled_from(earlier))
        if earlier
        else st.nothing(),
        max_size=2,
    )
    return {
        "type": draw(st.sampled_from(["Test::Thing", "Test::Thing", "Test::Other"])),
        "properties": {
            "size": draw(st.sampled_from(["s", "l"])),
            "label": draw(st.sampled_from(["a", "b"])),
            "peers": [_read(*one) for one in draw(reading)] if earlier else [],
            "tied": [_read(*one) for one in draw(reading)] if earlier else [],
        },
        "depends_on": draw(some),
        "deletion_policy": draw(st.sampled_from(["Delete", "Delete", "Retain", "Snapshot"])),
    }


def _read(function, name):
    return {function: name if function == "get_resource" else [name, "label"]}


def thing(*, peers=(), tied=(), depends_on=()):
    """One resource by hand, for examples that were found once."""
    return {
        "type": "Test::Thing",
        "properties": {
            "size": "s",
            "label": "a",
            "peers": [_read("get_resource", name) for name in peers],
            "tied": [_read("get_resource", name) for name in tied],
        },
        "depends_on": list(depends_on),
        "deletion_policy": "Delete",
    }


@st.composite
def templates(draw):
    """Some of the names, in any order: two templates may turn a dependency round."""
    chosen = draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]
    return {name: draw(resources(chosen[:place])) for place, name in enumerate(chosen)}


states = st.sampled_from(
    [
        (Action.CREATE, Status.FAILED),
        (Action.CREATE, Status.IN_PROGRESS),
        (Action.UPDATE, Status.FAILED),
        (Action.UPDATE, Status.IN_PROGRESS),
        (Action.CHECK, Status.FAILED),
        (Action.DELETE, Status.FAILED),
        (Action.INIT, Status.COMPLETE),
    ]
)
shaken = st.dictionaries(st.sampled_from(NAMES), states, max_size=3)


def shake(world, changes):
    """As if an operation had been interrupted or had failed."""
    for name, (action, status) in changes.items():
        world.rows = [
            structs.replace(
                row,
                action=action,
                status=status,
                physical_id=None if action is Action.INIT else row.physical_id,
            )
            if row.name == name
            else row
            for row in world.rows
        ]


def holds(world, loaded):
    """One complete row for each wanted resource, and no other."""
    assert sorted(row.name for row in world.rows) == sorted(loaded.graph.resources)
    assert all(row.status is Status.COMPLETE for row in world.rows)


@settings(max_examples=150, deadline=None)
@given(before=templates(), after=templates(), changes=shaken)
def test_every_plan_is_sound_and_arrives_at_what_is_wanted(new_world, before, after, changes):
    """Carried out, and planned again for what updates in place changed, it leaves nothing to do."""
    world = new_world().made(before)
    holds(world, world.load(before))
    shake(world, changes)
    wanted = world.load(after)
    plans = world.reach(wanted)
    for plan in plans:
        assert check(plan) == []
        assert plan_from_json(plan_json(plan)) == plan
        assert render(plan).endswith("unchanged.\n")
    holds(world, wanted)


@settings(max_examples=150, deadline=None)
@given(before=templates(), after=templates(), stop=st.integers(0, 12), changes=shaken)
def test_a_rollback_from_anywhere_arrives_at_what_was(new_world, before, after, stop, changes):
    """An update stops after any step; the way back is sound, and so is the way on."""
    world = new_world().made(before)
    forward = world.load(after)
    world.carry_out(world.plan(forward), forward, steps=stop)
    shake(world, changes)
    rows = list(world.rows)
    back = world.load(before)
    for plan in world.reach(back):
        assert check(plan) == []
    holds(world, back)
    world.rows = rows
    for plan in world.reach(forward):
        assert check(plan) == []
    holds(world, forward)


@settings(max_examples=80, deadline=None)
@given(before=templates(), after=templates(), stop=st.integers(0, 12))
def test_a_rollback_keeps_every_row_that_is_still_as_it_was(new_world, before, after, stop):
    """What the update did not touch, and what it only replaced, is not made anew."""
    world = new_world().made(before)
    was = {row.id: row for row in world.rows}
    forward = world.load(after)
    world.carry_out(world.plan(forward), forward, steps=stop)
    left = {
        row.id
        for row in world.rows
        if row.id in was and row.properties == was[row.id].properties and not row.replaced_by
    }
    free = {name for name, one in before.items() if not one["properties"]["tied"]}
    plan = world.plan(world.load(before))
    leaving = {step.resource_id for step in plan.steps if step.kind in {"delete", "forget"}}
    kept = {row.id for row in world.rows if row.id in left and row.name in free}
    assert not kept & leaving


@settings(max_examples=80, deadline=None)
@example(
    before={"r1": thing(), "r0": thing(tied=["r1"])},
    after={"r0": thing(), "r2": thing(depends_on=["r0"]), "r1": thing(peers=["r2"])},
    changes={},
)
@given(before=templates(), after=templates(), changes=shaken)
def test_a_delete_leaves_nothing_and_goes_backwards(new_world, before, after, changes):
    """Whatever two templates left behind; a user always goes before what it uses."""
    world = new_world().made(before)
    half = world.load(after)
    world.carry_out(world.plan(half), half, steps=3)
    shake(world, changes)
    plan = world.plan(None, Action.DELETE)
    assert check(plan) == []
    world.carry_out(plan, None)
    assert world.rows == []


@settings(max_examples=80, deadline=None)
@given(made=templates())
def test_a_delete_is_the_create_backwards(new_world, made):
    """No row goes while another still uses it."""
    world = new_world().made(made)
    needs = {row.name: row.requires for row in world.rows}
    plan = world.plan(None, Action.DELETE)
    place = {step.resource: number for number, step in enumerate(plan.steps)}
    assert all(place[user] < place[used] for user, uses in needs.items() for used in uses)


def test_a_big_graph_is_planned(new_world):
    """Two thousand resources: made, unchanged, one changed, all deleted."""
    count = 2_000
    template = {
        f"n{number}": {
            "type": "Test::Thing",
            "properties": {"label": "a", "tied": [{"get_resource": f"n{number // 2}"}]}
            if number > 1
            else {"label": "a"},
        }
        for number in range(1, count + 1)
    }
    world = new_world()
    loaded = world.load(template)
    plan = world.plan(loaded)
    assert (len(plan.steps), check(plan)) == (count, [])
    world.carry_out(plan, loaded)
    assert world.plan(loaded).is_empty
    template["n7"]["properties"]["label"] = "b"
    assert [step.key for step in world.plan(world.load(template)).steps] == ["update n7"]
    assert len(world.plan(None, Action.DELETE).steps) == count
