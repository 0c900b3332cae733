"""Which servers are meant, and what comes next for one of them. Pure.

Note on doing it once. Switching off what is off harms nobody: such verbs look at the server's
state, and are repeated until it is as wanted. A reboot, a resize or a migration done twice does
harm. Before one is asked for, the newest deed of its kind that the cloud remembers is written down
(`Target.mark`). Whoever goes on after a crash, or after an answer that was lost, compares: a newer
deed is ours, whatever became of the answer, and nothing is asked again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mantle.model.sweeps import Seen, Selector, SweepVerb, Target, TargetState

ACTIVE, STOPPED, SUSPENDED = "ACTIVE", "STOPPED", "SUSPENDED"
BUILDING, DELETING, ERROR = "BUILDING", "DELETING", "ERROR"

END_STATE: Mapping[SweepVerb, str] = {
    SweepVerb.ON: ACTIVE,
    SweepVerb.OFF: STOPPED,
    SweepVerb.SUSPEND: SUSPENDED,
    SweepVerb.RESUME: ACTIVE,
}
"""Verbs that are done when the server is in this state; the others are known by their deeds."""

MOST_ATTEMPTS = 5


def by_deed(verb: SweepVerb) -> bool:
    """Whether doing it twice would be harm, so that the cloud's memory is asked."""
    return verb not in END_STATE


def deed_of(verb: SweepVerb) -> str:
    """What clouds remember it by: of reboots, that they were."""
    return "reboot" if verb is SweepVerb.HARD_REBOOT else verb.value


@dataclass(frozen=True, slots=True)
class Act:
    """Ask the cloud for it."""


@dataclass(frozen=True, slots=True)
class Look:
    """Something is under way: look again."""

    why: str


@dataclass(frozen=True, slots=True)
class End:
    """The server has its outcome."""

    state: TargetState
    reason: str = ""


Next = Act | Look | End


# --- which -----------------------------------------------------------------------------------


def matches(selector: Selector, seen: Seen) -> bool:
    """Whether the server is meant."""
    return (
        _named(selector.names, seen)
        and set(selector.tags) <= set(seen.tags)
        and all(
            key in seen.metadata and fnmatchcase(seen.metadata[key], value)
            for key, value in selector.metadata.items()
        )
        and _any(selector.hosts, seen.host)
        and _any((each.upper() for each in selector.statuses), seen.status)
        and _any(selector.stacks, seen.stack)
        and _any(selector.clouds, seen.cloud)
        and _any(selector.regions, seen.region)
    )


def _named(names: Sequence[str], seen: Seen) -> bool:
    return not names or any(name == seen.id or fnmatchcase(seen.name, name) for name in names)


def _any(patterns: Iterable[str], value: str) -> bool:
    """Any of the patterns fits, or there is none; what has no value fits none."""
    given = tuple(patterns)
    return not given or (value != "" and any(fnmatchcase(value, each) for each in given))


def targets_of(found: Sequence[Seen], wanted: Mapping[str, tuple[str, ...]]) -> tuple[Target, ...]:
    """The servers of a sweep, in the order in which they are begun.

    Servers of one stack are spread over the whole: what is done to a stack's members is not done
    to all of them at first. `wanted` is by cloud.
    """
    places: dict[str, int] = {}
    keyed = []
    for seen in sorted(found, key=lambda each: (each.name, each.cloud, each.id)):
        places[seen.stack] = places.get(seen.stack, -1) + 1
        keyed.append(((places[seen.stack] if seen.stack else 0, seen.name), seen))
    return tuple(
        Target(
            position=position,
            cloud=seen.cloud,
            server_id=seen.id,
            name=seen.name,
            stack=seen.stack,
            status=seen.status,
            flavor=seen.flavor,
            host=seen.host,
            wanted=wanted.get(seen.cloud, ()),
        )
        for position, (_, seen) in enumerate(sorted(keyed, key=lambda pair: pair[0]))
    )


# --- what comes next -------------------------------------------------------------------------


def next_for(verb: SweepVerb, target: Target, seen: Seen | None, newest: str) -> Next:
    """What to do with the server as it is now; `newest` is the newest deed of this kind."""
    if seen is None or seen.status == DELETING:
        return End(TargetState.SKIPPED, "It is no longer there.")
    begun = target.state is TargetState.ACTING
    if seen.status == BUILDING:
        return Look("it is being changed")
    # A hard reboot is the way out of ERROR; after it, ERROR is its outcome.
    mending = verb is SweepVerb.HARD_REBOOT and not (begun and newest != target.mark)
    if seen.status == ERROR and not mending:
        said = f"It is in ERROR: {seen.fault}" if seen.fault else "It is in ERROR."
        return End(TargetState.FAILED, said)
    if not by_deed(verb):
        return _by_state(verb, target, seen, begun=begun)
    return _by_deed(verb, target, seen, arrived=begun and newest != target.mark, begun=begun)


def _by_state(verb: SweepVerb, target: Target, seen: Seen, *, begun: bool) -> Next:
    if seen.status == END_STATE[verb]:
        return End(TargetState.DONE if begun else TargetState.UNCHANGED)
    if target.attempts >= MOST_ATTEMPTS:
        return End(
            TargetState.FAILED, f"It is still {seen.status} after {target.attempts} attempts."
        )
    return Act()


def _by_deed(verb: SweepVerb, target: Target, seen: Seen, *, arrived: bool, begun: bool) -> Next:
    come = _has_come(verb, target, seen, arrived=arrived)
    if begun and (arrived or come):
        if come:
            return End(TargetState.DONE)
        return End(TargetState.FAILED, _stayed(verb, target, seen))
    if not begun and come:
        return End(TargetState.UNCHANGED)
    if moved := _moved(verb, target, seen):
        return End(TargetState.SKIPPED, moved)
    if target.attempts >= MOST_ATTEMPTS:
        return End(
            TargetState.FAILED, f"The cloud did not take it up in {target.attempts} attempts."
        )
    return Act()


def _has_come(verb: SweepVerb, target: Target, seen: Seen, *, arrived: bool) -> bool:
    """Whether the server is as it should become. A reboot leaves no trace but its deed."""
    match verb:
        case SweepVerb.RESIZE:
            return seen.flavor in target.wanted
        case SweepVerb.MIGRATE | SweepVerb.LIVE_MIGRATE:
            if target.wanted:
                return seen.host in target.wanted
            return target.state is TargetState.ACTING and seen.host != target.host
        case _:
            return arrived and seen.status == ACTIVE


def _stayed(verb: SweepVerb, target: Target, seen: Seen) -> str:
    match verb:
        case SweepVerb.RESIZE:
            return f"The cloud tried, and left it with flavor {seen.flavor}."
        case SweepVerb.MIGRATE | SweepVerb.LIVE_MIGRATE:
            return f"The cloud tried, and left it on {seen.host}."
        case _:
            return f"It was rebooted, and is {seen.status} (it was {target.status})."


def _moved(verb: SweepVerb, target: Target, seen: Seen) -> str:
    """Why it is left alone: the plan showed something else."""
    match verb:
        case SweepVerb.RESIZE if seen.flavor != target.flavor:
            return f"Planned with flavor {target.flavor}, it has {seen.flavor} now."
        case SweepVerb.MIGRATE | SweepVerb.LIVE_MIGRATE if seen.host != target.host:
            return f"Planned on {target.host}, it is on {seen.host} now."
        case _:
            return ""
