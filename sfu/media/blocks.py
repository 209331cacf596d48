"""Packets of one stream for all of its consumers: a block of rows, written by columns or, when it is small, one by
one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .fanout import Audience, ConsumerColumns
from .pool import STRIDE
from .ports import PortTable

MAX_LEVELLING: Final = 16
"""Bytes of RTP padding (RFC 3550 section 5.1) that make a shorter packet of a frame as long as its neighbours. Encoders
cut a frame into packets that differ by a byte, and by the header extensions that only the last one has; segmentation
offload takes packets of one length, and every send that it saves is worth more than the bytes."""

STAGED: Final = 128
"""Packets of a block at most."""

FEW_SINGLE: Final = 6
FEW_ROWS: Final = 20
"""Up to here rows are written one by one: those of one packet, and of several, whose columns take more operations.
`python -m bench.hotpath --crossover` finds 6 and 18; between other work columns lose a little more than there."""

_PADDING_BIT: Final = 0x20
_WIDTH_STEP: Final = 64
_TWO_BYTE_PROFILE_FIRST: Final = 0x10

# Canonical headers (`sfu.rtp.extensions`) up to the end of abs-send-time: two bytes, sequence number, timestamp, SSRC,
# extension header and id, transport-cc number, id and value of abs-send-time.
_ONE_BYTE_HEAD: Final = struct.Struct("!2sHII5sH4s")
_TWO_BYTE_HEAD: Final = struct.Struct("!2sHII6sH5s")
_TIMESTAMP: Final = struct.Struct("!I")
_ORIGINAL_SEQ: Final = struct.Struct("!H")


@dataclass(slots=True)
class Block:
    """Rows of the output matrix that are the same packets for each consumer of an audience."""

    audience: Audience
    first: int
    end: int
    """Consumers first..end-1 of the audience."""
    lengths: list[int]
    """Of the packets. Each consumer's rows are adjacent, in this order."""

    @property
    def rows(self) -> int:
        return (self.end - self.first) * len(self.lengths)

    def ports(self) -> NDArray[np.int64]:
        """Destination of each row."""
        return self.audience.ports[self.first : self.end].repeat(len(self.lengths))


@dataclass(slots=True)
class Packets:
    """Canonical packets of one stream, as parallel lists."""

    data: list[bytes]
    ext_seqs: list[int]
    octets: int
    """Bytes of payload, of all together and without what padding they were given here."""


class RtxPacket:
    """A canonical packet in the form of RTX (RFC 4588): what all who want it again get alike."""

    __slots__ = ("original_seq_at", "parts")

    def __init__(self, packet: bytes, header_len: int, payload_type: int, send_time: bytes) -> None:
        """`payload_type` is that of RTX; the first `header_len` bytes of `packet` are in front of its payload."""
        second = bytes((packet[1] & 0x80 | payload_type,))
        data = packet[:1] + second + packet[2:header_len] + bytes(_ORIGINAL_SEQ.size) + packet[header_len:]
        self.original_seq_at = header_len
        self.parts = _parts(data, 0, send_time)


class BlockWriter:
    """Writes blocks into an output matrix (uint8, shape (rows, STRIDE)) and their lengths beside it."""

    def __init__(self, data: NDArray[np.uint8], length: NDArray[np.int32], ports: PortTable) -> None:
        self.few_single, self.few_rows = FEW_SINGLE, FEW_ROWS
        self._data = data
        self._bytes = data.reshape(-1).data
        self._length = length
        self._length_items = length.data
        self._ports = ports
        self._staging: NDArray[np.uint8] = np.zeros((STAGED, STRIDE), dtype=np.uint8)
        self._staging_bytes = self._staging.reshape(-1).data
        self._seq = data[:, 2:4].view(">u2")[:, 0]
        self._timestamp = data[:, 4:8].view(">u4")[:, 0]
        self._ssrc = data[:, 8:12].view(">u4")[:, 0]
        self._transport_seq = data[:, 17:19].view(">u2")[:, 0]

    def write(self, block: Block, at: int, packets: Packets, send_time: bytes, now: float) -> None:
        """Fill rows `at`, ... with at most STAGED packets for each consumer; `send_time` is abs-send-time's value."""
        if block.rows <= (self.few_single if len(packets.data) == 1 else self.few_rows):
            consumers = block.audience.consumers()[block.first : block.end]
            self.write_few(consumers, at, packets.data, packets.ext_seqs, send_time, now)
        elif len(packets.data) == 1:
            self._write_single(block, at, packets, send_time, now)
        else:
            self._write_columns(block, at, packets, send_time, now)

    # One by one

    def write_few(
        self,
        consumers: Sequence[ConsumerColumns],
        at: int,
        data: Sequence[bytes],
        ext_seqs: Sequence[int],
        send_time: bytes,
        now: float,
    ) -> None:
        """Fill rows `at`, ... with these packets for each consumer in turn."""
        matrix, lengths = self._bytes, self._length_items
        parts = [_parts(packet, ext_seq, send_time) for packet, ext_seq in zip(data, ext_seqs, strict=True)]
        numbers = self._ports.take_few([consumer[0] for consumer in consumers], len(parts), now)
        offset = at * STRIDE
        for (_, ssrc, seq_offset, timestamp_offset), transport_seq in zip(consumers, numbers, strict=True):
            for packet, length, pack_into, first, ext_seq, timestamp, middle, last in parts:
                matrix[offset : offset + length] = packet
                pack_into(
                    matrix,
                    offset,
                    first,
                    ext_seq - seq_offset & 0xFFFF,
                    timestamp + timestamp_offset & 0xFFFFFFFF,
                    ssrc,
                    middle,
                    transport_seq & 0xFFFF,
                    last,
                )
                lengths[at] = length
                at += 1
                transport_seq += 1
                offset += STRIDE

    def write_rtx(
        self,
        row: int,
        packet: RtxPacket,
        ssrc: int,
        seq: int,
        timestamp_offset: int,
        original_seq: int,
        transport_seq: int,
    ) -> None:
        """Fill one row with a packet that is sent again; `seq` is the RTX stream's own number."""
        matrix, offset = self._bytes, row * STRIDE
        data, length, pack_into, first, _, timestamp, middle, last = packet.parts
        matrix[offset : offset + length] = data
        pack_into(
            matrix,
            offset,
            first,
            seq & 0xFFFF,
            timestamp + timestamp_offset & 0xFFFFFFFF,
            ssrc,
            middle,
            transport_seq & 0xFFFF,
            last,
        )
        _ORIGINAL_SEQ.pack_into(matrix, offset + packet.original_seq_at, original_seq)
        self._length_items[row] = length

    # By columns

    def _write_single(self, block: Block, at: int, packets: Packets, send_time: bytes, now: float) -> None:
        """One packet for each consumer: plain columns, which cost half of what reshaped ones do."""
        audience, consumers, rows = block.audience, slice(block.first, block.end), slice(at, at + block.rows)
        width = self._stage(packets, send_time)
        self._data[rows, :width] = self._staging[0, :width]
        self._length[rows] = block.lengths[0]
        self._ssrc[rows] = audience.ssrc[consumers]
        self._seq[rows] = np.uint16(packets.ext_seqs[0] & 0xFFFF) - audience.seq_offset[consumers]
        if audience.timestamp_offset is not None:
            self._timestamp[rows] = self._timestamp[rows] + audience.timestamp_offset[consumers] & 0xFFFFFFFF
        transport_seqs = self._ports.take_one_each(audience.ports[consumers], now)
        if packets.data[0][12] == _TWO_BYTE_PROFILE_FIRST:
            self._data[rows, 18] = transport_seqs >> 8 & 0xFF
            self._data[rows, 19] = transport_seqs & 0xFF
        else:
            self._transport_seq[rows] = transport_seqs

    def _write_columns(self, block: Block, at: int, packets: Packets, send_time: bytes, now: float) -> None:
        audience, consumers, rows = block.audience, slice(block.first, block.end), slice(at, at + block.rows)
        count = len(packets.data)
        shape = (block.end - block.first, count)
        width = self._stage(packets, send_time)
        data = self._data[rows].reshape(*shape, STRIDE)
        data[:, :, :width] = self._staging[:count, :width]
        self._length[rows].reshape(shape)[:] = block.lengths
        self._ssrc[rows].reshape(shape)[:] = audience.ssrc[consumers, None]
        seqs = np.array(packets.ext_seqs, np.int64).astype(np.uint16)
        self._seq[rows].reshape(shape)[:] = seqs - audience.seq_offset[consumers, None]
        if audience.timestamp_offset is not None:
            timestamps = self._timestamp[rows].reshape(shape)
            timestamps[:] = timestamps + audience.timestamp_offset[consumers, None] & 0xFFFFFFFF
        transport_seqs = self._ports.take_blocks(audience.ports[consumers], count, now)
        self._transport_seq[rows].reshape(shape)[:] = transport_seqs
        for index, packet in enumerate(packets.data):
            if packet[12] == _TWO_BYTE_PROFILE_FIRST:
                data[:, index, 17] = packet[17]
                data[:, index, 18] = transport_seqs[:, index] >> 8 & 0xFF
                data[:, index, 19] = transport_seqs[:, index] & 0xFF

    def _stage(self, packets: Packets, send_time: bytes) -> int:
        """Copy packets to where they can be fanned out by one strided copy. Returns how many columns hold them all."""
        staging, longest, offset = self._staging_bytes, 0, 0
        for packet in packets.data:
            length = len(packet)
            staging[offset : offset + length] = packet
            sent_at = offset + (22 if packet[12] == _TWO_BYTE_PROFILE_FIRST else 20)
            staging[sent_at : sent_at + 3] = send_time
            longest = max(longest, length)
            offset += STRIDE
        return -(-longest // _WIDTH_STEP) * _WIDTH_STEP


def _parts(packet: bytes, ext_seq: int, send_time: bytes) -> tuple[Any, ...]:
    (timestamp,) = _TIMESTAMP.unpack_from(packet, 4)
    if packet[12] == _TWO_BYTE_PROFILE_FIRST:
        fixed = _TWO_BYTE_HEAD.pack_into, packet[:2], ext_seq, timestamp, packet[12:18], packet[20:22] + send_time
    else:
        fixed = _ONE_BYTE_HEAD.pack_into, packet[:2], ext_seq, timestamp, packet[12:17], packet[19:20] + send_time
    return packet, len(packet), *fixed


def level(packets: list[bytes]) -> list[bytes]:
    """Packets of one stream, the shorter ones padded where little is missing; those with padding stay as they are."""
    lengths = set(map(len, packets))
    if len(lengths) == 1:
        return packets
    targets = _levels(lengths)
    return [_padded(packet, targets[len(packet)]) for packet in packets]


def _padded(packet: bytes, target: int) -> bytes:
    missing = target - len(packet)
    if not missing or packet[0] & _PADDING_BIT:
        return packet
    return bytes((packet[0] | _PADDING_BIT,)) + packet[1:] + bytes(missing - 1) + bytes((missing,))


def _levels(lengths: set[int]) -> dict[int, int]:
    """What each of these lengths is brought to: the longest one that is at most MAX_LEVELLING away."""
    targets: dict[int, int] = {}
    target = 0
    for length in sorted(lengths, reverse=True):
        if target - length > MAX_LEVELLING or not target:
            target = length
        targets[length] = target
    return targets
