"""What policy rules say of a plan."""

import pytest

from mantle.model.ids import ProjectId, StackId, UserId
from mantle.model.policies import EVERYWHERE, Asker, Effect, PolicyRule
from mantle.model.records import StackRecord
from mantle.model.status import Action, Status
from mantle.plan.policy import Question, judge_plan
from mantle.plan.stack import plan_with_values

STACK = StackRecord(
    id=StackId("s"),
    name="shop",
    project_id=ProjectId("p"),
    owner_id=UserId("u"),
    owner_name="user",
    action=Action.UPDATE,
    status=Status.COMPLETE,
    reason="",
    cloud="simulated",
    source_id="",
    tags=("prod",),
    root_id=StackId("s"),
    created_at=0.0,
)
ASKER = Asker(user_id="u", user_name="user", roles=("member",))


def rule(expression, effect=Effect.DENY, name="r", **rest):
    return PolicyRule(
        id="1",
        project_id=rest.pop("project_id", ProjectId("p")),
        name=name,
        effect=effect,
        expression=expression,
        **rest,
    )


def asked(world, wanted, *rules, action=Action.UPDATE, seconds=lambda: 0.0):
    """(step, rule, why) of every verdict on bringing the world to the wanted resources."""
    loaded = None if wanted is None else world.load(wanted)
    planned = plan_with_values(**world.request(loaded, action))
    question = Question(
        plan=planned.plan,
        stack=STACK,
        rows=world.rows,
        after=planned.after,
        definitions=loaded.graph.resources if loaded else {},
        asker=ASKER,
        now=0.0,
    )
    found = judge_plan(rules, question, seconds)
    return [(verdict.step, verdict.rule, verdict.reason) for verdict in found]


def thing(**properties):
    return {"type": "Test::Thing", "properties": properties}


READS = {"a": thing(), "b": thing(label={"get_attr": ["a", "label"]}, size="s")}


@pytest.mark.proves("beyond: policy rules")
def test_a_rule_sees_what_changes_and_who_asks(new_world):
    """Action, change, values before and after, the stack's tags, the user's roles."""
    world = new_world().made({"a": thing(size="s")})
    wanted = {"a": thing(size="l"), "b": thing(size="s")}
    found = asked(
        world,
        wanted,
        rule("change == 'replace' && before.size == 's' && after.size == 'l'", name="grow"),
        rule("'prod' in tags && change == 'delete' && replacement", name="drop"),
        rule("action == 'update' && change == 'create' && 'member' in user.roles", name="new"),
        rule("'size' in changed && resource.name == 'b'", name="named"),
    )
    assert [(step, name) for step, name, _ in found] == [
        ("create a", "grow"),
        ("create b", "new"),
        ("create b", "named"),
        ("delete a", "drop"),
    ]


def test_a_rule_is_asked_only_where_it_applies(new_world):
    """By action and by resource type, whole or by its beginning."""
    world = new_world()
    wanted = {"a": thing(), "b": {"type": "Test::Other"}}
    found = asked(
        world,
        wanted,
        rule("true", name="one", resource_types=("Test::Other",)),
        rule("true", name="some", resource_types=("Test::T*",)),
        rule("true", name="none", resource_types=("OS::*",)),
        rule("true", name="delete only", actions=("delete",)),
        rule("true", name="update", actions=("update",), resource_types=("Test::Thing",)),
    )
    assert [(step, name) for step, name, _ in found] == [
        ("create a", "some"),
        ("create a", "update"),
        ("create b", "one"),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "after.label == 'x'",
        "has(after.label)",
        "!has(after.label)",
        "after.label != 'x'",
        "after.peers.size() == 1",
    ],
)
def test_an_unknown_value_lets_nothing_through(new_world, expression):
    """A rule must pass with the value absent and with it null, else it denies."""
    unknown = {"get_attr": ["a", "label"]}
    wanted = {"a": thing(), "b": thing(label=unknown, peers=[unknown])}
    guarded = f"resource.name == 'b' && {expression}"
    assert [step for step, *_ in asked(new_world(), wanted, rule(guarded))] == ["create b"]


def test_unknown_values_are_visible_as_unknown(new_world):
    """A rule may decide for itself what to do about them."""
    text = "resource.name == 'b' && !('label' in unknown) && after.label == 'x'"
    assert asked(new_world(), READS, rule(text)) == []
    says = rule("'label' in unknown", description="decided later", effect=Effect.WARN)
    assert asked(new_world(), READS, says) == [("create b", "r", "decided later")]


def test_a_rule_that_cannot_be_evaluated_applies_with_its_reason(new_world):
    """Fail closed; also when it was stored by a release that allowed what this one does not."""
    world = new_world()
    broken, missing = rule("nosuch == 1", name="broken"), rule("after.nosuch == 1", name="missing")
    reasons = {name: why for _, name, why in asked(world, {"a": thing()}, broken, missing)}
    assert "undeclared reference to 'nosuch'" in reasons["broken"]
    assert "nosuch" in reasons["missing"]


def test_rules_have_ten_seconds_for_one_plan(new_world):
    """What was not evaluated by then counts as failed."""
    ticks = iter(range(0, 1000, 6))
    found = asked(
        new_world(),
        {"a": thing(), "b": thing(), "c": thing()},
        rule("false"),
        seconds=lambda: next(ticks),
    )
    assert [step for step, *_ in found] == ["create b", "create c"]


def test_a_verdict_says_rule_place_and_scope(new_world):
    """As a person reads it."""
    world = new_world()
    loaded = world.load({"a": thing()})
    planned = plan_with_values(**world.request(loaded, Action.CREATE))
    question = Question(
        plan=planned.plan,
        stack=STACK,
        rows=(),
        after=planned.after,
        definitions=loaded.graph.resources,
        asker=ASKER,
        now=0.0,
    )
    mine = rule(
        "true", name="no", project_id=EVERYWHERE, origin="rules.yaml:3", description="not on Friday"
    )
    assert [str(verdict) for verdict in judge_plan([mine], question)] == [
        "create a: denied by operator rule 'no' (rules.yaml:3): not on Friday"
    ]
