"""A participant that does what the test says and nothing else: it keeps sending when it is muted, demoted or kicked.

Publishes looped VP8 and Opus clips, receives every stream that the server offers and counts its packets. No decoder
runs, so that many of them fit on one core.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Self

from . import rtcp, sdp
from .api import User
from .clips import Clip
from .raw_streams import Link, OpusStream, ReceivedStream, Vp8Stream
from .raw_transport import RawTransport
from .waiting import until
from .ws import Message, WsClient

REPORT_INTERVAL_S = 1.0
NACK_INTERVAL_S = 0.02

AddressRewrite = Callable[[tuple[str, int]], tuple[str, int]]
Stream = Vp8Stream | OpusStream


def _same_address(address: tuple[str, int]) -> tuple[str, int]:
    return address


def _usable(description: sdp.Description) -> tuple[str, int]:
    """IPv4 and loopback first: the one address that exists on every machine that runs tests."""
    addresses = description.candidates
    assert addresses, "the server's description has no candidate"
    ranked = sorted(addresses, key=lambda address: (":" in address[0], not address[0].startswith("127.")))
    return ranked[0]


class Publisher:
    """The publish connection."""

    film: Clip | None = None
    """What is sent as video, where it is not the usual clip."""

    def __init__(self, ws: WsClient, rewrite: AddressRewrite, srtp_profiles: Any, setup: str) -> None:
        self.transport = RawTransport(srtp_profiles)
        self.transport.on_rtcp = self._feedback
        self._link = Link(self.transport.send_rtp)
        self.streams: dict[str, Stream] = {}
        """By source."""
        self.feedback: list[rtcp.Packet] = []
        self.silent = False
        """Whether it sends reports only, no media."""
        self.server: sdp.Description | None = None
        self.connection_id: str | None = None
        self._ws = ws
        self._rewrite = rewrite
        self._setup = setup
        self._tracks: dict[str, sdp.SentTrack] = {}
        self._version = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def publish(self, *sources: str) -> None:
        """Offer these sources in addition to the present ones, connect if need be, and start sending."""
        for source in sources:
            kind = "audio" if source in ("microphone", "screen_audio") else "video"
            mid = str(len(self._tracks))
            rtx_ssrc = random.randrange(1, 1 << 32) if kind == "video" else None
            self._tracks[source] = sdp.SentTrack(mid, kind, random.randrange(1, 1 << 32), rtx_ssrc)
        await self._negotiate()
        for source in sources:
            self._start(source)

    async def unpublish(self, source: str) -> None:
        """End a source by renegotiation."""
        self._tasks.pop(source).cancel()
        del self.streams[source]
        self._tracks[source].active = False
        await self._negotiate()

    async def _negotiate(self) -> None:
        self._version += 1
        tracks = list(self._tracks.values())
        reply = await self._ws.request(
            "publish_offer",
            connection_id=self.connection_id,
            sdp=sdp.publish_offer(self.transport.local, tracks, self._version, self._setup),
            sources={track.mid: source for source, track in self._tracks.items() if track.active},
        )
        self.connection_id = reply["connection_id"]
        self.server = sdp.parse(reply["sdp"])
        if not self.transport.started:
            role = "server" if self.server.first("setup") == "active" else "client"
            address = self._rewrite(_usable(self.server))
            await self.transport.connect(self.server.credentials, address, role)

    def _start(self, source: str) -> None:
        track = self._tracks[source]
        stream = Vp8Stream(self._link, track, self.film) if track.kind == "video" else OpusStream(self._link, track)
        self.streams[source] = stream
        self._tasks[source] = asyncio.create_task(self._pace(stream))

    async def _pace(self, stream: Stream) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        next_report = due
        while True:
            if not self.silent:
                stream.send_next()
            if due >= next_report:
                self.transport.send_rtcp(stream.sender_report())
                next_report = due + REPORT_INTERVAL_S
            due += stream.interval_s
            await asyncio.sleep(due - loop.time())

    def _feedback(self, data: bytes) -> None:
        for packet in rtcp.parse(data):
            self.feedback.append(packet)
            media_ssrc = getattr(packet, "media_ssrc", None)
            for stream in self.streams.values():
                if stream.ssrc == media_ssrc:
                    stream.handle_feedback(packet)

    async def close(self, *, silently: bool = False) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.transport.close(silently=silently)


class Receiver:
    """The receive connection."""

    def __init__(self, connection_id: str, srtp_profiles: Any) -> None:
        self.connection_id = connection_id
        self.transport = RawTransport(srtp_profiles)
        self.transport.on_rtp = self._rtp
        self.transport.on_rtcp = self._rtcp
        self.streams: dict[int, ReceivedStream] = {}
        """By SSRC, RTX streams as well."""
        self.tracks: dict[str, Message] = {}
        """The offer's tracks by producer id."""
        self.stray: dict[int, int] = {}
        """Packets of SSRCs that no offer named."""
        self.goodbyes: set[int] = set()
        self.auto_nack = True
        self.own_ssrc = random.randrange(1, 1 << 32)
        self._by_mid: dict[str, ReceivedStream] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def apply(self, offer: sdp.Description, tracks: list[Message]) -> None:
        """Learn the streams of an offer. Those that were there before go on counting."""
        self.tracks = {track["producer_id"]: track for track in tracks}
        for section in offer.sections:
            ssrcs = section.ssrcs
            if section.direction != "sendonly" or not ssrcs or ssrcs[0] in self.streams:
                continue
            rtx_ssrc = ssrcs[1] if len(ssrcs) > 1 else None
            stream = ReceivedStream(ssrcs[0], rtx_ssrc, section.codec_names, section.extension_ids)
            self.streams[ssrcs[0]] = self._by_mid[section.mid] = stream
            if rtx_ssrc is not None:
                self.streams[rtx_ssrc] = stream

    def stream(self, participant_id: str, source: str) -> ReceivedStream | None:
        for track in self.tracks.values():
            if track["participant_id"] == participant_id and track["source"] == source:
                return self._by_mid.get(track["mid"])
        return None

    async def connect(self, offer: sdp.Description, address: tuple[str, int]) -> None:
        await self.transport.connect(offer.credentials, address, "client")
        self._tasks = [asyncio.create_task(self._report()), asyncio.create_task(self._keep_nacking())]

    def send_pli(self, stream: ReceivedStream) -> None:
        self.transport.send_rtcp(self._report_of([stream]) + rtcp.pli(self.own_ssrc, stream.ssrc))

    def send_nack(self, stream: ReceivedStream, seqs: list[int], *, times: int = 1) -> None:
        compound = self._report_of([stream]) + rtcp.nack(self.own_ssrc, stream.ssrc, seqs)
        for _ in range(times):
            self.transport.send_rtcp(compound)

    def _rtp(self, packet: bytes) -> None:
        ssrc = int.from_bytes(packet[8:12], "big")
        stream = self.streams.get(ssrc)
        if stream is None:
            self.stray[ssrc] = self.stray.get(ssrc, 0) + 1
        else:
            stream.receive(packet, time.monotonic())

    def _rtcp(self, data: bytes) -> None:
        for packet in rtcp.parse(data):
            if isinstance(packet, rtcp.SenderReport) and packet.ssrc in self.streams:
                self.streams[packet.ssrc].reports.append(packet)
            elif isinstance(packet, rtcp.Goodbye):
                self.goodbyes.update(packet.ssrcs)

    def _report_of(self, streams: list[ReceivedStream]) -> bytes:
        blocks = [
            rtcp.ReportBlock(stream.ssrc, 0, min(stream.lost, 0x7FFFFF), stream.highest_seq, 0, 0, 0)
            for stream in streams
            if stream.received
        ]
        return rtcp.receiver_report(self.own_ssrc, blocks)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            self.transport.send_rtcp(self._report_of(list(self._by_mid.values())))

    async def _keep_nacking(self) -> None:
        while True:
            await asyncio.sleep(NACK_INTERVAL_S)
            if not self.auto_nack:
                continue
            for stream in self._by_mid.values():
                seqs = stream.due_nacks(time.monotonic())
                if seqs and stream.rtx_ssrc is not None:
                    self.send_nack(stream, seqs[:100])

    async def close(self, *, silently: bool = False) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.transport.close(silently=silently)


class RawPeer:
    """One participant with its socket and both connections. Made by `join`."""

    def __init__(self, rewrite: AddressRewrite, srtp_profiles: Any, setup: str) -> None:
        self.ws: WsClient
        self.publisher: Publisher | None = None
        self.receiver: Receiver | None = None
        self.resets = 0
        self.failures: list[Exception] = []
        """Of answering the server's offers."""
        self._rewrite = rewrite
        self._srtp_profiles = srtp_profiles
        self._setup = setup
        self._offers: asyncio.Queue[Message] = asyncio.Queue()
        self._answering: asyncio.Task[None] | None = None

    @classmethod
    async def join(
        cls,
        user: User,
        session_id: str,
        *,
        rewrite: AddressRewrite = _same_address,
        srtp_profiles: Any = None,
        setup: str = "actpass",
        receives: bool = True,
    ) -> Self:
        """`rewrite` maps the server's media address to where datagrams are sent; `setup` is what publishing offers.

        Without `receives` no offer of the server is answered.
        """
        peer = cls(rewrite, srtp_profiles, setup)
        peer.ws = await WsClient.open(user, session_id, on_event=peer._on_event if receives else None)
        peer._answering = asyncio.create_task(peer._answer_offers())
        return peer

    @property
    def id(self) -> str:
        return self.ws.participant_id

    async def publish(self, *sources: str, film: Clip | None = None) -> Publisher:
        if self.publisher is None:
            self.publisher = Publisher(self.ws, self._rewrite, self._srtp_profiles, self._setup)
            self.publisher.film = film
        await self.publisher.publish(*(sources or ("camera", "microphone")))
        return self.publisher

    async def republish(self, *sources: str) -> Publisher:
        """Give the publish connection up and make a new one."""
        if self.publisher is not None:
            await self.publisher.close()
            self.publisher = None
        return await self.publish(*sources)

    async def receiving(
        self, participant_id: str, source: str, *, packets: int = 10, timeout: float = 30
    ) -> ReceivedStream:
        """The stream of somebody's source, once that many packets have arrived."""

        def flowing() -> ReceivedStream | None:
            stream = self.receiver.stream(participant_id, source) if self.receiver else None
            return stream if stream is not None and stream.received >= packets else None

        try:
            stream: ReceivedStream = await until(
                flowing, f"{source} of {participant_id} arrives at {self.id}", timeout=timeout
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; {self._condition()}") from None
        return stream

    def _condition(self) -> str:
        """For the message of a failure."""
        if self.receiver is None:
            return f"no receive connection, failures {self.failures}"
        transport = self.receiver.transport
        return f"DTLS {transport.dtls.state}, {dict(transport.counts)}, failures {self.failures}"

    def received(self, participant_id: str, source: str) -> int:
        """Packets so far, 0 when there is no such stream."""
        stream = self.receiver.stream(participant_id, source) if self.receiver else None
        return stream.received if stream is not None else 0

    async def close(self, *, silently: bool = False) -> None:
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.gather(self._answering, return_exceptions=True)
        for connection in (self.publisher, self.receiver):
            if connection is not None:
                await connection.close(silently=silently)
        if silently:
            await self.ws.drop()
        else:
            await self.ws.close()

    def _on_event(self, event: Message) -> None:
        if event["type"] == "receive_offer":
            self._offers.put_nowait(event)
        elif event["type"] == "media_reset":
            self.resets += 1

    async def _answer_offers(self) -> None:
        while True:
            offer = await self._offers.get()
            # The connection may be gone again by the time its offer is answered: that is the test's to judge.
            try:
                await self._answer(offer)
            except Exception as error:
                self.failures.append(error)

    async def _answer(self, message: Message) -> None:
        offer = sdp.parse(message["sdp"])
        if self.receiver is None or self.receiver.connection_id != message["connection_id"]:
            if self.receiver is not None:
                await self.receiver.close(silently=True)
            self.receiver = Receiver(message["connection_id"], self._srtp_profiles)
        receiver = self.receiver
        receiver.apply(offer, message["tracks"])
        await self.ws.request(
            "receive_answer",
            connection_id=message["connection_id"],
            offer_id=message["offer_id"],
            sdp=sdp.receive_answer(receiver.transport.local, offer),
        )
        if not receiver.transport.started:
            await receiver.connect(offer, self._rewrite(_usable(offer)))
