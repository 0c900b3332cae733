"""The shape of an explained operation; times are ISO 8601, UTC."""

import msgspec

from mantle.api.own.shapes import Operation, operation_shape, when
from mantle.plan.explain import Explanation


class ExplainedStep(msgspec.Struct, kw_only=True):
    """One step; `state` is done, running, held, failed, ready or blocked."""

    key: str
    resource: str
    state: str
    said: str
    since: str | None
    until: str | None
    waits_for: list[str]


class HoldingEngine(msgspec.Struct, kw_only=True):
    """Who holds the operation, and when it was last heard of."""

    id: str
    host: str
    beat_at: str | None


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
    next: str


def explanation_shape(explained: Explanation) -> ExplanationAnswer:
    """As the API tells it."""
    engine = explained.engine
    return ExplanationAnswer(
        operation=operation_shape(explained.operation),
        engine=HoldingEngine(id=engine.id, host=engine.host, beat_at=when(engine.beat_at))
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
            )
            for step in explained.steps
        ],
        troubles=[TroubleItem(kind=kind, remedy=remedy) for kind, remedy in explained.troubles],
        next=explained.next,
    )
