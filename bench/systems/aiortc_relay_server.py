"""An SFU as aiortc's examples make one: what a publisher sends is decoded, and encoded anew for each viewer.

Every participant has a WebSocket at /rooms/{room}, one `RTCPeerConnection` that brings what it publishes and another
that takes it the tracks of the others. Messages: `{"type": "offer" | "answer", "sdp": ...}`, where the side that sends
the media makes the offer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable
from typing import Final

import aioice.ice
from aiohttp import WSMsgType, web
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaBlackhole, MediaRelay

HOST: Final = "127.0.0.1"
_CONFIGURATION: Final = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)


class Participant:
    """One WebSocket and its two connections."""

    def __init__(self, room: Room, socket: web.WebSocketResponse) -> None:
        self.published: list[MediaStreamTrack] = []
        self._room = room
        self._socket = socket
        self._sending = RTCPeerConnection(_CONFIGURATION)
        self._receiving = RTCPeerConnection(_CONFIGURATION)
        self._blackhole = MediaBlackhole()
        self._sent: set[MediaStreamTrack] = set()
        self._changed = asyncio.Event()
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._offering = asyncio.create_task(self._offer_tracks())

    async def run(self) -> None:
        """Until the WebSocket ends."""
        self.tracks_changed()
        async for frame in self._socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            message = json.loads(frame.data)
            if message["type"] == "offer":
                await self._publish(message["sdp"])
            else:
                self._answers.put_nowait(message["sdp"])

    def tracks_changed(self) -> None:
        """Somebody in the room has published."""
        self._changed.set()

    async def close(self) -> None:
        self._offering.cancel()
        await self._blackhole.stop()
        await asyncio.gather(self._sending.close(), self._receiving.close())

    async def _publish(self, sdp: str) -> None:
        self._sending.on("track", self._published)
        await self._sending.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._sending.setLocalDescription(await self._sending.createAnswer())
        # aiortc keeps every decoded picture until somebody takes it: without this one the first viewer would begin
        # with all that was published before.
        await self._blackhole.start()
        await self._send(self._sending)
        self._room.tracks_changed(besides=self)

    def _published(self, track: MediaStreamTrack) -> None:
        self.published.append(track)
        self._blackhole.addTrack(self._room.relay.subscribe(track))

    async def _offer_tracks(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            new = [track for track in self._room.tracks(besides=self) if track not in self._sent]
            if not new:
                continue
            for track in new:
                self._sent.add(track)
                self._receiving.addTransceiver(self._room.relay.subscribe(track), direction="sendonly")
            await self._receiving.setLocalDescription(await self._receiving.createOffer())
            await self._send(self._receiving)
            answer = RTCSessionDescription(await self._answers.get(), "answer")
            await self._receiving.setRemoteDescription(answer)

    async def _send(self, connection: RTCPeerConnection) -> None:
        description = connection.localDescription
        await self._socket.send_str(json.dumps({"type": description.type, "sdp": description.sdp}))


class Room:
    def __init__(self) -> None:
        self.relay = MediaRelay()
        self._participants: list[Participant] = []

    def add(self, participant: Participant) -> None:
        self._participants.append(participant)

    def remove(self, participant: Participant) -> None:
        self._participants.remove(participant)

    def tracks(self, besides: Participant) -> Iterable[MediaStreamTrack]:
        return (track for each in self._participants if each is not besides for track in each.published)

    def tracks_changed(self, besides: Participant) -> None:
        for participant in self._participants:
            if participant is not besides:
                participant.tracks_changed()


class Server:
    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        room = self._rooms.setdefault(request.match_info["room"], Room())
        participant = Participant(room, socket)
        room.add(participant)
        try:
            await participant.run()
        finally:
            room.remove(participant)
            await participant.close()
        return socket


def _loopback_only(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return [HOST]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    # aioice leaves loopback out, which is where all systems are measured.
    aioice.ice.get_host_addresses = _loopback_only
    application = web.Application()
    application.router.add_get("/rooms/{room}", Server().serve)
    web.run_app(application, host=HOST, port=arguments.port, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
