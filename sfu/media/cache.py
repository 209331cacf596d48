"""Where a stream's recent packets are in the pool; also the memory of what was received, against duplicates."""

from __future__ import annotations

from typing import Final

from sfu.rtp.parameters import MediaKind

from .pool import PacketPool

CACHE_SIZE: Final[dict[MediaKind, int]] = {"video": 1024, "audio": 128}
"""Packets: 2-4 s of 720p video, 2.5 s of 20 ms audio. Anything older is of no use to a live subscriber."""

_NOTHING: Final = -1


class StreamCache:
    """ext_seq -> slot for the last `size` numbers of one stream."""

    def __init__(self, pool: PacketPool, stream_id: int, size: int) -> None:
        self.size = size
        self._pool = pool
        self._stream_id = stream_id
        self._ext_seqs = [_NOTHING] * size
        self._slots = [_NOTHING] * size

    def store(self, ext_seq: int, slot: int) -> None:
        index = ext_seq % self.size
        self._ext_seqs[index] = ext_seq
        self._slots[index] = slot

    def received(self, ext_seq: int) -> bool:
        """Whether the packet was stored, even if its row has been overwritten since."""
        return self._ext_seqs[ext_seq % self.size] == ext_seq

    def find(self, ext_seq: int) -> int | None:
        """The slot that holds the packet, None when it never came, is too old, or was overwritten in the pool."""
        index = ext_seq % self.size
        if self._ext_seqs[index] != ext_seq:
            return None
        slot = self._slots[index]
        return slot if self._pool.holds(slot, self._stream_id, ext_seq) else None

    def payload_type(self, slot: int) -> int:
        """Canonical payload type of the packet in a slot that `find` returned."""
        return self._pool.packet(slot)[1] & 0x7F
