"""The HTTP application: REST, the WebSocket, and the page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web

from control_api.observe.client_errors import CLIENT_ERRORS, ClientErrors
from control_api.observe.metric_families import of_sessions, of_sockets, of_transports
from control_api.observe.metrics import METRICS, Metrics
from control_api.tokens.auth import Authenticator
from signaling.connection import ConnectionLimits
from signaling.service import RoomService

from . import openapi
from .errors import errors_as_json
from .metrics_access import METRICS_ACCESS, MetricsAccess
from .origins import Origins
from .page import WebFiles
from .proxy import PROXIES, TrustedProxies
from .rate_limits import RATE_LIMITS, RateLimits
from .request_log import API_PATHS, tell_request_id, with_request_id
from .route_table import AUTHENTICATOR, MAX_BODY_BYTES, SERVICE, add_routes
from .routes import DEV_ROUTES, ROUTES
from .routes.document import DOCUMENT
from .routes.health import HEALTH, Health
from .security_headers import secure
from .websocket import CONNECTIONS, LIMITS, ORIGINS, WS_PATH, Connections, live_socket


def create_app(
    service: RoomService,
    authenticator: Authenticator,
    health: Health,
    *,
    dev_tokens: bool,
    static_dir: Path,
    allowed_origins: Iterable[str] = (),
    limits: ConnectionLimits | None = None,
    rate_limits: RateLimits | None = None,
    proxies: TrustedProxies | None = None,
    max_sockets_per_address: int | None = None,
    metrics: Metrics | None = None,
    metrics_access: MetricsAccess | None = None,
) -> web.Application:
    """The application, which does not own what it is given.

    Without `rate_limits` and `max_sockets_per_address` everybody may do as much as they like. Without `proxies`
    nobody's `X-Forwarded-*` counts. `metrics` may hold more than what the application itself counts; without
    `metrics_access` this machine alone may read them. `dev_tokens` adds `POST /auth/dev-token`, where anybody gets a
    token.

    Its shutdown closes the open sockets with 1001; `service.close` comes after it. Its access log is
    `request_log.RequestLog`: aiohttp's own would tell headers and queries.
    """
    origins = Origins(allowed_origins)
    rate_limits = rate_limits or RateLimits(enabled=False)
    metrics = metrics or Metrics()
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        middlewares=[with_request_id, metrics.middleware, origins.cors, errors_as_json, rate_limits.middleware],
    )
    app[PROXIES] = proxies or TrustedProxies()
    app[RATE_LIMITS] = rate_limits
    app[SERVICE] = service
    app[AUTHENTICATOR] = authenticator
    app[HEALTH] = health
    app[ORIGINS] = origins
    app[LIMITS] = limits or ConnectionLimits()
    app[CONNECTIONS] = Connections(max_sockets_per_address)
    app[METRICS] = metrics
    app[CLIENT_ERRORS] = ClientErrors(metrics.client_errors)
    app[METRICS_ACCESS] = metrics_access or MetricsAccess()
    for families in (of_sessions(service), of_transports(service), of_sockets(service, app[CONNECTIONS], rate_limits)):
        metrics.add(families)
    routes = (*ROUTES, *DEV_ROUTES) if dev_tokens else ROUTES
    app[DOCUMENT] = json.dumps(openapi.document(routes))
    app[API_PATHS] = frozenset({WS_PATH, *(route.path for route in routes)})
    add_routes(app, routes)
    app.router.add_get(WS_PATH, live_socket, allow_head=False)
    WebFiles(static_dir).add_to(app)
    app.on_response_prepare.extend((secure, tell_request_id))
    app.on_shutdown.append(_close_sockets)
    return app


async def _close_sockets(app: web.Application) -> None:
    app[CONNECTIONS].stop()
