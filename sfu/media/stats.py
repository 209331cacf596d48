"""Numbers about producers and consumers, under the names that the worker reports them by."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.rtp.parameters import MediaKind


@dataclass(slots=True, frozen=True)
class ProducerNumbers:
    """See `sfu.worker.messages.ProducerStats`, which has the same fields."""

    producer_id: str
    kind: MediaKind
    mime_type: str
    paused: bool
    packets: int
    bytes: int
    lost: int
    nacked: int
    retransmitted: int
    keyframe_requests: int
    jitter_ms: float
    rtt_ms: float | None


@dataclass(slots=True, frozen=True)
class ConsumerNumbers:
    """See `sfu.worker.messages.ConsumerStats`, which has the same fields."""

    consumer_id: str
    producer_id: str
    kind: MediaKind
    paused: bool
    packets: int
    bytes: int
    lost: int
    nacked: int
    retransmitted: int
    keyframe_requests: int
    jitter_ms: float
    rtt_ms: float | None


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
