"""One measurement: what the clients saw, and what it cost the server."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from . import processes
from .fleet import Fleet, Joins, Traffic
from .systems.base import Counters, Processes, System

MAX_LOSS: Final = 0.001
"""Of the packets, before anything was repaired: the load that is searched for has less."""

_SHORTFALL: Final = 0.01
"""Below this, packets that never came are told by their numbers alone: windows of several processes do not end together
to the packet. Above it, a server that sends nothing at all is not one that loses nothing."""

_UNDER_WAY: Final = 40
"""Packets of all publishers that may be on their way to each receiver when the window ends: a keyframe and some."""

_FRAMES_UNDER_WAY: Final = 4
"""Frames instead of packets, for servers that encode anew: pictures of 33 ms and their sound."""

SATURATED_CLIENT: Final = 0.95


@dataclass(frozen=True, slots=True)
class Usage:
    """Of the server's processes, when it runs on this machine."""

    when: float
    worker_cpu_s: float
    control_cpu_s: float
    memory_bytes: int


class Meter:
    """Reads the server from outside."""

    def __init__(self, system: System, url: str) -> None:
        self._system = system
        self._url = url
        self._processes = Processes()
        self.reencodes = system.reencodes

    async def find_processes(self) -> None:
        """Again after each restart of a worker."""
        self._processes = await self._system.processes(self._url)

    @property
    def local(self) -> bool:
        return bool(self._processes.workers)

    def usage(self) -> Usage:
        found = self._processes
        return Usage(
            time.monotonic(),
            processes.cpu_s(found.workers),
            processes.cpu_s(found.control),
            processes.memory_bytes((*found.workers, *found.control)),
        )

    async def counters(self) -> Counters:
        return await self._system.counters(self._url)


@dataclass(slots=True)
class Measurement:
    """Everything that is reported of one load. Shares are of one core; None is what could not be measured."""

    scenario: str
    load: int
    load_name: str
    participants: int
    seconds: float
    packets_in_per_s: float
    packets_out_per_s: float
    bits_in_per_s: float
    bits_out_per_s: float
    loss: float
    unrepaired_loss: float
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    latency_max_ms: float | None
    latency_samples: int
    join_p50_ms: float | None
    join_p99_ms: float | None
    joins: int
    join_failures: dict[str, int]
    lost_participants: int
    """Whom the server threw out."""
    worker_cpu: float | None
    control_cpu: float | None
    worker_us_per_packet: float | None
    control_us_per_packet: float | None
    memory_per_participant_bytes: float | None
    server_drops: dict[str, int] = field(default_factory=dict)
    srtp_failures: int = 0
    client_cpu: float = 0.0
    client_receive_drops: int = 0
    client_send_failures: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    """What only one scenario has."""

    @property
    def client_limited(self) -> bool:
        """Whether the clients, not the server, were at their end: then the figures say little about the server."""
        return self.client_receive_drops > 0 or self.client_cpu > SATURATED_CLIENT

    @property
    def passed(self) -> bool:
        """Whether the server carried the load."""
        faults = self.join_failures or self.lost_participants or self.srtp_failures
        return self.loss < MAX_LOSS and not faults

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": self.passed, "client_limited": self.client_limited}


@dataclass(frozen=True, slots=True)
class Span:
    """The two ends of a measurement, as the server's side saw them."""

    before: Usage
    after: Usage
    drops_before: dict[str, int]
    drops_after: dict[str, int]


def loss(traffic: Traffic, fanout: float, *, reencodes: bool = False) -> float:
    """Share of packets that did not arrive as they were first sent, 0-1. `fanout`: receivers of each packet.

    A server that encodes anew sends packets of its own: there frames are compared with those that were published.
    """
    missing = (traffic.expected - traffic.received) / traffic.expected if traffic.expected else 0.0
    due = traffic.sent_packets * fanout
    under_way = _UNDER_WAY
    absent = due - traffic.received
    if reencodes:
        due, under_way = traffic.sent_frames * fanout, _FRAMES_UNDER_WAY
        absent = due - traffic.frames
    return max(0.0, missing, absent / due if absent > _SHORTFALL * due + under_way * fanout else 0.0)


def evaluate(
    name: tuple[str, str],
    load: int,
    participants: int,
    traffic: Traffic,
    fanout: float,
    joins: Joins,
    span: Span | None,
    idle_memory_bytes: int,
    lost_participants: int = 0,
    *,
    reencodes: bool = False,
) -> Measurement:
    """Put the parts together. `name`: the scenario's, and what its load counts."""
    seconds = max(traffic.seconds, 1e-9)
    share_lost = loss(traffic, fanout, reencodes=reencodes)
    return Measurement(
        scenario=name[0],
        load_name=name[1],
        load=load,
        participants=participants,
        seconds=traffic.seconds,
        packets_in_per_s=traffic.sent_packets / seconds,
        packets_out_per_s=traffic.received / seconds,
        bits_in_per_s=8 * traffic.sent_octets / seconds,
        bits_out_per_s=8 * traffic.bytes / seconds,
        loss=share_lost,
        unrepaired_loss=max(0.0, share_lost - traffic.repaired / traffic.expected) if traffic.expected else share_lost,
        latency_p50_ms=_ms(traffic.latency.percentile(50)),
        latency_p99_ms=_ms(traffic.latency.percentile(99)),
        latency_max_ms=_ms(traffic.latency.max_s) if traffic.latency.count else None,
        latency_samples=traffic.latency.count,
        join_p50_ms=_ms(joins.times.percentile(50)),
        join_p99_ms=_ms(joins.times.percentile(99)),
        joins=joins.times.count,
        join_failures=dict(joins.failures),
        lost_participants=lost_participants,
        srtp_failures=traffic.srtp_failures,
        client_cpu=traffic.busiest_client,
        client_receive_drops=traffic.receive_drops,
        client_send_failures=traffic.send_failures,
        **_costs(span, traffic, participants, idle_memory_bytes),
    )


def _costs(span: Span | None, traffic: Traffic, participants: int, idle_memory_bytes: int) -> dict[str, Any]:
    if span is None:
        return dict.fromkeys(
            (
                "worker_cpu",
                "control_cpu",
                "worker_us_per_packet",
                "control_us_per_packet",
                "memory_per_participant_bytes",
            )
        )
    wall = max(span.after.when - span.before.when, 1e-9)
    worker_s = span.after.worker_cpu_s - span.before.worker_cpu_s
    control_s = span.after.control_cpu_s - span.before.control_cpu_s
    packets = traffic.received
    grown = {reason: count - span.drops_before.get(reason, 0) for reason, count in span.drops_after.items()}
    return {
        "worker_cpu": worker_s / wall,
        "control_cpu": control_s / wall,
        "worker_us_per_packet": 1e6 * worker_s / packets if packets else None,
        "control_us_per_packet": 1e6 * control_s / packets if packets else None,
        "memory_per_participant_bytes": max(0, span.after.memory_bytes - idle_memory_bytes) / max(participants, 1),
        "server_drops": {reason: count for reason, count in grown.items() if count},
    }


async def span_of(meter: Meter, fleet: Fleet, during: Awaitable[object]) -> tuple[Traffic, Span | None]:
    """Measure from now until `during`, which has not begun, is done."""
    drops_before = dict((await meter.counters()).drops or {})
    await fleet.begin()
    before = meter.usage()
    await during
    traffic = await fleet.traffic()
    after = meter.usage()
    drops_after = dict((await meter.counters()).drops or {})
    return traffic, Span(before, after, drops_before, drops_after) if meter.local else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
