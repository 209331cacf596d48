"""RTCP that came: decrypted together, shed when it is too much, read by columns where many say the same."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import numpy as np

from sfu.media.egress import Retransmission
from sfu.media.pool import HEADROOM, PacketPool
from sfu.media.ports import PortTable
from sfu.media.subscriber import FEEDBACK_NOT_SENT
from sfu.net.mux import Received
from sfu.net.srtp import RowPointers, SrtpInbound, unprotect_rtcp_rows
from sfu.rtp.reports import parse_reports
from sfu.rtp.rtcp import SenderReport, parse_compound
from sfu.rtp.twcc_columns import read_complete_feedback

from .transport import Transport

_FEW: Final = 8
"""Up to here reading one by one takes less than columns do."""
_OPENING_S: Final = 5e-6
"""What receiving and decrypting one datagram takes, or finding that it can't be decrypted."""
_NO_PORT: Final = -1
_SENDER: Final = slice(HEADROOM + 4, HEADROOM + 8)


class RtcpReader:
    """Of all transports of a worker. Datagrams are in rows of the pool, from HEADROOM on."""

    def __init__(self, pool: PacketPool, pointers: RowPointers, ports: PortTable, drops: Counter[str]) -> None:
        """`pointers` to the pool's rows. `drops` counts by reason."""
        self._pool = pool
        self._pointers = pointers
        self._ports = ports
        self._drops = drops

    def take(self, received: list[Received], now: float, *, shed: bool) -> list[Retransmission]:
        """Read datagrams, and do what they ask for at once; returns the packets to be sent again.

        With `shed` only those of publishers are read.
        """
        opened = self._open(self._shed(received) if shed else received, now)
        if len(opened) > _FEW:
            opened = self._note_complete_feedback(opened, now)
        retransmissions: list[Retransmission] = []
        for row, transport in opened:
            begun = time.perf_counter()
            reason = self._read(transport, row, now, retransmissions)
            transport.rtcp_time.spend(time.perf_counter() - begun)
            if reason is not None:
                self._drops[reason] += 1
        return retransmissions

    def _shed(self, received: list[Received]) -> list[Received]:
        """What is left of RTCP when more comes than can be dealt with: that of publishers. What subscribers ask for
        would only make more work, and so much of it that packets of publishers are lost in the kernel's buffer, for
        which all subscribers ask then."""
        kept: list[Received] = []
        for each in received:
            endpoint = each[2]
            assert isinstance(endpoint, Transport)
            if endpoint.publisher is not None:
                kept.append(each)
        self._drops["rtcp_shed"] += len(received) - len(kept)
        return kept

    def _open(self, received: list[Received], now: float) -> list[tuple[int, Transport]]:
        """Those that could be decrypted, in place. Who sends too much is not heard for a while."""
        rows: list[int] = []
        sessions: list[SrtpInbound] = []
        transports: list[Transport] = []
        pointers = self._pointers
        for row, length, endpoint in received:
            assert isinstance(endpoint, Transport)
            if endpoint.srtp_in is None:
                self._drops["media_before_dtls"] += 1
                continue
            if endpoint.rtcp_time.is_spent(now):
                self._drops["rtcp_shed"] += 1
                continue
            endpoint.rtcp_time.spend(_OPENING_S)
            pointers.length_items[row] = length
            rows.append(row)
            sessions.append(endpoint.srtp_in)
            transports.append(endpoint)
        opened: list[tuple[int, Transport]] = []
        reasons = unprotect_rtcp_rows(pointers, rows, [session.handle for session in sessions])
        for row, session, transport, reason in zip(rows, sessions, transports, reasons, strict=True):
            if reason is not None:
                self._drops[reason] += 1
                continue
            sender_ssrc = int.from_bytes(self._pool.rows[row][_SENDER])
            if not transport.remembers_rtcp_sender(sender_ssrc):
                session.remove_stream(sender_ssrc)
            opened.append((row, transport))
        return opened

    def _note_complete_feedback(self, opened: list[tuple[int, Transport]], now: float) -> list[tuple[int, Transport]]:
        """Note the transport-cc feedback of subscribers who received everything. Returns what is left to read."""
        ports = [
            transport.subscriber.port if transport.subscriber is not None and transport.publisher is None else _NO_PORT
            for _, transport in opened
        ]
        if len(set(ports)) < len(ports):
            # Somebody's reports have to be read one after the other.
            return opened
        rows = np.array([row for row, _ in opened])
        lengths = self._pointers.lengths[rows].astype(np.int64)
        chosen, base_seqs, counts = read_complete_feedback(self._pool.data, rows, HEADROOM, lengths)
        columns = np.array(ports)
        chosen &= columns != _NO_PORT
        if not chosen.any():
            return opened
        ignored = self._ports.note_complete_feedback(columns[chosen], base_seqs[chosen], counts[chosen], now)
        if ignored:
            self._drops[FEEDBACK_NOT_SENT] += ignored
        return [each for each, is_noted in zip(opened, chosen.tolist(), strict=True) if not is_noted]

    def _read(self, transport: Transport, row: int, now: float, retransmissions: list[Retransmission]) -> str | None:
        data = self._pool.rows[row][HEADROOM : HEADROOM + self._pointers.length_items[row]]
        if transport.publisher is None and transport.subscriber is not None:
            reports = parse_reports(data)
            if reports is not None:
                retransmissions += transport.subscriber.on_reports(reports, now)
                return None
        try:
            packets = parse_compound(data)
        except ValueError:
            return "rtcp_malformed"
        if transport.publisher is not None:
            transport.publisher.on_rtcp(packets, now)
            if any(isinstance(packet, SenderReport) for packet in packets):
                transport.room.reports_arrived(transport)
        if transport.subscriber is not None:
            actions = transport.subscriber.on_rtcp(packets, now)
            retransmissions += actions.retransmissions
            for producer in actions.keyframe_requests:
                transport.room.request_keyframe(producer, now)
        return None
