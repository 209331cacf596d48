"""One participant of the load: signaling, a publish connection, a receive connection."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sfu.net.dtls import DtlsRole

from . import sdp
from .connection import ReceiveConnection
from .hub import Hub
from .sender import SentStream, TransportCounter
from .systems.base import Link, ReceiveOffer, Signaling
from .transport import ClientTransport

Expectation = Literal["media", "connection", "nothing"]
"""When somebody has joined: at the first whole picture (or sound, where there is no video), when the receive connection
is there, or as soon as the server has said welcome."""

JOIN_TIMEOUT_S: Final = 30.0
SOURCES: Final = {"camera": "video", "microphone": "audio"}


@dataclass(frozen=True, slots=True)
class Media:
    """What somebody publishes; nothing where there are no sources."""

    sources: Sequence[str] = ()
    bitrate_bps: int = 0
    """Of the camera."""


def best_address(candidates: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """Loopback first, since only there one socket carries everybody; then IPv4. `ValueError` where there is none."""
    if not candidates:
        raise ValueError("the description has no candidate")
    return min(candidates, key=lambda address: (not address[0].startswith("127."), ":" in address[0]))


class Participant:
    """Made by `host` or `join`."""

    def __init__(self, hub: Hub) -> None:
        self.joined_s: float | None = None
        """From opening the WebSocket to what was expected."""
        self._hub = hub
        self._link: Link | None = None
        self._sending: ClientTransport | None = None
        self._receiving: ReceiveConnection | None = None
        self._receiving_id = ""
        self._media = asyncio.Event()
        self._connected = asyncio.Event()
        self._failure: Exception | None = None
        self._lost = False

    async def host(self, signaling: Signaling, capacity: int, media: Media) -> str:
        """Open a room, publish into it, and return its id. Raises `SignalingError`, ConnectionError, TimeoutError."""
        room, self._link = await signaling.open_room(self, capacity)
        await self._publish(media)
        return room

    async def join(self, signaling: Signaling, room: str, media: Media, expect: Expectation) -> None:
        """Join, publish, and wait for what is expected. Raises `SignalingError`, ConnectionError or TimeoutError."""
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            self._link = await signaling.join(room, self, publishes=bool(media.sources))
            await self._publish(media)
            done_ns = time.monotonic_ns()
            if expect != "nothing":
                await (self._media if expect == "media" else self._connected).wait()
                if self._failure is not None:
                    raise self._failure
                done_ns = time.monotonic_ns()
            if expect == "media" and self._receiving is not None and self._receiving.first_media_ns is not None:
                done_ns = self._receiving.first_media_ns
        self.joined_s = (done_ns - self._link.opened_ns) / 1e9

    @property
    def gone(self) -> bool:
        """Whether the server ended it, or one of its connections."""
        receiving = self._receiving.transport if self._receiving is not None else None
        ended = [transport for transport in (self._sending, receiving) if transport is not None and transport.lost]
        return self._lost or bool(ended)

    def lost(self) -> None:
        self._lost = True

    def stop_sending(self) -> None:
        """Stay connected in silence."""
        if self._sending is not None:
            self._hub.stop_streams(self._sending)

    async def leave(self) -> None:
        """Does not raise."""
        self.stop_sending()
        if self._link is not None:
            await self._link.leave()
        for transport in (self._sending, self._receiving.transport if self._receiving is not None else None):
            if transport is not None:
                self._hub.close_transport(transport)
        self._sending = self._receiving = None

    def answer(self, offer: ReceiveOffer) -> str:
        description = sdp.parse(offer.sdp)
        if self._receiving is None or self._receiving_id != offer.connection:
            if self._receiving is not None:
                self._hub.close_transport(self._receiving.transport)
            transport = self._hub.new_transport()
            self._receiving, self._receiving_id = self._hub.new_receive_connection(transport), offer.connection
            self._receiving.on_media = self._media.set
            self._hub.attach(transport, best_address(description.candidates))
            self._remote = description
        for section in description.sections:
            self._hub.learn_transport_cc(section.transport_cc_id)
        self._receiving.apply(description)
        return sdp.receive_answer(self._receiving.transport.local, description)

    async def answered(self, offer: ReceiveOffer) -> None:
        connection = self._receiving
        if connection is None or connection.transport.connected:
            return
        try:
            await connection.transport.connect(self._remote.credentials, "client")
        except (ConnectionError, TimeoutError) as error:
            self._failure = ConnectionError(f"the receive connection failed: {error or type(error).__name__}")
            self._media.set()
        self._connected.set()

    async def _publish(self, media: Media) -> None:
        if not media.sources or self._link is None:
            return
        transport = self._sending = self._hub.new_transport()
        tracks = [_track(str(index), source) for index, source in enumerate(media.sources)]
        answer = sdp.parse(await self._link.publish(sdp.publish_offer(transport.local, tracks), sdp.sources(tracks)))
        self._hub.attach(transport, best_address(answer.candidates))
        role: DtlsRole = "server" if answer.setup == "active" else "client"
        await transport.connect(answer.credentials, role)
        now = asyncio.get_running_loop().time()
        counter = TransportCounter()
        streams = [SentStream(transport, counter, track, media.bitrate_bps, now) for track in tracks]
        self._hub.send_streams(transport, streams)


def _track(mid: str, source: str) -> sdp.SentTrack:
    kind = SOURCES[source]
    rtx_ssrc = random.randrange(1, 1 << 32) if kind == "video" else None
    return sdp.SentTrack(mid, kind, source, random.randrange(1, 1 << 32), rtx_ssrc)
