"""Metrics in Prometheus' text format. Their names and what they are good for: docs/OPERATIONS.md, "Metrics".

Labels take their values from the code (routes, reasons, close codes), never from a client: no session, user or path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from time import perf_counter
from typing import Final

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import Metric

from control_api.http.errors import CALLER_GONE, Handler
from control_api.http.request_log import method_of, route_of

from .metric_families import Families

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REFRESH_TIMEOUT_S: Final = 1.0
"""For figures that have to be asked for. A scrape goes without those that are not there by then."""

_LATENCY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """All metrics of one application; a registry of its own, so that several can live in one process."""

    def __init__(self) -> None:
        # A second sample for each of ours, which nobody asks for, would say when it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry, self._latencies = CollectorRegistry(), CollectorRegistry()
        self._families: list[Families] = []
        self._refreshers: list[Callable[[], Awaitable[None]]] = []
        self._requests = Histogram(
            "greenroom_http_request_duration_seconds",
            "From a request to its answer; WebSockets are not among them.",
            ("method", "route", "status"),
            buckets=_LATENCY_S,
            registry=self._latencies,
        )
        self.client_errors = Counter(
            "greenroom_client_errors", "Errors that pages reported, by kind.", ("kind",), registry=self._registry
        )
        ProcessCollector(namespace="greenroom", registry=self._registry)
        self._registry.register(self)

    def add(self, families: Families) -> None:
        """Ask for more at each scrape."""
        self._families.append(families)

    def refresh_before(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Await this before each scrape, but not for long. It may fail."""
        self._refreshers.append(refresh)

    def collect(self) -> Iterator[Metric]:
        """Implements `prometheus_client.registry.Collector`."""
        for families in self._families:
            yield from families()

    async def text(self) -> str:
        """Everything, in Prometheus' text format."""
        if self._refreshers:
            tasks = [asyncio.ensure_future(refresh()) for refresh in self._refreshers]
            _, late = await asyncio.wait(tasks, timeout=REFRESH_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        # The latencies are most of the lines; their counters may be read from a thread, those of `_families` may not.
        latencies = await asyncio.to_thread(generate_latest, self._latencies)
        return (generate_latest(self._registry) + latencies).decode()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Measure how long a request takes to be answered."""
        began = perf_counter()
        status = CALLER_GONE
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            # A WebSocket's answer comes when it opens, but its handler returns when it is closed.
            if status != HTTPStatus.SWITCHING_PROTOCOLS:
                seconds = perf_counter() - began
                self._requests.labels(method_of(request), route_of(request), str(status)).observe(seconds)


METRICS: Final = web.AppKey("metrics", Metrics)
