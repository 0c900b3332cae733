"""What a process measures of itself, for Prometheus: one registry for the process.

Every label has few values, known beforehand: names of types, clouds, verbs, outcomes. Never an id,
a name that a user gave, an address or a text. `docs/reference/metrics.md` says which question each
measure answers.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client import generate_latest as _generate_latest

REGISTRY = CollectorRegistry()

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds that a transaction or a call takes."""

LONG = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
"""Seconds that a step, an operation or a wait takes."""

ProcessCollector(registry=REGISTRY)

STEP_SECONDS = Histogram(
    "mantle_step_seconds",
    "From a step's intent to its end, by resource type, cloud, kind of step and outcome.",
    ["type", "cloud", "kind", "outcome"],
    buckets=LONG,
    registry=REGISTRY,
)
OPERATION_SECONDS = Histogram(
    "mantle_operation_seconds",
    "From an operation's first start to its end, by action and status.",
    ["action", "status"],
    buckets=LONG,
    registry=REGISTRY,
)
QUEUE_SECONDS = Histogram(
    "mantle_queue_wait_seconds",
    "From accepting an operation to the start of its work.",
    buckets=LONG,
    registry=REGISTRY,
)
CLOUD_SECONDS = Histogram(
    "mantle_cloud_call_seconds",
    "Calls to clouds, by cloud, service, verb and outcome.",
    ["cloud", "service", "verb", "outcome"],
    buckets=SHORT,
    registry=REGISTRY,
)
COMMIT_ENTRIES = Histogram(
    "mantle_commit_entries",
    "Writes of running operations that were committed together.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "mantle_commit_seconds",
    "A group commit of running operations, waiting for the database included.",
    buckets=SHORT,
    registry=REGISTRY,
)
DATABASE_SECONDS = Histogram(
    "mantle_database_seconds",
    "A transaction's own time, done again included.",
    ["pool"],
    buckets=SHORT,
    registry=REGISTRY,
)
DATABASE_WAIT_SECONDS = Histogram(
    "mantle_database_wait_seconds",
    "How long a transaction waited in this process for a connection.",
    ["pool"],
    buckets=SHORT,
    registry=REGISTRY,
)
DATABASE_PENDING = Gauge(
    "mantle_database_pending",
    "Transactions of this process that wait or are under way.",
    ["pool"],
    registry=REGISTRY,
)
DATABASE_CONNECTIONS = Gauge(
    "mantle_database_connections",
    "Connections that this process may use at once.",
    ["pool"],
    registry=REGISTRY,
)
DATABASE_AGAIN = Counter(
    "mantle_database_again",
    "Transactions that were done again, by why.",
    ["why"],
    registry=REGISTRY,
)
REFUSED_BUSY = Counter(
    "mantle_refused_busy",
    "Requests for new work that were answered 503, as the database is slow.",
    registry=REGISTRY,
)
REFUSED_QUESTIONS = Counter(
    "mantle_refused_questions",
    "Questions that were answered 503, as too many wait for the database.",
    registry=REGISTRY,
)

for _pool in ("read", "write"):
    DATABASE_PENDING.labels(_pool).set(0)
for _why in ("met another", "away"):
    DATABASE_AGAIN.labels(_why)


def text() -> bytes:
    """The exposition format."""
    return _generate_latest(REGISTRY)
