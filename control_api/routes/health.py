"""Whether the server works."""

from __future__ import annotations

from typing import Final, Protocol

from aiohttp import web

from control_api.route_table import AnyRoute, Call, Reply, Route
from control_api.routes_bodies import HealthReport


class Health(Protocol):
    """Asked by `GET /healthz`."""

    async def check(self) -> HealthReport: ...


HEALTH: Final[web.AppKey[Health]] = web.AppKey("health")


async def healthz(call: Call[None, None]) -> Reply[HealthReport]:
    report = await call.request.app[HEALTH].check()
    return Reply(report, status=200 if report.status == "ok" else 503)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/healthz",
        healthz,
        "Tell whether the server works",
        answer=HealthReport,
        token=False,
        other_statuses={503: "The database or every worker is away."},
    ),
)
