"""What the API counts about itself, for Prometheus.

The label is the route's pattern, never the path: names and ids would make a series each.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mantle.model.ids import OperationId
from mantle.model.interventions import Stuck
from mantle.model.status import OperationStatus
from mantle.plan.watchdog import Trouble

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

    def stuck(self, found: Mapping[OperationId, Stuck]) -> None:
        """How many operations each kind of trouble keeps; one with two kinds is in both."""
        for kind in Trouble:
            having = sum(any(each == kind for each, _, _ in one.reasons) for one in found.values())
            self._stuck.labels(kind.value).set(having)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request has been answered."""
        self._seconds.labels(method, route).observe(seconds)
        self._answers.labels(method, route, str(status)).inc()

    def operations(self, counts: dict[OperationStatus, int]) -> None:
        """How many operations are in each state now; a state without any counts 0."""
        for status in OperationStatus:
            self._operations.labels(status.value).set(counts.get(status, 0))

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
