"""Counters and times of a service, in Prometheus's terms."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from benchmark.web.queue import Queue


class Metrics:
    """Counters of a service, in a registry of its own."""

    def __init__(self, queue: Queue):
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "benchmark_requests", "Requests answered", ("address", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "benchmark_request_seconds", "Time to answer", ("address",), registry=self.registry
        )
        self.queue = queue
        self.registry.register(self)  # type: ignore[arg-type]

    def count(self, address: str, status: int, began: float) -> None:
        """Count a request that began at a time of the monotonic clock."""
        self.requests.labels(address, str(status)).inc()
        self.seconds.labels(address).observe(time.monotonic() - began)

    def collect(self) -> Any:
        """The queue's state, as Prometheus asks for it."""
        yield GaugeMetricFamily(
            "benchmark_predictions_pending", "Predictions that wait or run", self.queue.pending
        )
        for name, text in {
            "computed": "Predictions computed",
            "shared": "Requests that shared a computation in flight",
            "repeated": "Requests answered from memory",
            "refused": "Requests refused because the queue was full",
            "timed_out": "Requests given up",
            "left": "Requests whose client left before the answer",
        }.items():
            yield CounterMetricFamily(
                f"benchmark_predictions_{name}", text, getattr(self.queue, name)
            )


class Measured:
    """ASGI middleware that counts every request, those that fail included."""

    def __init__(self, app: Any, metrics: Metrics):
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def send_noted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            route = scope.get("route")
            self.metrics.count(getattr(route, "path", "unknown"), status, began)
