"""Where the fan-out's ports lead to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfu.media.blocks import Block
from sfu.media.fanout import Audience
from sfu.net.mux import Group, Portion
from sfu.net.srtp import CData

from .transport import Transport


@dataclass(slots=True)
class _Fan:
    """What sending to an audience takes."""

    handles: list[CData]
    """The SRTP session of each port."""
    group: Group


class Destinations:
    """Where each fan-out port leads to: the SRTP session that encrypts for it, and its place in the mux.

    Consumers are started only once their transport is connected and are removed before it is closed, so a port that
    packets are built for always leads somewhere.
    """

    def __init__(self) -> None:
        self.slots: NDArray[np.int64] = np.full(64, -1, dtype=np.int64)
        self._handles: list[CData] = [None] * 64

    def bind(self, port: int, transport: Transport | None) -> None:
        while port >= len(self._handles):
            self.slots = np.concatenate([self.slots, np.full(len(self.slots), -1, dtype=np.int64)])
            self._handles += [None] * len(self._handles)
        if transport is None or transport.srtp_out is None:
            self.slots[port], self._handles[port] = -1, None
        else:
            self.slots[port], self._handles[port] = transport.slot, transport.srtp_out.handle

    def handles(self, ports: NDArray[np.int64]) -> list[CData]:
        """The SRTP session of each row."""
        return [self._handles[port] for port in ports.tolist()]

    def of_blocks(self, blocks: list[Block]) -> tuple[list[CData], list[Portion], int]:
        """The SRTP session of each row, where the blocks go, and the length of the longest packet."""
        handles: list[CData] = []
        portions: list[Portion] = []
        longest = 0
        for block in blocks:
            fan, per_port = self._fan(block.audience), len(block.lengths)
            sessions = fan.handles[block.first : block.end]
            handles += sessions if per_port == 1 else [each for each in sessions for _ in range(per_port)]
            portions.append((fan.group, block.first, block.end, block.lengths))
            longest = max(longest, *block.lengths)
        return handles, portions, longest

    def _fan(self, audience: Audience) -> _Fan:
        """Kept with the audience: where a port leads to stays the same as long as packets are built for it."""
        fan: _Fan | None = audience.sending
        if fan is None:
            ports = audience.ports
            fan = audience.sending = _Fan(self.handles(ports), Group(self.slots[ports]))
        return fan
