from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from src.core.outbox.courier import Courier

METRICS_TYPE = CONTENT_TYPE_LATEST
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LABELS = ("method", "route", "status")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class _Tally:
    """The buckets of one label set, each for itself; they are added up when somebody looks."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


class Meter:
    """Counts requests on the event loop. A third of the cost of labelled library counters, which lock and hash at every step."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._tallies: dict[tuple[str, str, int], _Tally] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template, never a path: labels must stay few and name no organisation."""
        known = (method, route, status)
        tally = self._tallies.get(known)
        if tally is None:
            # a caller may send any word for a method, and each would stay as a series of its own
            if method not in METHODS:
                known = ("other", route, status)
            tally = self._tallies.setdefault(known, _Tally())
        tally.buckets[bisect_left(BOUNDS, seconds)] += 1
        tally.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily("http_requests", "Requests answered", labels=LABELS)
        duration = HistogramMetricFamily("http_request_duration_seconds", "Time from the request's head to the answer's end", labels=LABELS)
        for (method, route, status), tally in list(self._tallies.items()):
            labels = (method, route, str(status))
            running, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), tally.buckets, strict=True):
                running += count
                buckets.append((bound, running))
            total.add_metric(labels, running)
            duration.add_metric(labels, buckets, tally.seconds)
        yield total
        yield duration

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class OutboxMeter:
    """What the courier of this process has sent, and what it last found to wait."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        tally, backlog = self._courier.tally, self._courier.backlog
        yield CounterMetricFamily("notifications_sent", "Messages that their receivers took", value=tally.sent)
        yield CounterMetricFamily("notifications_failed", "Tries that failed", value=tally.failed)
        yield CounterMetricFamily("notifications_given_up", "Messages that are not tried again", value=tally.given_up)
        if backlog is not None:
            yield GaugeMetricFamily("notifications_waiting", "Events and notifications that wait, of all processes", value=backlog.waiting)
            yield GaugeMetricFamily("notifications_lag_seconds", "How long the oldest that is due has been", value=backlog.lag_seconds)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
