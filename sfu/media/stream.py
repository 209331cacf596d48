"""One RTP stream of a producer: what arrived, what is missing, who is waiting for its next keyframe."""

from __future__ import annotations

from typing import Final, Protocol

from sfu.rtp.parameters import Codec, MediaKind
from sfu.rtp.seq import SEQ_MODULUS, Unwrapper, nearest_ext_seq, seq_newer

from .cache import CACHE_SIZE, StreamCache
from .fanout import ActiveRows, FanoutTable
from .nack_generator import NackGenerator
from .pool import PacketPool
from .reception import Reception

_REPLAY_WINDOW: Final = 512


class WaitingConsumer(Protocol):
    """Somebody who is to be told of each packet until it has found the one to begin with."""

    def try_begin(self, ext_seq: int, timestamp: int, payload_type: int, keyframe: bool, now: float) -> bool:
        """Whether it began with this packet."""


class ReplayWindow:
    """The last 512 sequence numbers of a stream whose packets are not cached (RTX): duplicates are known by peek."""

    def __init__(self) -> None:
        self._unwrapper = Unwrapper()
        self._seen = 0

    def contains(self, seq: int) -> bool:
        """Whether the number was noted, or is too old to tell."""
        highest = self._unwrapper.highest
        if highest is None:
            return False
        age = highest - self._unwrapper.locate(seq)
        return age >= _REPLAY_WINDOW or (age >= 0 and bool(self._seen >> age & 1))

    def note(self, seq: int) -> None:
        previous = self._unwrapper.highest
        ext_seq = self._unwrapper.unwrap(seq)
        ahead = ext_seq - previous if previous is not None else 0
        if ahead > 0:
            self._seen = self._seen << min(ahead, _REPLAY_WINDOW) & (1 << _REPLAY_WINDOW) - 1 | 1
        elif ahead > -_REPLAY_WINDOW:
            self._seen |= 1 << -ahead


class ProducerStream:
    """Ingress state of one SSRC and its RTX SSRC."""

    def __init__(self, kind: MediaKind, pool: PacketPool, table: FanoutTable, *, asks_again: bool) -> None:
        """`asks_again`: the publisher negotiated generic NACK."""
        self.id = pool.new_stream_id()
        self.kind = kind
        self.ssrc: int | None = None
        """None until it is declared or the first packet came."""
        self.cache = StreamCache(pool, self.id, CACHE_SIZE[kind])
        self.active = ActiveRows(table)
        self.reception = Reception()
        self.nack = NackGenerator() if asks_again else None
        self.rtx_replay = ReplayWindow()
        self.codec: Codec | None = None
        """Of the newest packet."""
        self.newest_timestamp = 0
        self.newest_arrival = 0.0
        self.waiting: list[WaitingConsumer] = []
        self.highest_ext_seq: int | None = None
        """None before the first packet."""

    @property
    def clock_rate(self) -> int:
        """Ticks per second of the newest packet's codec (before the first packet, of the kind's usual ones)."""
        if self.codec is not None:
            return self.codec.clock_rate
        return 90000 if self.kind == "video" else 48000

    def is_duplicate(self, seq: int) -> bool:
        """Whether the 16-bit number came already, or is older than what is remembered. Moves nothing: may be asked
        about packets that are not authenticated yet."""
        highest = self.highest_ext_seq
        if highest is None or seq_newer(seq, highest):
            return False
        ext_seq = nearest_ext_seq(seq, highest)
        return highest - ext_seq >= self.cache.size or self.cache.received(ext_seq)

    def take_number(self, seq: int, slot: int, codec: Codec, timestamp: int, now: float) -> tuple[int, bool]:
        """(ext_seq of an authenticated packet that is no duplicate, whether the skipped ones can still be repaired)."""
        previous = self.highest_ext_seq
        if previous is None:
            ext_seq = seq + SEQ_MODULUS
        else:
            ext_seq = previous + 1
            if seq != ext_seq & 0xFFFF:
                ext_seq = nearest_ext_seq(seq, previous)
        self.cache.store(ext_seq, slot)
        if previous is not None and ext_seq <= previous:
            if self.nack is not None:
                self.nack.note_arrival(ext_seq, now)
            return ext_seq, True
        self.highest_ext_seq = ext_seq
        self.codec = codec
        self.newest_timestamp = timestamp
        self.newest_arrival = now
        if self.nack is None or previous is None or ext_seq == previous + 1:
            return ext_seq, True
        return ext_seq, self.nack.note_gap(previous + 1, ext_seq, now)

    def offer_to_waiting(self, ext_seq: int, timestamp: int, payload_type: int, keyframe: bool, now: float) -> None:
        """Let consumers that are not forwarded to yet begin with this packet."""
        self.waiting = [
            consumer
            for consumer in self.waiting
            if not consumer.try_begin(ext_seq, timestamp, payload_type, keyframe, now)
        ]
