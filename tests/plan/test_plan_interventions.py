"""Which verb may do what to a step in which state, and what stands of what was asked."""

import itertools

import pytest

from mantle.model.ids import OperationId, PlanId, ProjectId, ResourceId, StackId, StepKey, Token
from mantle.model.interventions import WHOLE, Intervention, Verb
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.status import Action
from mantle.plan.interventions import (
    ANSWERS,
    WHOLE_ANSWERS,
    No,
    Stage,
    StepState,
    helpful,
    left_out,
    refusal,
    spared,
    standing,
)

pytestmark = pytest.mark.proves("beyond: verbs on steps, by state")

TABLE = """
live        | retry     | -  running -    failed -     -       -
live        | skip      | -  running held failed ready blocked -
live        | take-over | -  running held failed ready blocked -
live        | cancel    | -  running held -      ready blocked -
ended badly | retry     | -  running held failed -     -       skipped
ended badly | skip      | -  running held failed ready blocked -
ended badly | take-over | -  -       -    -      -     -       -
ended badly | cancel    | -  -       -    -      -     -       -
ended well  | retry     | -  -       -    -      -     -       -
ended well  | skip      | -  -       -    -      -     -       -
ended well  | take-over | -  -       -    -      -     -       -
ended well  | cancel    | -  -       -    -      -     -       -
"""


def allowed(stage, verb):
    return {state for state in StepState if refusal(stage, verb, state) is None}


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_the_table_of_verbs_and_states(line):
    """What is not in it is refused."""
    stage, verb, states = (part.strip() for part in line.split("|"))
    expected = {StepState(word) for word in states.split() if word != "-"}
    assert allowed(Stage(stage), Verb(verb)) == expected


def test_there_is_an_answer_for_everything():
    """Every refusal has a reason, and no state was forgotten."""
    for stage, verb in itertools.product(Stage, Verb):
        assert set(ANSWERS[stage, verb]) == set(StepState)
        answers = [*ANSWERS[stage, verb].values(), WHOLE_ANSWERS[stage, verb]]
        assert all(answer is None or answer.reason for answer in answers)


def test_what_binds_skips_nothing_and_continue_lets_a_failure_be():
    """A saved plan does precisely its steps; `--continue` is all a failed step takes."""
    assert isinstance(refusal(Stage.LIVE, Verb.SKIP, StepState.FAILED, binds=True), No)
    assert refusal(Stage.LIVE, Verb.CANCEL, StepState.FAILED, carry_on=True) is None
    assert helpful(Stage.LIVE, StepState.FAILED) == (Verb.RETRY, Verb.SKIP)
    assert helpful(Stage.LIVE, StepState.FAILED, binds=True) == (Verb.RETRY,)


# --- what stands -----------------------------------------------------------------------------


def step(key, *requires, replaces=None):
    kind, _, name = key.partition(" ")
    return Step(
        key=StepKey(key),
        kind=StepKind(kind),
        resource=name.split(" ")[0],
        resource_type="T",
        resource_id=ResourceId(key),
        token=Token("t"),
        reason="",
        requires=tuple(StepKey(each) for each in requires),
        replaces=replaces,
    )


PLAN = Plan(
    id=PlanId("p"),
    stack_id=StackId("s"),
    stack_name="s",
    action=Action.UPDATE,
    steps=(
        step("create other"),
        step("create web", "create other"),
        step("create dns", "create web"),
        step("delete web", "create web"),
        step("snapshot net", "delete web"),
        step("delete net", "snapshot net"),
        step("delete old"),
        step("create old", "delete old"),
    ),
)


def asked(verb, key=WHOLE, number=1, **more):
    values = {
        "id": f"i{number}",
        "operation_id": OperationId("o"),
        "stack_id": StackId("s"),
        "project_id": ProjectId("p"),
        "plan_id": PlanId("p"),
        "step": StepKey(key),
        "verb": verb,
        "user_name": "ann",
        "asked_at": 1.0,
        "settled_at": 2.0,
        "honoured": True,
    }
    return Intervention(**(values | more))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("create dns", {"create dns"}),
        ("create web", {"create web", "delete web", "snapshot net", "delete net"}),
        ("delete web", {"delete web", "snapshot net", "delete net"}),
        ("snapshot net", {"snapshot net", "delete net"}),
        ("delete old", {"delete old", "create old"}),
    ],
)
def test_a_skip_spares_what_would_harm_without_it(key, expected):
    """Removals behind it, and what waits for a removal; what is made behind it goes on."""
    assert set(spared(PLAN, {StepKey(key): "x"})) == expected


def test_of_each_step_the_last_word_counts():
    """A retry takes back; what was not honoured, or was of another plan, counts for nothing."""
    said = [
        asked(Verb.SKIP, "create dns"),
        asked(Verb.CANCEL, "create web", carry_on=True),
        asked(Verb.SKIP, "delete old", plan_id=PlanId("earlier")),
        asked(Verb.SKIP, "create other", honoured=False),
        asked(Verb.TAKE_OVER),
    ]
    now = standing(PLAN, said)
    assert dict(now.skipped) == {"create dns": "Skipped by ann"}
    assert dict(now.cancelled) == {"create web": "Cancelled by ann"}
    assert now.tolerated == {"create web"}
    assert not standing(PLAN, [*said, asked(Verb.RETRY, "create dns")]).skipped
    whole = standing(PLAN, [*said, asked(Verb.RETRY)])
    assert (set(whole.skipped), set(whole.cancelled), set(whole.tolerated)) == (
        {"create dns"},
        set(),
        set(),
    )


def test_what_was_skipped_is_left_out_of_the_next_plan_of_the_operation():
    """With what was spared, and whichever plan it was in."""
    said = [
        asked(Verb.SKIP, "create web", plan_id=PlanId("earlier"), resources=("net", "web")),
        asked(Verb.SKIP, "create dns", resources=("dns",)),
        asked(Verb.RETRY, "create dns"),
    ]
    assert left_out(said) == {"net", "web"}
