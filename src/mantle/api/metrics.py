"""What the API counts about itself, for Prometheus.

The label is the route's pattern, never the path: names and ids would make a series each.
"""

from collections.abc import Mapping

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mantle import __version__
from mantle.lib import tracing
from mantle.model.ids import OperationId
from mantle.model.interventions import Stuck
from mantle.model.status import OperationStatus
from mantle.plan.watchdog import Trouble
from mantle.store.figures import Figures

log = structlog.get_logger()

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
"""Anything else that a client may call a method is `other`."""

SILENT_SECONDS = 15.0
"""An engine that has not spoken for so long is counted as silent."""

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry per application, so that tests run side by side."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "mantle_api_request_seconds",
            "Time to answer a request, by route.",
            ["method", "route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "mantle_api_answers",
            "Answers, by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._operations = Gauge(
            "mantle_operations",
            "Operations, by state.",
            ["status"],
            registry=self.registry,
        )
        self._stuck = Gauge(
            "mantle_operations_stuck",
            "Operations under way that cannot go on, by what keeps them.",
            ["reason"],
            registry=self.registry,
        )

        self._live = Gauge(
            "mantle_operations_live",
            "Operations that have not ended, by state and age.",
            ["status", "age"],
            registry=self.registry,
        )
        self._oldest = Gauge(
            "mantle_operations_oldest_seconds",
            "Age of the oldest operation that has not ended, by state.",
            ["status"],
            registry=self.registry,
        )
        self._engines = Gauge(
            "mantle_engines", "Engines, by state.", ["state"], registry=self.registry
        )
        self._lease = Gauge(
            "mantle_lease_age_seconds",
            "Since an engine last renewed its lease, by host: the one that is silent longest.",
            ["host"],
            registry=self.registry,
        )
        self._database_up = Gauge(
            "mantle_database_up",
            "1 when the rows could be read within two seconds.",
            registry=self.registry,
        )
        self._sink_events = Gauge(
            "mantle_sink_backlog_events",
            "Events that wait for their sinks.",
            registry=self.registry,
        )
        self._sink_oldest = Gauge(
            "mantle_sink_oldest_seconds",
            "Age of the oldest event that waits for its sink.",
            registry=self.registry,
        )
        self._sinks_failing = Gauge(
            "mantle_sinks_failing", "Sinks whose last try failed.", registry=self.registry
        )
        self._drift = Gauge(
            "mantle_drift_age_seconds",
            "Since the project that was looked at longest ago was looked at, by cloud.",
            ["cloud"],
            registry=self.registry,
        )
        self._backup_age = Gauge(
            "mantle_backup_age_seconds",
            "Since the last scheduled backup was on the disk.",
            ["file"],
            registry=self.registry,
        )
        self._backup_bytes = Gauge(
            "mantle_backup_bytes", "Size of the last scheduled backup.", registry=self.registry
        )
        self._backup_failures = Gauge(
            "mantle_backup_failures",
            "Scheduled backups that came to nothing, since there are any.",
            registry=self.registry,
        )
        self._held = Gauge(
            "mantle_held",
            "1 while a restored Mantle waits for mantle reconcile apply.",
            registry=self.registry,
        )
        build = Gauge("mantle_build_info", "1; the release.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)

    def figures(self, found: Figures | None) -> None:
        """What the rows say; None when they could not be read."""
        self._database_up.set(0 if found is None else 1)
        if found is None:
            return
        self.operations({OperationStatus(name): n for name, n in found.operations.items()})
        self.stuck(found.stuck)
        for (status, age), count in found.live.items():
            self._live.labels(status, age).set(count)
        for status, seconds in found.oldest_seconds.items():
            self._oldest.labels(status).set(seconds)
        silent = [each for each in found.engines if each.silent_seconds > SILENT_SECONDS]
        self._engines.labels("alive").set(len(found.engines) - len(silent))
        self._engines.labels("silent").set(len(silent))
        self._lease.clear()
        for engine in sorted(found.engines, key=lambda each: each.silent_seconds):
            self._lease.labels(engine.host).set(engine.silent_seconds)
        self._sink_events.set(found.sink_events)
        self._sink_oldest.set(found.sink_oldest_seconds)
        self._sinks_failing.set(found.sinks_failing)
        for cloud, seconds in found.drift_seconds.items():
            self._drift.labels(cloud).set(seconds)
        self._backup_age.clear()
        if found.backups.succeeded_at is not None:
            since = max(0.0, found.now - found.backups.succeeded_at)
            self._backup_age.labels(found.backups.file).set(since)
        self._backup_bytes.set(found.backups.size)
        self._backup_failures.set(found.backups.failures)
        self._held.set(1 if found.held else 0)

    def stuck(self, found: Mapping[OperationId, Stuck]) -> None:
        """How many operations each kind of trouble keeps; one with two kinds is in both."""
        for kind in Trouble:
            having = sum(any(each == kind for each, _, _ in one.reasons) for one in found.values())
            self._stuck.labels(kind.value).set(having)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request has been answered."""
        method = method if method in METHODS else "other"
        self._seconds.labels(method, route).observe(seconds)
        self._answers.labels(method, route, str(status)).inc()
        tracing.note(http_route=route, http_response_status_code=str(status))
        log.debug(
            "request answered", method=method, route=route, status=status, seconds=round(seconds, 4)
        )

    def operations(self, counts: dict[OperationStatus, int]) -> None:
        """How many operations are in each state now; a state without any counts 0."""
        for status in OperationStatus:
            self._operations.labels(status.value).set(counts.get(status, 0))

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
