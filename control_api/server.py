"""The composition root: database, workers, rooms and HTTP, started in this order and stopped in the reverse one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from aiohttp import web

from sfu.worker.lag import LagMeter
from sfu.worker.messages import WorkerConfig
from sfu.worker.pool import WorkerPool
from signaling.registry import IceServers, ServiceConfig, no_ice_servers
from signaling.service import RoomService

from . import assets
from .embedded.postgres import EmbeddedPostgres
from .garbage import Garbage
from .http.app import create_app
from .http.listener import Listener, most_connections
from .http.metrics_access import MetricsAccess
from .http.proxy import TrustedProxies
from .http.rate_limits import RateLimits
from .http.request_log import RequestLog
from .http.seats import Seats
from .http.tls import TlsFiles
from .http.websocket import CONNECTIONS
from .observe import sentry
from .observe.health import ServerHealth
from .observe.metric_families import (
    OutboxLength,
    of_connections,
    of_control_process,
    of_database,
    of_webhooks,
    of_workers,
)
from .observe.metrics import METRICS, Metrics
from .outside.payments import open_payments
from .outside.turn import TurnServers
from .outside.webhooks import Webhooks
from .settings import Settings
from .shutdown import stop_on_signals
from .store import Database, PostgresStore, SoleServer, WebhookOutbox
from .tokens.token_setup import open_authenticator
from .version import version

logger = logging.getLogger(__name__)

HTTP_SHUTDOWN_TIMEOUT_S = 3.0
"""For requests under way when the server is told to stop; sockets were closed by then."""
IDLE_TIMEOUT_S = 75.0
"""From connecting, or the last answer, to the end of the next request's headers. Longer than reverse proxies keep
their connections (nginx: 60 s), so that they never write into one that is just being closed."""


async def serve(settings: Settings) -> int:
    """Run the server until SIGINT or SIGTERM. Returns the exit code: 0, or 1 where another server has taken over.

    Raises what the command line tells the operator: `KeySetupError`, `PaymentSetupError`, `PostgresError`,
    `MigrationError`, `StoreUnavailable`, `MediaError`, `TlsError`, and `OSError` for a port that is taken.
    """
    stop, replaced = stop_on_signals(), asyncio.Event()

    def end_replaced() -> None:
        replaced.set()
        stop.set()

    async with AsyncExitStack() as stack:
        url = await _unless(stop, _start(settings, stack, end_replaced))
        if url is not None:
            print(f"\nGreenroom is ready: {url}\nPress Ctrl-C to stop.\n", flush=True)
            await stop.wait()
        print("Stopping ...", flush=True)
    return 1 if replaced.is_set() else 0


async def _unless(stop: asyncio.Event, starting: Coroutine[Any, Any, str]) -> str | None:
    """The result of `starting`; None when `stop` is set before, and `starting` is cancelled then."""
    task = asyncio.ensure_future(starting)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await task
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return None
    finally:
        stopping.cancel()


async def _start(settings: Settings, stack: AsyncExitStack, replaced: Callable[[], None]) -> str:
    """Start everything; `stack` undoes it. Returns the page's URL."""
    stack.callback(sentry.start(settings.sentry_dsn.get_secret_value() if settings.sentry_dsn is not None else None))
    tls = _tls(settings, stack)
    authenticator = await open_authenticator(settings, stack)
    dsn = settings.database_url
    if dsn is None:
        postgres = EmbeddedPostgres(settings.data_dir)
        dsn = await postgres.start()
        stack.push_async_callback(postgres.stop)
    database = Database(dsn)
    await database.migrate()
    right = SoleServer(database, replaced)
    stack.push_async_callback(right.release)
    await right.acquire()
    await database.connect()
    stack.push_async_callback(database.close)

    webhooks = _webhooks(settings, database)
    await webhooks.open()
    stack.push_async_callback(webhooks.close)

    pool = WorkerPool([_worker_config(settings, index) for index in range(settings.workers)])
    await pool.start()
    stack.push_async_callback(pool.stop)

    metrics = _metrics(database, pool, webhooks, stack)
    service = RoomService(
        PostgresStore(database),
        pool,
        ServiceConfig(
            resume_grace_s=settings.resume_grace_s,
            first_connect_grace_s=settings.first_connect_grace_s,
            request_ttl_s=settings.request_ttl_s,
            request_cooldown_s=settings.request_cooldown_s,
            ice_servers=_ice_servers(settings),
            reactions=settings.reactions,
            pay=await open_payments(settings, stack),
        ),
    )
    await service.open()
    stack.push_async_callback(service.close)

    proxies = TrustedProxies(settings.trusted_proxies)
    app = create_app(
        service,
        authenticator,
        health=ServerHealth(database, pool),
        dev_tokens=settings.dev_tokens,
        static_dir=assets.web_dir(),
        allowed_origins=settings.allowed_origins,
        rate_limits=RateLimits(enabled=settings.limits_addresses),
        proxies=proxies,
        max_sockets_per_address=settings.max_connections_per_address if settings.limits_addresses else None,
        metrics=metrics,
        metrics_access=_metrics_access(settings),
    )
    url = await _listen(app, settings, proxies, tls, stack)
    closed = service.counters.sockets_closed
    garbage = Garbage(lambda: len(app[CONNECTIONS]) + closed.total(), closed.total)
    stack.callback(asyncio.ensure_future(garbage.watch()).cancel)
    return url


def _tls(settings: Settings, stack: AsyncExitStack) -> TlsFiles | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    tls = TlsFiles(settings.tls_cert, settings.tls_key)
    watching = asyncio.ensure_future(tls.watch())
    stack.callback(watching.cancel)
    return tls


def _ice_servers(settings: Settings) -> IceServers:
    if settings.turn_secret is None:
        return no_ice_servers
    return TurnServers(settings.turn_urls, settings.turn_secret.get_secret_value().encode())


def _metrics(database: Database, pool: WorkerPool, webhooks: Webhooks, stack: AsyncExitStack) -> Metrics:
    metrics = Metrics()
    meter = LagMeter(asyncio.get_running_loop())
    stack.callback(meter.close)
    outbox = OutboxLength(database)
    metrics.refresh_before(outbox.refresh)
    for families in (
        *(of_control_process(meter, version()), of_workers(pool), of_database(database), of_webhooks(webhooks)),
        outbox.collect,
    ):
        metrics.add(families)
    return metrics


def _webhooks(settings: Settings, database: Database) -> Webhooks:
    secret = b"" if settings.webhook_secret is None else settings.webhook_secret.get_secret_value().encode()
    return Webhooks(WebhookOutbox(database), settings.webhook_url, secret, settings.webhook_events or None)


def _metrics_access(settings: Settings) -> MetricsAccess:
    return MetricsAccess(settings.metrics_token.get_secret_value() if settings.metrics_token is not None else None)


def _worker_config(settings: Settings, index: int) -> WorkerConfig:
    return WorkerConfig(
        port=settings.rtc_port + index if settings.rtc_port else 0,
        bind=settings.rtc_bind,
        public_ip=settings.public_ip,
        offload=settings.rtc_offload,
        log_level=settings.log_level,
        log_format=settings.log_format,
    )


async def _listen(
    app: web.Application, settings: Settings, proxies: TrustedProxies, tls: TlsFiles | None, stack: AsyncExitStack
) -> str:
    """Open the HTTP port. Returns the URL under which this machine reaches it."""
    runner = web.AppRunner(
        app,
        access_log=logger,
        access_log_class=RequestLog,
        shutdown_timeout=HTTP_SHUTDOWN_TIMEOUT_S,
        keepalive_timeout=IDLE_TIMEOUT_S,
        # A packed body is no JSON: nobody needs it, and what is not unpacked can't be a bomb.
        auto_decompress=False,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    total = most_connections(settings.max_connections)
    per_address = min(settings.max_connections_per_address, max(1, total // 2)) if settings.limits_addresses else None
    seats = Seats(total, per_address)
    app[METRICS].add(of_connections(seats))
    listener = Listener(runner, settings.host, settings.port, seats=seats, proxies=proxies, tls=tls)
    await listener.start()
    return listener.name
