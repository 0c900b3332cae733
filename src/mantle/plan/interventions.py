"""What a verb may do to a step, what stands of what was asked, and what a skip spares.

Pure: tables and folds. The same answers are given where a request is accepted and where the engine
comes to do it, which may be later.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mantle.model.ids import PlanId, StepKey
from mantle.model.interventions import WHOLE, Intervention, Verb
from mantle.model.plan import Plan, Step, StepKind


class StepState(StrEnum):
    """How far a step is."""

    DONE = "done"
    RUNNING = "running"
    HELD = "held"
    """At a hook, until somebody clears it."""
    FAILED = "failed"
    READY = "ready"
    BLOCKED = "blocked"
    SKIPPED = "skipped"
    """Somebody had the operation go on without it."""


class Stage(StrEnum):
    """How far the operation is."""

    LIVE = "live"
    ENDED_BADLY = "ended badly"
    ENDED_WELL = "ended well"


@dataclass(frozen=True, slots=True)
class No:
    """Why a verb is refused, and what to do instead."""

    reason: str
    remedy: str = ""


YES = None
"""Nothing speaks against it."""

_DONE = No("it is done", "An update of the stack changes what is there.")
_SKIPPED = No("it is skipped", "The next update of the stack does what it left undone.")
_WAITS = No("it is not begun", "It is begun when the steps before it are done.")
_HOOK = No("a hook holds it", "`mantle stack clear-hook` lets it go on.")
_LEFT = No(
    "it was not begun when the operation ended",
    "`mantle operation retry OPERATION` without a step goes on with everything.",
)
_OVER = No("the operation has ended", "`mantle operation retry` goes on with one that ended badly.")
_FAILED = No("it has failed", "With --continue, steps that do not need it are done all the same.")
_ONLY_HERE = dict.fromkeys(StepState, _OVER)

S = StepState
ANSWERS: Mapping[tuple[Stage, Verb], Mapping[StepState, No | None]] = {
    (Stage.LIVE, Verb.RETRY): {
        S.DONE: _DONE,
        S.RUNNING: YES,
        S.HELD: _HOOK,
        S.FAILED: YES,
        S.READY: _WAITS,
        S.BLOCKED: _WAITS,
        S.SKIPPED: _SKIPPED,
    },
    (Stage.LIVE, Verb.SKIP): {
        S.DONE: _DONE,
        S.RUNNING: YES,
        S.HELD: YES,
        S.FAILED: YES,
        S.READY: YES,
        S.BLOCKED: YES,
        S.SKIPPED: _SKIPPED,
    },
    (Stage.LIVE, Verb.TAKE_OVER): {
        S.DONE: _DONE,
        S.RUNNING: YES,
        S.HELD: YES,
        S.FAILED: YES,
        S.READY: YES,
        S.BLOCKED: YES,
        S.SKIPPED: _SKIPPED,
    },
    (Stage.LIVE, Verb.CANCEL): {
        S.DONE: _DONE,
        S.RUNNING: YES,
        S.HELD: YES,
        S.FAILED: _FAILED,
        S.READY: YES,
        S.BLOCKED: YES,
        S.SKIPPED: _SKIPPED,
    },
    (Stage.ENDED_BADLY, Verb.RETRY): {
        S.DONE: _DONE,
        S.RUNNING: YES,
        S.HELD: YES,
        S.FAILED: YES,
        S.READY: _LEFT,
        S.BLOCKED: _LEFT,
        S.SKIPPED: YES,
    },
    (Stage.ENDED_BADLY, Verb.SKIP): {
        S.DONE: _DONE,
        S.RUNNING: YES,
        S.HELD: YES,
        S.FAILED: YES,
        S.READY: YES,
        S.BLOCKED: YES,
        S.SKIPPED: _SKIPPED,
    },
    (Stage.ENDED_BADLY, Verb.TAKE_OVER): _ONLY_HERE,
    (Stage.ENDED_BADLY, Verb.CANCEL): _ONLY_HERE,
    **{
        (Stage.ENDED_WELL, verb): dict.fromkeys(
            StepState, No("the operation is complete", "An update of the stack changes it.")
        )
        for verb in Verb
    },
}
"""What each verb may do to a step in each state. Of an operation that has ended, RUNNING is what
it left half way."""

WHOLE_ANSWERS: Mapping[tuple[Stage, Verb], No | None] = {
    (Stage.LIVE, Verb.RETRY): No(
        "it has not ended", "Name the step that is to be tried again, or take the operation over."
    ),
    (Stage.LIVE, Verb.SKIP): No("only a step can be skipped", "Name the step."),
    (Stage.LIVE, Verb.TAKE_OVER): YES,
    (Stage.LIVE, Verb.CANCEL): YES,
    (Stage.ENDED_BADLY, Verb.RETRY): YES,
    (Stage.ENDED_BADLY, Verb.SKIP): No("only a step can be skipped", "Name the step."),
    (Stage.ENDED_BADLY, Verb.TAKE_OVER): _OVER,
    (Stage.ENDED_BADLY, Verb.CANCEL): _OVER,
    **{
        (Stage.ENDED_WELL, verb): No("it is complete", "An update of the stack changes it.")
        for verb in Verb
    },
}


def refusal(
    stage: Stage, verb: Verb, state: StepState, *, carry_on: bool = False, binds: bool = False
) -> No | None:
    """Why this may not be done to a step in this state; None when it may."""
    if verb is Verb.SKIP and binds:
        return No(
            "a saved plan does precisely its steps",
            "Cancel the step; what is left stays pending in the plan.",
        )
    if (stage, verb, state) == (Stage.LIVE, Verb.CANCEL, S.FAILED) and carry_on:
        return YES
    return ANSWERS[stage, verb][state]


def helpful(stage: Stage, state: StepState, *, binds: bool = False) -> tuple[Verb, ...]:
    """The verbs that may be used on a step; taking over is about the operation."""
    return tuple(
        verb
        for verb in (Verb.RETRY, Verb.SKIP, Verb.CANCEL)
        if refusal(stage, verb, state, binds=binds) is None
    )


def helpful_whole(stage: Stage) -> tuple[Verb, ...]:
    """The verbs that may be used on the operation."""
    return tuple(verb for verb in Verb if WHOLE_ANSWERS[stage, verb] is None)


# --- what stands -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was asked of a plan's steps and still holds, with the reasons."""

    skipped: Mapping[StepKey, str] = field(default_factory=dict)
    """With those that a skip spares."""
    cancelled: Mapping[StepKey, str] = field(default_factory=dict)
    tolerated: frozenset[StepKey] = frozenset()
    """Steps whose failure does not keep others from being begun."""


def standing(plan: Plan, interventions: Iterable[Intervention]) -> Standing:
    """Fold what was honoured: of each step the last counts, and a retry takes back."""
    skipped: dict[StepKey, str] = {}
    cancelled: dict[StepKey, str] = {}
    tolerated: set[StepKey] = set()
    for each in interventions:
        if not each.honoured or each.plan_id != plan.id or each.verb is Verb.TAKE_OVER:
            continue
        if each.verb is Verb.RETRY and each.step == WHOLE:
            cancelled.clear()
            tolerated.clear()
            continue
        skipped.pop(each.step, None)
        cancelled.pop(each.step, None)
        tolerated.discard(each.step)
        if each.verb is Verb.SKIP:
            skipped[each.step] = told(each)
        elif each.verb is Verb.CANCEL and each.step != WHOLE:
            cancelled[each.step] = told(each)
            if each.carry_on:
                tolerated.add(each.step)
    return Standing(
        skipped=spared(plan, skipped), cancelled=cancelled, tolerated=frozenset(tolerated)
    )


def left_out(interventions: Iterable[Intervention]) -> frozenset[str]:
    """The resources that an operation goes on without, whichever of its plans they were in."""
    found: dict[tuple[PlanId | None, StepKey], tuple[str, ...]] = {}
    for each in interventions:
        if not each.honoured:
            continue
        if each.verb is Verb.SKIP:
            found[each.plan_id, each.step] = each.resources
        elif each.verb is Verb.RETRY:
            found.pop((each.plan_id, each.step), None)
    return frozenset(name for names in found.values() for name in names)


def told(intervention: Intervention) -> str:
    """The reason a step ends with."""
    word = "Skipped" if intervention.verb is Verb.SKIP else "Cancelled"
    return f"{word} by {intervention.by or 'mantle'}"


def spared(plan: Plan, skipped: Mapping[StepKey, str]) -> dict[StepKey, str]:
    """The skipped steps and those that would then harm.

    What is removed only after a step is spared with it: the step would have moved something off it,
    or made what takes its place. What waits for a removal is spared with that, too. Other steps go
    on, and fail if they need what was never made.
    """
    found = dict(skipped)
    if not found:
        return found
    kinds = {step.key: step.kind for step in plan.steps}
    for step in plan.steps:
        if step.key in found:
            continue
        for key in step.requires:
            if key in found and (removes(plan, step) or kinds.get(key) in REMOVALS):
                found[step.key] = f"Skipped, as {key!r} is"
                break
    return found


REMOVALS = {StepKind.DELETE, StepKind.FORGET}


def removes(plan: Plan, step: Step) -> bool:
    """True for a step that removes something, or saves it right before."""
    if step.kind in REMOVALS:
        return True
    return step.kind is StepKind.SNAPSHOT and plan.action != "SNAPSHOT"


def unsettled(interventions: Iterable[Intervention], seen: Collection[str]) -> list[Intervention]:
    """Those that are open and were not heard of before."""
    return [each for each in interventions if each.settled_at is None and each.id not in seen]
