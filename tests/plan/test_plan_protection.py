"""`mantle:prevent_destroy` in a resource's metadata."""

import pytest

from mantle.model.errors import Invalid
from mantle.model.status import Action, Status

KEY = "mantle:prevent_destroy"


def thing(protected=None, **properties):
    metadata = {} if protected is None else {"metadata": {KEY: protected}}
    return {"type": "Test::Thing", "properties": properties, **metadata}


def refused(world, wanted, action=Action.UPDATE, **source):
    with pytest.raises(Invalid) as caught:
        world.plan(None if wanted is None else world.load(wanted, **source), action)
    assert {problem.code for problem in caught.value.problems} == {"prevent-destroy"}
    return sorted(str(problem.path[1]) for problem in caught.value.problems)


@pytest.mark.proves("beyond: prevent_destroy")
def test_a_protected_resource_is_neither_removed_nor_replaced_nor_deleted(new_world):
    """Every one of them is named at once."""
    world = new_world().made({"a": thing(True, size="s"), "b": thing(True), "c": thing()})
    assert refused(world, {"a": thing(True, size="l"), "c": thing()}) == ["a", "b"]
    assert refused(world, None, Action.DELETE) == ["a", "b"]


def test_it_may_be_changed_in_place(new_world):
    """Protection is from destruction only."""
    world = new_world().made({"a": thing(True, label="x")})
    plan = world.plan(world.load({"a": thing(True, label="y")}))
    assert [str(step.key) for step in plan.steps] == ["update a"]


def test_leaving_the_key_out_lifts_nothing_an_explicit_false_does(new_world):
    """The row remembers what the template said last."""
    world = new_world().made({"a": thing(True, size="s")})
    assert refused(world, {"a": thing(size="l")}) == ["a"]
    plan = world.plan(world.load({"a": thing(False, size="l")}))
    assert [str(step.key) for step in plan.steps] == ["create a", "delete a"]


@pytest.mark.parametrize("given", ["true", "True", 1, "yes"])
def test_it_may_come_from_a_parameter(new_world, given):
    """A parameter's text counts as the truth it spells."""
    template = {"parameters": {"keep": {"type": "string", "default": str(given)}}}
    wanted = {"a": thing({"get_param": "keep"}, size="s")}
    world = new_world()
    loaded = world.load(wanted, template=template)
    world.carry_out(world.plan(loaded, Action.CREATE), loaded)
    assert refused(world, {}, template={}) == ["a"]


def test_what_was_never_finished_is_not_protected(new_world):
    """A failed create holds nothing worth keeping."""
    world = new_world()
    loaded = world.load({"a": thing(True)})
    world.carry_out(world.plan(loaded, Action.CREATE), loaded)
    world.change("a", action=Action.CREATE, status=Status.FAILED)
    assert [str(step.key) for step in world.plan(None, Action.DELETE).steps] == ["delete a"]
