"""Whether the server works, and what it counts: for those who run it, and the programs that watch it."""

from __future__ import annotations

from typing import Final, Protocol

from aiohttp import web

from control_api.http.metrics_access import METRICS_ACCESS
from control_api.http.proxy import is_local
from control_api.http.route_table import AnyRoute, Call, Reply, Route
from control_api.http.routes_bodies import Liveness, Readiness
from control_api.http.websocket import CONNECTIONS
from control_api.observe.metrics import CONTENT_TYPE, METRICS
from sfu.worker.messages import WorkerStats


class Health(Protocol):
    """Asked by the routes below."""

    async def workers(self) -> list[WorkerStats]: ...
    async def readiness(self) -> Readiness: ...


HEALTH: Final[web.AppKey[Health]] = web.AppKey("health")


async def healthz(call: Call[None, None]) -> Liveness:
    # Whatever is the matter with the database, starting this process anew would not help.
    return Liveness(workers=await call.request.app[HEALTH].workers() if is_local(call.request) else [])


async def readyz(call: Call[None, None]) -> Reply[Readiness]:
    report = await call.request.app[HEALTH].readiness()
    if call.request.app[CONNECTIONS].stopping:
        report = report.model_copy(update={"status": "unavailable", "stopping": True})
    return Reply(report, status=200 if report.status == "ok" else 503)


async def metrics(call: Call[None, None]) -> str:
    call.request.app[METRICS_ACCESS].require(call.request)
    return await call.request.app[METRICS].text()


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/healthz",
        healthz,
        "Tell that the server is alive",
        description="Callers on the server's own machine hear about its workers, too.",
        answer=Liveness,
        token=False,
    ),
    Route(
        "GET",
        "/readyz",
        readyz,
        "Tell whether the server can take requests",
        answer=Readiness,
        token=False,
        other_statuses={503: "The database or every worker is away, or the server is stopping."},
    ),
    Route(
        "GET",
        "/metrics",
        metrics,
        "Everything that the server counts, in Prometheus' text format",
        description="For callers on the server's own machine; with `GREENROOM_METRICS_TOKEN`, for who has that token.",
        answer=str,
        content_type=CONTENT_TYPE,
        token=False,
        errors=("forbidden", "token_missing", "token_invalid"),
    ),
)
