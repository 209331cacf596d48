"""The values that cross the channel between the control process and a worker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sfu.rtp.parameters import MediaKind, Parameters

TransportState = Literal["new", "connected", "disconnected", "failed", "closed"]
"""`connected`: DTLS done. `disconnected`: consent (RFC 7675) expired, may come back. `failed`: DTLS failed.
`closed`: the peer said goodbye (DTLS close_notify)."""


class MediaError(Exception):
    """A request to the media plane failed. `code` is stable: `worker_lost`, `no_worker`, `timeout`, `unknown_room`,
    `unknown_transport`, `unknown_producer`, `unknown_consumer`, `wrong_state`, `bad_parameters`, `internal_error`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class WorkerConfig(Parameters):
    """What a worker process is started with."""

    port: int = Field(ge=0, le=65535)
    """UDP port; 0 lets the kernel choose."""
    bind: tuple[str, ...] = ()
    """Local addresses to listen on; empty means all of the machine's."""
    public_ip: str | None = None
    """Offered as the first candidate, where the machine is reached through a one-to-one NAT."""
    offload: bool = True
    """Whether runs of packets may be left to the kernel to cut (UDP_SEGMENT), where it can."""
    log_level: str = "INFO"
    log_format: Literal["console", "json"] = "console"


class IceCandidate(Parameters):
    """A host candidate (RFC 8445) of the worker's UDP port."""

    address: str
    port: int = Field(ge=1, le=65535)
    foundation: str
    priority: int


class Fingerprint(Parameters):
    """`a=fingerprint` (RFC 8122). `algorithm` in lower case (`sha-256`), `value` upper-case hex with colons."""

    algorithm: str
    value: str


class TransportParameters(Parameters):
    """The server's side of a transport."""

    ice_ufrag: str
    ice_pwd: str
    candidates: tuple[IceCandidate, ...]
    fingerprints: tuple[Fingerprint, ...]


class RemoteTransportParameters(Parameters):
    """The peer's side of a transport, and the DTLS role that is left for the server."""

    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[Fingerprint, ...]
    local_dtls_role: Literal["client", "server"]
    """`server` where the peer's description says (or leaves room for) `a=setup:active`."""


class ProducerStats(Parameters):
    producer_id: str
    kind: MediaKind
    mime_type: str
    """Codec of the last packet; empty before the first."""
    paused: bool
    packets: int
    bytes: int
    """RTP payload and header bytes received, without SRTP overhead."""
    lost: int
    """Packets that neither arrived nor were repaired (RFC 3550 cumulative lost, may fall when late ones arrive)."""
    nacked: int
    """Sequence numbers asked for again, counted once per request."""
    retransmitted: int
    """Packets that were repaired by RTX."""
    keyframe_requests: int
    jitter_ms: float
    rtt_ms: float | None


class ConsumerStats(Parameters):
    consumer_id: str
    producer_id: str
    kind: MediaKind
    paused: bool
    packets: int
    bytes: int
    lost: int
    """Cumulative lost as the subscriber reports it."""
    nacked: int
    retransmitted: int
    keyframe_requests: int
    jitter_ms: float
    rtt_ms: float | None


class TransportStats(Parameters):
    transport_id: str
    state: TransportState
    srtp_profile: str | None
    """`AEAD_AES_128_GCM` or `AES128_CM_SHA1_80` once connected."""
    remote_address: str | None
    producers: tuple[ProducerStats, ...]
    consumers: tuple[ConsumerStats, ...]


class WorkerStats(Parameters):
    pid: int
    port: int
    rooms: int
    transports: int
    load: float
    """Share of one core that the process used since the last call, 0-1."""
    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int
    drops: dict[str, int]
    """Datagrams and packets that were not forwarded, by reason."""
    cpu_s: float = 0.0
    """Processor time since the worker began."""
    repairs: dict[str, int] = Field(default_factory=dict)
    """Packets asked for again and sent again, and keyframe requests: `nack_received`, `rtx_sent` and `pli_received`
    of subscribers, `nack_sent`, `rtx_received` and `pli_sent` of publishers."""
    worst_lag_ms: float = 0.0
    """Greatest delay of the event loop in the last 15-30 s."""
    longest_gc_pause_ms: float
    """Longest time that Python's garbage collector stopped everything for, since the worker began."""
