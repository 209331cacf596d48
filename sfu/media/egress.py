"""Builds the packets of a wake-up, of all streams, for all their consumers: blocks of rows, or a few column writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.rtp.ntp import abs_send_time

from .blocks import STAGED, Block, BlockWriter, Packets, RtxPacket, level
from .fanout import Audience, FanoutTable
from .pool import STRIDE, PacketPool
from .ports import PortTable

DROP_OVERWRITTEN: Final = "overwritten"
"""The packet's row in the pool was taken by a later one before it could be sent again."""
DROP_NOT_ACCEPTED: Final = "payload_type_not_accepted"
"""The consumer did not negotiate the packet's codec (counted per consumer)."""
DROP_BEFORE_START: Final = "before_consumer_start"
"""The packet belongs in front of what the consumer began with (counted per consumer)."""


class _Queue:
    """Packets of one stream and form (some are without the redundancy that others have), as parallel lists."""

    __slots__ = ("audiences", "data", "ext_seqs", "octets", "payload_types", "video")

    def __init__(self, video: bool) -> None:
        self.video = video
        self.data: list[bytes] = []
        self.octets: list[int] = []
        """Bytes of payload."""
        self.ext_seqs: list[int] = []
        self.payload_types: list[int] = []
        self.audiences: list[Audience] = []


class ForwardBatch:
    """Packets that one wake-up brought, by stream and in their order, each with the rows that it goes to."""

    def __init__(self, pool: PacketPool) -> None:
        self._pool = pool
        self._queues: dict[tuple[int, bool], _Queue] = {}

    def __len__(self) -> int:
        return sum(len(queue.data) for queue in self._queues.values())

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
        """A packet that the pool holds for an audience; `replacement` is another canonical packet to send in its place.
        It is copied, so its row may be taken before it is sent."""
        pool, key = self._pool, (owner, replacement is None)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(video)
        start = pool.start[slot]
        packet = bytes(pool.rows[slot][start : start + pool.length[slot]]) if replacement is None else replacement
        queue.data.append(packet)
        queue.octets.append(len(packet) - pool.payload[slot] + start)
        queue.ext_seqs.append(ext_seq)
        queue.payload_types.append(payload_type)
        queue.audiences.append(audience)

    def take(self) -> list[_Queue]:
        """Everything, sound first; empties the batch."""
        queues = list(self._queues.values())
        self._queues = {}
        if len(queues) > 1:
            queues.sort(key=attrgetter("video"))
        return queues


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
        send_time = abs_send_time(now).to_bytes(3)
        self.blocks, used = [], 0
        for queue in batch.take():
            for audience, group in self._groups(queue):
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

    def _groups(self, queue: _Queue) -> list[tuple[Audience, Packets]]:
        """Packets of one stream that go to the same consumers, who all take them."""
        data, octets, ext_seqs = queue.data, queue.octets, queue.ext_seqs
        audiences = list(map(self._takers, queue.audiences, queue.payload_types, ext_seqs))
        if len(data) == 1:
            return [(audiences[0], Packets(data, ext_seqs, octets[0]))]
        if queue.video:
            data = level(data)
        groups: list[tuple[Audience, Packets]] = []
        begin, limit = 0, min(STAGED, self.max_rows)
        for end in range(1, len(data) + 1):
            audience = audiences[begin]
            if end == len(data) or audiences[end] is not audience or end - begin == limit:
                groups.append((audience, Packets(data[begin:end], ext_seqs[begin:end], sum(octets[begin:end]))))
                begin = end
        return groups

    def _takers(self, wanted: Audience, payload_type: int, ext_seq: int) -> Audience:
        """Those of a packet's audience to whom it is really to be sent."""
        accepting = wanted.accepting(payload_type)
        if accepting is not wanted:
            self._drops[DROP_NOT_ACCEPTED] += wanted.size - accepting.size
        started = accepting.started(ext_seq)
        if started is not accepting:
            self._drops[DROP_BEFORE_START] += accepting.size - started.size
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
