"""Counters of the service, in Prometheus' text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tenor.serving.view import View

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one service, apart from any other in the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tenor_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "tenor_request_seconds", "Seconds to the answer.", ("route",), buckets=BUCKETS, registry=self.registry
        )
        self.refused = Counter("tenor_refused", "Requests turned away.", ("why",), registry=self.registry)
        self.cut = Counter("tenor_connections_cut", "Connections cut.", ("why",), registry=self.registry)
        self.in_flight = Gauge("tenor_in_flight", "Requests being worked on.", registry=self.registry)
        self.streams = Gauge("tenor_event_streams", "Open event streams.", registry=self.registry)
        self._symbols = Gauge("tenor_symbols", "Symbols with forecasts.", registry=self.registry)
        self._behind = Gauge(
            "tenor_sessions_behind", "Sessions closed since the last one used.", registry=self.registry
        )
        self._stale = Gauge("tenor_stale", "1 where forecasts are marked stale.", registry=self.registry)
        self._published = Gauge("tenor_published_seconds", "Unix time of the last refresh.", registry=self.registry)
        self._problems = Gauge(
            "tenor_problems", "Problems with reading the published forecasts.", registry=self.registry
        )
        names = ("kind", "name")
        self._watched = Gauge("tenor_watched", "What the monitor measured.", names, registry=self.registry)
        self._bounds = Gauge("tenor_watched_bound", "The bound of an alarm.", names, registry=self.registry)
        self._alarms = Gauge("tenor_alarm", "1 where the monitor raises an alarm.", names, registry=self.registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, view: View) -> bytes:
        """All counters, with the present state of `view`."""
        self._problems.set(len(view.problems))
        if view.ready:
            index = view.snapshot.index
            staleness = view.staleness()
            self._symbols.set(len(index.entries))
            self._behind.set(staleness.sessions_behind)
            self._stale.set(staleness.stale)
            self._published.set(float(index.head.get("published_at", 0)))
            for gauge in (self._watched, self._bounds, self._alarms):
                gauge.clear()
            for check in index.head.get("monitor", {}).get("checks", ()):
                for gauge, value in (
                    (self._watched, check["value"]),
                    (self._bounds, check["bound"]),
                    (self._alarms, check["alarm"]),
                ):
                    gauge.labels(check["kind"], check["name"]).set(float(value))
        return generate_latest(self.registry)
