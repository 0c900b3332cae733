"""The shape of an explained operation; times are ISO 8601, UTC."""

import msgspec

from mantle.api.own.interventions import InterventionItem, intervention_shape
from mantle.api.own.shapes import Operation, operation_shape, when
from mantle.plan.explain import Explanation


class ExplainedStep(msgspec.Struct, kw_only=True):
    """One step; `state` is done, running, held, failed, ready, blocked or skipped."""

    key: str
    resource: str
    state: str
    said: str
    since: str | None
    until: str | None
    waits_for: list[str]
    calls: int
    """How often it has asked its cloud, as far as that was told."""
    errors: int
    """Refused calls in a row."""
    last_error: str
    error_at: str | None
    next_look_at: str | None
    """When it asks again; about, for one that merely waits."""
    inner: str | None
    """The operation of the stack inside that does the work."""
    verbs: list[str]
    """What may be done to it."""


class HoldingEngine(msgspec.Struct, kw_only=True):
    """Who holds the operation, and when it was last heard of."""

    id: str
    host: str
    beat_at: str | None
    epoch: int
    """Counts the holders: a write of an earlier one is refused."""
    lease_age_seconds: float | None
    """Since it was last heard of; null when nothing is known of it any more."""


class TroubleItem(msgspec.Struct, kw_only=True):
    """Why it cannot go on, and what to do."""

    kind: str
    remedy: str


class ExplanationAnswer(msgspec.Struct, kw_only=True):
    """An operation, explained."""

    operation: Operation
    engine: HoldingEngine | None
    behind: str | None
    """The operation that must end first."""
    steps: list[ExplainedStep]
    troubles: list[TroubleItem]
    stuck: bool
    """Nothing ends one of the troubles by itself."""
    next: str
    verbs: list[str]
    """What may be done to the operation as a whole."""
    interventions: list[InterventionItem]
    """What was asked of it, the oldest first."""


def explanation_shape(explained: Explanation) -> ExplanationAnswer:
    """As the API tells it."""
    engine = explained.engine
    return ExplanationAnswer(
        operation=operation_shape(explained.operation),
        engine=HoldingEngine(
            id=engine.id,
            host=engine.host,
            beat_at=when(engine.beat_at),
            epoch=explained.operation.epoch,
            lease_age_seconds=explained.lease_age_seconds,
        )
        if engine
        else None,
        behind=explained.behind.id if explained.behind else None,
        steps=[
            ExplainedStep(
                key=step.key,
                resource=step.resource,
                state=step.state,
                said=step.said,
                since=when(step.since),
                until=when(step.until),
                waits_for=list(step.waits_for),
                calls=step.calls,
                errors=step.errors,
                last_error=step.last_error,
                error_at=when(step.error_at),
                next_look_at=when(step.next_look_at),
                inner=step.inner,
                verbs=[verb.value for verb in step.verbs],
            )
            for step in explained.steps
        ],
        troubles=[TroubleItem(kind=kind, remedy=remedy) for kind, remedy in explained.troubles],
        stuck=bool(explained.stuck),
        next=explained.next,
        verbs=[verb.value for verb in explained.verbs],
        interventions=[intervention_shape(each) for each in explained.interventions],
    )
