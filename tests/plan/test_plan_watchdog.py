"""What is stuck, decided from rows at a moment that is an argument."""

from dataclasses import replace

import pytest

from mantle.model.ids import OperationId, ProjectId, StackId, StepKey
from mantle.model.interventions import Look
from mantle.model.records import OperationRecord
from mantle.model.status import Action, OperationStatus
from mantle.plan.interventions import StepState
from mantle.plan.watchdog import Engine, Patience, Progress, Trouble, Watched, find_stuck

pytestmark = pytest.mark.proves("beyond: watchdog")

NOW = 100_000.0
ALIVE = Engine(id="e", beat_at=NOW - 5, started_at=NOW - 90_000)
RUNNING = OperationRecord(
    id=OperationId("o"),
    stack_id=StackId("s"),
    project_id=ProjectId("p"),
    action=Action.CREATE,
    status=OperationStatus.RUNNING,
    created_at=NOW - 50_000,
)
QUEUED = replace(RUNNING, status=OperationStatus.QUEUED)


def watched(*steps, operation=RUNNING, engine=ALIVE, **more):
    values = {"waits_since": operation.created_at} | more
    return Watched(operation=operation, engine=engine, steps=steps, **values)


def step(state=StepState.RUNNING, name="web", **more):
    return Progress(key=StepKey(f"create {name}"), resource=name, state=state, **more)


def look(**more):
    values = {"looked_at": NOW - 3, "pause_seconds": 5.0, "calls": 9}
    return Look(operation_id=OperationId("o"), step=StepKey("create web"), **(values | more))


def kinds(one, patience=None):
    return [reason.kind for reason in find_stuck(one, NOW, patience or Patience())]


FRESH = {"since": NOW - 60, "until": NOW + 3000}

CASES = {
    "a step that is asked now and then": (watched(step(**FRESH, look=look())), []),
    "a step just begun": (watched(step(since=NOW - 5)), []),
    "ended": (watched(operation=replace(RUNNING, status=OperationStatus.FAILED)), []),
    "an engine that is silent": (
        watched(engine=Engine(id="e", beat_at=NOW - 31)),
        [Trouble.DEAD_ENGINE],
    ),
    "an engine that nothing is known of": (watched(engine=None), [Trouble.DEAD_ENGINE]),
    "queued for long": (watched(operation=QUEUED, engine=None), [Trouble.NO_ENGINE]),
    "queued behind another": (
        watched(operation=QUEUED, engine=None, behind=OperationId("o2")),
        [],
    ),
    "queued for long, taken over just now": (
        watched(operation=QUEUED, engine=None, waits_since=NOW - 5),
        [],
    ),
    "past its time": (
        watched(step(since=NOW - 4000, until=NOW - 400, look=look())),
        [Trouble.OVERDUE],
    ),
    "past its time with nobody to see it": (
        watched(step(since=NOW - 4000, until=NOW - 400), engine=None),
        [Trouble.DEAD_ENGINE, Trouble.OVERDUE],
    ),
    "past its time by a moment": (watched(step(since=NOW - 40, until=NOW - 4, look=look())), []),
    "a condition whose time is over": (
        watched(step(**FRESH, wait_until=NOW - 50, look=look())),
        [Trouble.WAIT_OVER],
    ),
    "a condition with time left": (watched(step(**FRESH, wait_until=NOW + 5, look=look())), []),
    "refused ten times": (
        watched(step(**FRESH, look=look(errors=10, last_error="no"))),
        [Trouble.RETRYING],
    ),
    "refused nine times": (watched(step(**FRESH, look=look(errors=9))), []),
    "a first call that does not come back": (
        watched(step(since=NOW - 301, until=NOW + 3000)),
        [Trouble.HUNG],
    ),
    "a call that does not come back": (
        watched(step(**FRESH, look=look(looked_at=NOW - 400))),
        [Trouble.HUNG],
    ),
    "a long pause is no hung call": (
        watched(step(**FRESH, look=look(looked_at=NOW - 400, pause_seconds=3600.0))),
        [],
    ),
    "an account of the earlier holder": (
        watched(
            step(**FRESH, look=look(looked_at=NOW - 4000)),
            engine=replace(ALIVE, started_at=NOW - 20),
        ),
        [],
    ),
    "work of a stack inside": (
        watched(
            step(**FRESH, look=look(looked_at=NOW - 4000, inner=OperationId("o3"))),
        ),
        [],
    ),
    "a hook for long": (
        watched(step(StepState.HELD), held={"web": ("pre-create", NOW - 3601)}),
        [Trouble.HELD_LONG],
    ),
    "a hook": (watched(step(StepState.HELD), held={"web": ("pre-create", NOW - 60)}), []),
    "behind a failed step": (
        watched(step(StepState.FAILED), step(StepState.BLOCKED, "dns"), moved_at=NOW - 61),
        [Trouble.BEHIND_FAILED],
    ),
    "behind a step that failed just now": (
        watched(step(StepState.FAILED), step(StepState.BLOCKED, "dns"), moved_at=NOW - 5),
        [],
    ),
    "behind a failed step, while others run": (
        watched(
            step(StepState.FAILED),
            step(StepState.BLOCKED, "dns"),
            step(name="db", **FRESH),
            moved_at=NOW - 600,
        ),
        [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_stuck(case):
    """And what only takes long is not."""
    one, expected = CASES[case]
    assert kinds(one) == expected


def test_each_reason_says_what_frees_it():
    """With the command, ready to be used."""
    found = find_stuck(watched(step(since=NOW - 4000, until=NOW - 400)), NOW, Patience())
    assert found[0].step == "create web"
    assert "`mantle operation retry o 'create web'`" in found[0].said


def test_patience_is_a_setting():
    """A hook of two hours is no trouble where four are usual."""
    one = watched(step(StepState.HELD), held={"web": ("pre-create", NOW - 7200)})
    assert kinds(one) == [Trouble.HELD_LONG]
    assert kinds(one, Patience(hook=14_400)) == []
