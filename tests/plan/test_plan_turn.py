"""Which goes first in a replacement, and what becomes of what failed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mantle.model.errors import Invalid
from mantle.model.status import Action, Status
from mantle.plan.checks import check
from mantle.plan.quota import counted
from mantle.plan.render import plan_from_json, plan_json, render

FIRST = {"mantle:replace": "delete_first"}


def thing(needs=(), tied=(), metadata=None, **properties):
    made = {"type": "Test::Thing", "properties": dict(properties)}
    if tied:
        made["properties"]["tied"] = [{"get_resource": name} for name in tied]
    if needs:
        made["properties"]["peers"] = [{"get_resource": name} for name in needs]
    if metadata:
        made["metadata"] = metadata
    return made


def shown(plan):
    return [(step.key.split(" #")[0], step.requires) for step in plan.steps]


@pytest.mark.proves("life cycle: replacement order")
def test_the_new_one_comes_first_unless_asked_otherwise(world):
    """As in Heat: made, then moved to, then the old one goes."""
    world.made({"net": thing(size="s")})
    plan = world.plan(world.load({"net": thing(size="l")}))
    assert shown(plan) == [("create net", ()), ("delete net", ("create net",))]
    assert plan.steps[0].old_first == ""


@pytest.mark.proves("life cycle: replacement order")
def test_the_old_one_goes_first_when_the_metadata_asks_for_it(world):
    """The plan says so, with the reason, in text and in JSON."""
    world.made({"net": thing(size="s", metadata=FIRST)})
    plan = world.plan(world.load({"net": thing(size="l", metadata=FIRST)}))
    assert shown(plan) == [("delete net", ()), ("create net", ("delete net",))]
    assert plan.steps[1].old_first == "its metadata asks for it"
    text = render(plan)
    assert "-/+ net  (Test::Thing)" in text
    assert "the old one goes first: its metadata asks for it" in text
    assert "1 to replace, old first, 0 unchanged." in text
    assert plan_from_json(plan_json(plan)) == plan
    assert check(plan) == []


def test_what_is_replaced_with_it_goes_before_it_and_comes_after_it(world):
    """A listener and its pool: the pool goes, the listener goes, then both come again."""
    before = {"ear": thing(size="s", metadata=FIRST), "pool": thing(tied=["ear"])}
    world.made(before)
    plan = world.plan(world.load({**before, "ear": thing(size="l", metadata=FIRST)}))
    assert shown(plan) == [
        ("delete pool", ()),
        ("delete ear", ("delete pool",)),
        ("create ear", ("delete ear",)),
        ("create pool", ("create ear",)),
    ]
    assert check(plan) == []


def test_what_is_changed_in_place_does_without_it_meanwhile(world):
    """A server that is given the new port stays, and is changed once the port is there."""
    before = {"port": thing(size="s", metadata=FIRST), "web": thing(needs=["port"])}
    world.made(before)
    plan = world.plan(world.load({**before, "port": thing(size="l", metadata=FIRST)}))
    assert shown(plan) == [
        ("delete port", ()),
        ("create port", ("delete port",)),
        ("update web", ("create port",)),
    ]


def test_what_can_move_away_before_does(world):
    """Who no longer needs the old one lets go of it first."""
    world.made({"port": thing(size="s", metadata=FIRST), "web": thing(needs=["port"])})
    plan = world.plan(
        world.load({"port": thing(size="l", metadata=FIRST), "web": thing(label="alone")})
    )
    assert shown(plan) == [
        ("update web", ()),
        ("delete port", ("update web",)),
        ("create port", ("delete port",)),
    ]


def test_what_stays_on_its_cloud_gives_nothing_free(world):
    """With `deletion_policy: Retain` the usual order holds."""
    kept = {**thing(size="s", metadata=FIRST), "deletion_policy": "Retain"}
    world.made({"net": kept})
    plan = world.plan(world.load({"net": {**kept, "properties": {"size": "l"}}}))
    assert [step.key for step in plan.steps] == ["create net", "forget net"]


def test_a_word_that_means_nothing_is_refused(world):
    """With the place and what can be said."""
    with pytest.raises(Invalid, match="mantle:replace must be create_first or delete_first, not"):
        world.plan(world.load({"net": thing(metadata={"mantle:replace": "sideways"})}))
    with pytest.raises(Invalid, match="mantle:replace_on_failure must be true or false, not"):
        world.plan(world.load({"net": thing(metadata={"mantle:replace_on_failure": "maybe"})}))


def test_one_place_is_enough_for_both(world):
    """A replacement whose old object goes first needs nothing of the quota, and frees nothing."""
    world.made({"net": thing(size="s", metadata=FIRST)})
    plan = world.plan(world.load({"net": thing(size="l", metadata=FIRST)}))
    typed = plan_from_json(
        {
            **plan_json(plan),
            "steps": [
                {**step, "resource_type": "OS::Neutron::Net"} for step in plan_json(plan)["steps"]
            ],
        }
    )
    needs, frees = counted(typed)
    assert (dict(needs), dict(frees)) == ({}, {})


def on_failure(says):
    return {"mantle:replace_on_failure": says} if says is not None else None


@pytest.mark.proves("life cycle: replacement after failure")
@pytest.mark.parametrize(
    ("says", "create", "update", "checked"),
    [
        (None, "create", "update", "create"),
        (True, "create", "create", "create"),
        (False, "create same", "update", "update"),
    ],
)
def test_what_becomes_of_what_failed(new_world, says, create, update, checked):
    """Failed to be made, to be changed, or a check: by default as Heat, else as asked."""
    wanted = {Action.CREATE: create, Action.UPDATE: update, Action.CHECK: checked}
    for action, expected in wanted.items():
        world = new_world()
        template = {"net": thing(size="s", metadata=on_failure(says))}
        world.made(template).change("net", action=action, status=Status.FAILED, reason="no")
        row = world.row("net")
        step = world.plan(world.load(template)).steps[0]
        same = " same" if step.kind == "create" and step.resource_id == row.id else ""
        assert f"{step.kind}{same}" == expected, action


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_plan_with_both_orders_can_be_carried_out(new_world, data):
    """Whatever is replaced in whichever order, no step waits for itself in the end."""
    names = [f"r{number}" for number in range(data.draw(st.integers(1, 7)))]

    def template():
        made = {}
        for at, name in enumerate(names):
            if data.draw(st.integers(0, 5)) == 0 and at:
                continue
            there = [other for other in names[:at] if other in made]
            some = st.lists(st.sampled_from(there), unique=True, max_size=2)
            made[name] = thing(
                tied=data.draw(some) if there else (),
                needs=data.draw(some) if there else (),
                size=data.draw(st.sampled_from(["s", "m"])),
                metadata=data.draw(st.sampled_from([None, FIRST])),
            )
        return made

    world = new_world().made(template())
    plan = world.plan(world.load(template()))
    assert check(plan) == []
