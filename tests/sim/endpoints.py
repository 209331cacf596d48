"""A publisher and a subscriber of video, as far as repair is concerned: browsers in a hundred lines."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from sfu.rtp.nack import Nack
from sfu.rtp.pli import Pli
from sfu.rtp.rtcp import Fir, ReceiverReport, SenderReport, SourceDescription, parse_compound, serialise_compound
from sfu.rtp.seq import Unwrapper

from . import harness
from .network import Clock

FRAME_INTERVAL = 1 / 30
_FRAME_MARK = b"F"


def frame_payload(frame: int, index: int, count: int, keyframe: bool) -> bytes:
    """VP8 descriptor, then what the subscriber checks: frame, index, count, kind, and some weight."""
    start = harness.VP8_KEYFRAME_START if keyframe else harness.VP8_DELTA_START
    head = start if index == 0 else harness.VP8_CONTINUATION
    return head + _FRAME_MARK + frame.to_bytes(4) + bytes([index, count, keyframe]) + bytes(200)


class VideoPublisher:
    """30 frames a second; keyframes when asked; answers NACK by RTX; sends SRs."""

    def __init__(self, clock: Clock, send: Callable[[bytes], None], packets: int = 8) -> None:
        self._clock = clock
        self._send = send
        self._packets = packets
        self._seq = 65500
        self._rtx_seq = 0
        self._transport_seq = 0
        self._frame = 0
        self._keyframe_wanted = True
        self._sent: dict[int, bytes] = {}
        self.keyframes = 0
        self.feedback_packets = 0
        self.send_rtcp: Callable[[bytes], None] = lambda data: None

    def start(self) -> None:
        self._tick()
        self._report()

    def _tick(self) -> None:
        keyframe, self._keyframe_wanted = self._keyframe_wanted, False
        self.keyframes += keyframe
        count = self._packets * (3 if keyframe else 1)
        for index in range(count):
            payload = frame_payload(self._frame, index, count, keyframe)
            plain = harness.video(self._seq, payload, 3000 * self._frame, marker=index == count - 1)
            self._sent[self._seq & 0xFFFF] = plain
            self._transmit(plain)
            self._seq += 1
        self._frame += 1
        self._clock.at(self._clock.now + FRAME_INTERVAL, self._tick)

    def _transmit(self, plain: bytes) -> None:
        """With transport-cc, as the last thing before the wire."""
        block = harness.extension_block([(harness.PUBLISHED_TWCC, (self._transport_seq & 0xFFFF).to_bytes(2))])
        self._transport_seq += 1
        self._send(bytes([0x90]) + plain[1:12] + block + plain[12:])

    def _report(self) -> None:
        ntp = round((self._clock.now + 1000) * (1 << 32))
        report = SenderReport(harness.VIDEO_SSRC, ntp, round(self._clock.now * 90000), 0, 0)
        self.send_rtcp(serialise_compound([report, SourceDescription.for_cname(harness.VIDEO_SSRC, "ana")]))
        self._clock.at(self._clock.now + 1.0, self._report)

    def on_rtcp(self, data: bytes) -> None:
        for packet in parse_compound(data):
            self.feedback_packets += not isinstance(packet, ReceiverReport)
            match packet:
                case Nack():
                    for seq in packet.seqs:
                        if seq in self._sent:
                            self._transmit(harness.rtx(self._rtx_seq, self._sent[seq]))
                            self._rtx_seq += 1
                case Pli() | Fir():
                    self._keyframe_wanted = True


@dataclass
class _Hole:
    since: float
    next_try: float


class VideoSubscriber:
    """Asks again for holes, shows frames in order when they are whole, and asks for a keyframe when stuck."""

    RETRY = 0.08
    PLI_AFTER = 0.4

    def __init__(self, clock: Clock, ssrc: int, rtx_ssrc: int, send_rtcp: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._ssrc = ssrc
        self._rtx_ssrc = rtx_ssrc
        self._send_rtcp = send_rtcp
        self._numbers = Unwrapper()
        self._received: set[int] = set()
        self._holes: dict[int, _Hole] = {}
        self._frames: dict[int, set[int]] = {}
        self._shapes: dict[int, tuple[int, bool]] = {}
        self._last_shown = -1
        self._last_pli = -1.0
        self.shown_at: list[float] = []
        self.shown: list[int] = []
        self.repeated = 0
        self.reports: list[SenderReport] = []
        self.transport_seqs: set[int] = set()
        clock.at(0.0, self._tick)

    def on_rtp(self, data: bytes) -> None:
        packet = harness.Sent(0, data)
        payload, seq = packet.payload, packet.seq
        self.transport_seqs.add(packet.transport_seq)
        if packet.ssrc == self._rtx_ssrc:
            payload, seq = payload[2:], int.from_bytes(payload[:2])
        else:
            assert packet.ssrc == self._ssrc
        previous = self._numbers.highest
        ext_seq = self._numbers.unwrap(seq)
        self.repeated += ext_seq in self._received
        self._received.add(ext_seq)
        self._holes.pop(ext_seq, None)
        for missing in range(previous + 1 if previous is not None else ext_seq, ext_seq):
            self._holes[missing] = _Hole(self._clock.now, self._clock.now + 0.01)
        assert payload[2:3] == _FRAME_MARK
        frame, (index, count, keyframe) = int.from_bytes(payload[3:7]), payload[7:10]
        self._frames.setdefault(frame, set()).add(index)
        self._shapes[frame] = (count, bool(keyframe))
        self._show()

    def _show(self) -> None:
        for frame in sorted(self._frames):
            count, keyframe = self._shapes[frame]
            whole = len(self._frames[frame]) == count
            if frame > self._last_shown and whole and (keyframe or frame == self._last_shown + 1):
                self._last_shown = frame
                self.shown.append(frame)
                self.shown_at.append(self._clock.now)
        for frame in [frame for frame in self._frames if frame <= self._last_shown]:
            del self._frames[frame]

    def on_rtcp(self, data: bytes) -> None:
        self.reports += [packet for packet in parse_compound(data) if isinstance(packet, SenderReport)]

    def _tick(self) -> None:
        now = self._clock.now
        due = [seq for seq, hole in self._holes.items() if hole.next_try <= now]
        for seq in due:
            if now - self._holes[seq].since > 1.0:
                del self._holes[seq]
            else:
                self._holes[seq].next_try = now + self.RETRY
        wanted = tuple(seq & 0xFFFF for seq in due if seq in self._holes)
        if wanted:
            self._send_rtcp(serialise_compound([ReceiverReport(9), Nack(9, self._ssrc, wanted[:200])]))
        stuck_since = max(self._last_pli, self.shown_at[-1] if self.shown_at else 0.0)
        if now - stuck_since > self.PLI_AFTER:
            self._last_pli = now
            self._send_rtcp(serialise_compound([ReceiverReport(9), Pli(9, self._ssrc)]))
        self._clock.at(now + 0.01, self._tick)

    def longest_freeze(self, until: float) -> float:
        times = [*self.shown_at, until]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=until)
