"""Event sinks: where a stack's events are sent, besides being stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mantle.model.ids import ProjectId, StackId

WEBHOOK = frozenset({"webhook", "http"})
"""The types that are offered; both mean the same."""

KEYS = frozenset({"type", "target", "ttl"})
MOST_SINKS = 8
"""Of one environment."""

TTL_SECONDS = 3600.0
LONGEST_TTL_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """One sink of an environment."""

    target: str
    """An http or https URL."""
    ttl_seconds: float = TTL_SECONDS
    """An event that could not be delivered for so long is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRecord:
    """One sink of one stack, and how far its events are delivered."""

    id: str
    stack_id: StackId
    project_id: ProjectId
    target: str
    ttl_seconds: float
    sequence: int
    """Everything up to this event is delivered or dropped."""
    last: int | None
    """The sink was taken out of the environment: nothing behind this event is for it."""
    attempts: int
    """In vain, for the event that is next."""
    next_at: float
    problem: str
    """Why the last attempt failed; empty when it did not."""
    delivered: int
    dropped: int
    version: int


def sinks_of(environment: Iterable[Any]) -> tuple[Sink, ...]:
    """The sinks an environment lists; it was checked before. The same target counts once."""
    found: dict[str, Sink] = {}
    for each in environment:
        if isinstance(each, Mapping) and each.get("type") in WEBHOOK:
            target = str(each.get("target"))
            ttl = float(each.get("ttl") or TTL_SECONDS)
            found[target] = Sink(target=target, ttl_seconds=min(ttl, LONGEST_TTL_SECONDS))
    return tuple(found.values())


def why_no_sink(sink: Any) -> tuple[str, str] | None:
    """What is wrong with one entry of `event_sinks` and what to do; None when it will do."""
    leave = "Leave it out, or follow the stream of events at /v2."
    if not isinstance(sink, Mapping):
        return "An event sink must be a map.", "Give it `type: webhook` and a `target`."
    kind = sink.get("type")
    if kind == "zaqar-queue":
        return "There is no event sink of type 'zaqar-queue' here: there is no Zaqar to send to.", (
            "Use `type: webhook` with an http or https `target`, or leave it out."
        )
    if kind not in WEBHOOK:
        return f"There is no event sink of type {kind!r} here.", f"Known: webhook. {leave}"
    unknown = sorted(str(key) for key in sink if key not in KEYS)
    if unknown:
        return f"An event sink has no {unknown[0]!r}.", f"Known: {', '.join(sorted(KEYS))}."
    target = sink.get("target")
    if not isinstance(target, str) or not target.startswith(("http://", "https://")):
        return "The target of an event sink must be an http or https URL.", "Give it a `target`."
    ttl = sink.get("ttl", TTL_SECONDS)
    number = isinstance(ttl, int | float) and not isinstance(ttl, bool)
    if not number or not 1 <= ttl <= LONGEST_TTL_SECONDS:
        return f"The ttl of an event sink cannot be {ttl!r}.", (
            f"Give seconds, from 1 to {LONGEST_TTL_SECONDS:.0f}."
        )
    return None
