"""What each part of the server has counted, as Prometheus' families. They are read at each scrape, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from control_api.http.rate_limits import RateLimits
from control_api.http.seats import Refusal, Seats
from control_api.http.websocket import Connections
from control_api.outside.webhooks import Outcome, Webhooks
from control_api.store import Database
from control_api.store.database import POOL_SIZE
from control_api.store.usage import Failure
from sfu.worker.lag import LagMeter
from sfu.worker.pool import WorkerPool
from signaling.counters import Direction, Histogram, TransportOutcome
from signaling.protocol import CLIENT_MESSAGES
from signaling.service import RoomService

Families = Callable[[], Iterator[Metric]]

_DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
_OUTCOMES: Final[tuple[TransportOutcome, ...]] = get_args(TransportOutcome)
_FAILURES: Final[tuple[Failure, ...]] = get_args(Failure)
_REPAIRS: Final = ("nack_received", "rtx_sent", "pli_received", "nack_sent", "rtx_received", "pli_sent")


def of_sessions(service: RoomService) -> Families:
    """Live sessions, who is in them, and what the ended ones were like."""
    counters = service.counters

    def collect() -> Iterator[Metric]:
        yield _gauge("sessions", "Live sessions.", service.session_count)
        yield _gauge("viewers", "Viewers who are in a session now.", counters.viewers_now)
        yield _gauge("guests", "Guests and cohosts who are on a stage now.", counters.guests_now)
        yield _gauge("viewers_peak", "Most viewers at once since the start.", counters.peak_viewers)
        ended = {(reason,): count for reason, count in counters.sessions_ended.items()}
        yield _counter("sessions_ended", "Sessions that ended, by reason.", ended, ("reason",))
        yield _histogram("session_duration_seconds", "Of ended sessions.", counters.session_duration_s)
        yield _histogram(
            "session_peak_viewers", "Most viewers at once of ended sessions.", counters.session_peak_viewers
        )
        yield _histogram("session_messages", "Chat messages of ended sessions.", counters.session_messages)
        yield _histogram("session_reactions", "Reactions of ended sessions.", counters.session_reactions)
        yield _histogram(
            "session_guest_ratio",
            "Of ended sessions: the share of those who were in, the host apart, who came on stage.",
            counters.guest_participation,
        )
        yield _counter("messages", "Chat messages.", {(): counters.messages})
        reactions = {(kind,): count for kind, count in counters.reactions.items()}
        yield _counter("reactions", "Reactions, by type.", reactions, ("type",))
        refused = {(kind,): count for kind, count in service.writes_refused.items()}
        yield _counter("writes_refused", "Messages and reactions refused for the database's sake.", refused, ("kind",))

    return collect


def of_transports(service: RoomService) -> Families:
    """How media connections fared."""
    counters = service.counters

    def collect() -> Iterator[Metric]:
        fared = {(d, o): counters.transports[d, o] for d in _DIRECTIONS for o in _OUTCOMES}
        yield _counter(
            "transports",
            "Media connections by how they fared: connected, failed, or closed before the peer came through (never).",
            fared,
            ("direction", "outcome"),
        )
        family = HistogramMetricFamily(
            "greenroom_transport_connect_seconds",
            "From the making of a media connection until media can flow, the peer's answer included.",
            labels=("direction",),
        )
        for direction, values in counters.connect_s.items():
            family.add_metric((direction,), *_buckets(values))
        yield family

    return collect


def of_sockets(service: RoomService, connections: Connections, rate_limits: RateLimits) -> Families:
    """WebSockets, and who was refused for asking too often."""
    counters = service.counters

    def collect() -> Iterator[Metric]:
        yield _gauge("websockets", "Open WebSockets.", len(connections))
        closes = {(by, str(code or "other")): count for (by, code), count in counters.sockets_closed.items()}
        yield _counter("websocket_closes", "WebSockets closed, by whom and with which code.", closes, ("by", "code"))
        known = (*CLIENT_MESSAGES, "other")
        received = {(kind,): counters.frames_in[kind] for kind in known}
        yield _counter("websocket_messages_received", "Messages of clients, by type.", received, ("type",))
        yield _counter("websocket_messages_sent", "Messages to clients.", {(): counters.frames_out})
        yield _counter("websocket_sent_bytes", "Bytes of messages to clients.", {(): counters.bytes_out})
        yield _counter("websocket_slow_readers", "Clients cut off for not reading.", {(): counters.slow_readers})
        refused = {(scope, limit): count for (scope, limit), count in rate_limits.refused.items()}
        yield _counter("rate_limited", "Requests refused for coming too often.", refused, ("scope", "limit"))

    return collect


def of_connections(seats: Seats) -> Families:
    """Connections to the HTTP port, before anything was said on them."""

    def collect() -> Iterator[Metric]:
        yield _gauge("connections", "Open connections to the HTTP port.", seats.taken)
        refused = {(limit,): seats.refused[limit] for limit in get_args(Refusal)}
        yield _counter("connections_refused", "Connections that were not kept, by the limit.", refused, ("limit",))

    return collect


def of_workers(pool: WorkerPool) -> Families:
    """The media plane, as its workers last told it: asking them here could mean waiting for one that is stuck."""

    def collect() -> Iterator[Metric]:
        reports = [(str(index), report) for index, report in enumerate(pool.reports)]
        stats = [(index, report.stats) for index, report in reports if report.stats is not None]
        worker = ("worker",)
        yield _gauges("worker_up", "Whether a worker answers.", {(i,): r.answers for i, r in reports}, worker)
        starts = {(i,): r.starts for i, r in reports}
        yield _counter("worker_starts", "Starts of a worker; all but the first follow a crash.", starts, worker)
        cpu_s = {(i,): s.cpu_s for i, s in stats}
        yield _counter("worker_cpu_seconds", "Processor time of a worker.", cpu_s, worker)
        yield _gauges("worker_rooms", "Sessions of a worker.", {(i,): s.rooms for i, s in stats}, worker)
        transports = {(i,): s.transports for i, s in stats}
        yield _gauges("worker_transports", "Media connections of a worker.", transports, worker)
        lag_s = {(i,): s.worst_lag_ms / 1000 for i, s in stats}
        yield _gauges("worker_loop_lag_seconds", "Worst delay of a worker's loop in the last 15-30 s.", lag_s, worker)
        pause_s = {(i,): s.longest_gc_pause_ms / 1000 for i, s in stats}
        yield _gauges("worker_gc_pause_seconds", "Longest garbage collection of a worker so far.", pause_s, worker)
        ways = ("worker", "direction")
        packets = {(i, d): n for i, s in stats for d, n in (("in", s.packets_in), ("out", s.packets_out))}
        yield _counter("worker_packets", "RTP packets of a worker.", packets, ways)
        sizes = {(i, d): n for i, s in stats for d, n in (("in", s.bytes_in), ("out", s.bytes_out))}
        yield _counter("worker_bytes", "Bytes of RTP packets of a worker.", sizes, ways)
        drops = {(i, reason): n for i, s in stats for reason, n in s.drops.items()}
        yield _counter("worker_drops", "What a worker did not forward, by reason.", drops, ("worker", "reason"))
        repairs = {(i, kind): s.repairs.get(kind, 0) for i, s in stats for kind in _REPAIRS}
        yield _counter(
            "worker_repairs",
            "NACKed packets, retransmissions and keyframe requests: received of or sent to peers.",
            repairs,
            ("worker", "kind"),
        )

    return collect


def of_database(database: Database) -> Families:
    """The pool of connections, and what went wrong."""

    def collect() -> Iterator[Metric]:
        usage, (open_now, used) = database.usage, database.connections
        states = {("idle",): open_now - used, ("used",): used}
        yield _gauges("database_connections", "Open connections to the database.", states, ("state",))
        yield _gauge("database_connections_max", "How many there may be.", POOL_SIZE)
        yield _gauge("database_waiting", "Requests that wait for a connection now.", usage.waiting_now)
        yield _histogram("database_wait_seconds", "How long requests waited for a connection.", usage.wait_s)
        failures = {(kind,): usage.failures[kind] for kind in _FAILURES}
        yield _counter("database_failures", "Transactions that failed, by kind.", failures, ("kind",))

    return collect


def of_control_process(meter: LagMeter, version: str) -> Families:
    """The process that serves the API."""

    def collect() -> Iterator[Metric]:
        lag_s = meter.worst_ms() / 1000
        yield _gauge("loop_lag_seconds", "Worst delay of the control process's loop in the last 15-30 s.", lag_s)
        yield _gauges("build_info", "Always 1; the version is the label.", {(version,): 1}, ("version",))

    return collect


def of_webhooks(webhooks: Webhooks) -> Families:
    """How deliveries fared."""

    def collect() -> Iterator[Metric]:
        outcomes = {(outcome,): webhooks.outcomes[outcome] for outcome in get_args(Outcome)}
        yield _counter("webhook_deliveries", "Events sent to webhooks, by how that went.", outcomes, ("outcome",))

    return collect


class OutboxLength:
    """How many events wait for webhooks; only the database knows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._length: int | None = None

    async def refresh(self) -> None:
        self._length = None
        async with self._database.transaction() as connection:
            self._length = await connection.fetchval("select count(*) from live_webhook_outbox")

    def collect(self) -> Iterator[Metric]:
        """A gauge, without a sample where the database did not say."""
        known = {} if self._length is None else {(): self._length}
        yield _gauges("webhook_outbox_length", "Events that wait to be delivered to webhooks.", known)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return _gauges(name, help_text, {(): value})


def _gauges(name: str, help_text: str, values: Mapping[Any, float], labels: Iterable[str] = ()) -> Metric:
    family = GaugeMetricFamily(f"greenroom_{name}", help_text, labels=tuple(labels))
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def _counter(name: str, help_text: str, values: Mapping[Any, float], labels: Iterable[str] = ()) -> Metric:
    family = CounterMetricFamily(f"greenroom_{name}", help_text, labels=tuple(labels))
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _histogram(name: str, help_text: str, values: Histogram) -> Metric:
    family = HistogramMetricFamily(f"greenroom_{name}", help_text, labels=())
    family.add_metric((), *_buckets(values))
    return family


def _buckets(values: Histogram) -> tuple[list[tuple[str, float]], float]:
    bounds = [*(str(bound) for bound in values.bounds), "+Inf"]
    return list(zip(bounds, map(float, values.cumulative()), strict=True)), values.total
