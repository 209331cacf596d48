"""Builds the packets of a wake-up, of all streams, for all their consumers: blocks of rows, or a few column writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.rtp.ntp import abs_send_time

from .blocks import STAGED, Block, BlockWriter, Packets, RtxPacket, level
from .fanout import Audience, FanoutTable
from .pool import STRIDE, PacketPool
from .ports import PortTable

DROP_OVERWRITTEN: Final = "overwritten"
"""The packet's row in the pool was taken by a later one before it could be forwarded."""
DROP_NOT_ACCEPTED: Final = "payload_type_not_accepted"
"""The consumer did not negotiate the packet's codec (counted per consumer)."""
DROP_BEFORE_START: Final = "before_consumer_start"
"""The packet belongs in front of what the consumer began with (counted per consumer)."""


@dataclass(slots=True)
class _Forwarded:
    """A packet of the pool, or what is sent in its place, and whom it goes to."""

    slot: int
    owner: int
    ext_seq: int
    payload_type: int
    audience: Audience
    video: bool
    replacement: bytes | None


class ForwardBatch:
    """Packets that one wake-up brought, in their order, each with the rows that it goes to."""

    def __init__(self, pool: PacketPool) -> None:
        self.pool = pool
        self._packets: list[_Forwarded] = []

    def __len__(self) -> int:
        return len(self._packets)

    def add(
        self,
        slot: int,
        owner: int,
        ext_seq: int,
        payload_type: int,
        audience: Audience,
        *,
        video: bool,
        replacement: bytes | None = None,
    ) -> None:
        """A packet of the pool for an audience; `replacement` is another canonical packet to send in its place."""
        self._packets.append(_Forwarded(slot, owner, ext_seq, payload_type, audience, video, replacement))

    def take(self, drops: Counter[str]) -> list[_Forwarded]:
        """All packets that are still in the pool; empties the batch."""
        queued, holds = self._packets, self.pool.holds
        self._packets = []
        packets = [packet for packet in queued if holds(packet.slot, packet.owner, packet.ext_seq)]
        if len(packets) < len(queued):
            drops[DROP_OVERWRITTEN] += len(queued) - len(packets)
        return packets


class Retransmission(NamedTuple):
    """A packet of the pool that is to be sent again by RTX (RFC 4588)."""

    slot: int
    owner: int
    ext_seq: int
    port: int
    ssrc: int
    payload_type: int
    seq: int
    original_seq: int
    timestamp_offset: int


_PORT: Final = itemgetter(Retransmission._fields.index("port"))


class Egress:
    """The output matrix. After each step of `build` its first rows are plain packets ready for SRTP."""

    def __init__(
        self, pool: PacketPool, table: FanoutTable, ports: PortTable, drops: Counter[str], max_rows: int = 256
    ) -> None:
        """`max_rows` packets are built at a time; larger batches come in several steps. `drops` counts by reason."""
        self.max_rows = max_rows
        self.data: NDArray[np.uint8] = np.zeros((max_rows, STRIDE), dtype=np.uint8)
        self.length: NDArray[np.int32] = np.zeros(max_rows, dtype=np.int32)
        self.blocks: list[Block] = []
        """What the rows of this step are, in their order; empty for retransmissions."""
        self.writer = BlockWriter(self.data, self.length, ports)
        self._port: list[int] = []
        self._drops = drops
        self._pool = pool
        self._ports = ports

    def ports(self) -> NDArray[np.int64]:
        """Destination of each row of this step."""
        if self.blocks:
            return np.concatenate([block.ports() for block in self.blocks])
        return np.array(self._port, np.int64)

    def build(self, batch: ForwardBatch, now: float) -> Iterator[int]:
        """Yield the number of rows built, step by step, until the whole batch is; empties the batch.

        Rows of a step are valid until the next one. Per destination they keep the order of arrival within a stream.
        Audio comes first, so that it is video which does not fit when the kernel's buffer is full.
        """
        packets = batch.take(self._drops)
        send_time = abs_send_time(now).to_bytes(3)
        self.blocks, used = [], 0
        for stream in _streams(packets):
            for audience, group in self._groups(stream):
                lengths, first = [len(packet) for packet in group.data], 0
                while first < audience.size:
                    room = (self.max_rows - used) // len(lengths)
                    if not room:
                        yield used
                        self.blocks, used = [], 0
                        continue
                    block = Block(audience, first, min(first + room, audience.size), lengths)
                    self.writer.write(block, used, group, send_time, now)
                    self.blocks.append(block)
                    used += block.rows
                    first = block.end
                audience.count(len(lengths), group.octets, sum(lengths))
        if used:
            yield used

    def _groups(self, stream: list[_Forwarded]) -> list[tuple[Audience, Packets]]:
        """Packets of one stream that go to the same consumers, who all take them."""
        pool = self._pool
        data = [
            bytes(pool.packet(packet.slot)) if packet.replacement is None else packet.replacement for packet in stream
        ]
        octets = [len(each) - pool.header_len(packet.slot) for each, packet in zip(data, stream, strict=True)]
        audiences = [self._takers(packet) for packet in stream]
        if len(data) == 1:
            return [(audiences[0], Packets(data, [stream[0].ext_seq], octets[0]))]
        if stream[0].video:
            data = level(data)
        groups: list[tuple[Audience, Packets]] = []
        begin, limit = 0, min(STAGED, self.max_rows)
        for end in range(1, len(stream) + 1):
            audience = audiences[begin]
            if end == len(stream) or audiences[end] is not audience or end - begin == limit:
                ext_seqs = [packet.ext_seq for packet in stream[begin:end]]
                groups.append((audience, Packets(data[begin:end], ext_seqs, sum(octets[begin:end]))))
                begin = end
        return groups

    def _takers(self, packet: _Forwarded) -> Audience:
        """Those of a packet's audience to whom it is really to be sent."""
        audience = packet.audience.accepting(packet.payload_type)
        if audience is not packet.audience:
            self._drops[DROP_NOT_ACCEPTED] += packet.audience.size - audience.size
        started = audience.started(packet.ext_seq)
        if started is not audience:
            self._drops[DROP_BEFORE_START] += audience.size - started.size
        return started

    def build_retransmissions(self, retransmissions: Sequence[Retransmission], now: float) -> Iterator[int]:
        """Like `build`. A packet is read from the pool once, however many subscribers want it again."""
        self.blocks = []
        send_time, holds = abs_send_time(now).to_bytes(3), self._pool.holds
        # By destination, so that packets of one length share a send.
        ordered = sorted(retransmissions, key=_PORT)
        packets: dict[tuple[int, int], RtxPacket] = {}
        for first in range(0, len(ordered), self.max_rows):
            part = ordered[first : first + self.max_rows]
            step = [each for each in part if holds(each.slot, each.owner, each.ext_seq)]
            if len(step) < len(part):
                self._drops[DROP_OVERWRITTEN] += len(part) - len(step)
            if not step:
                continue
            self._port = [each.port for each in step]
            transport_seqs = self._ports.take_few(self._port, 1, now)
            for row, (again, transport_seq) in enumerate(zip(step, transport_seqs, strict=True)):
                key = again.slot, again.payload_type
                packet = packets.get(key)
                if packet is None:
                    packet = packets[key] = self._rtx_packet(*key, send_time)
                self.writer.write_rtx(
                    row, packet, again.ssrc, again.seq, again.timestamp_offset, again.original_seq, transport_seq
                )
            yield len(step)

    def _rtx_packet(self, slot: int, payload_type: int, send_time: bytes) -> RtxPacket:
        packet, header_len = bytes(self._pool.packet(slot)), self._pool.header_len(slot)
        return RtxPacket(packet, header_len, payload_type, send_time)


def _streams(packets: list[_Forwarded]) -> list[list[_Forwarded]]:
    """Packets by stream and form (some are without the redundancy that others have), sound first."""
    if len(packets) == 1:
        return [packets]
    streams: dict[tuple[int, bool], list[_Forwarded]] = {}
    for packet in packets:
        streams.setdefault((packet.owner, packet.replacement is None), []).append(packet)
    return sorted(streams.values(), key=lambda stream: stream[0].video)
