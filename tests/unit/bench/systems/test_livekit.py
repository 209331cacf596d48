"""LiveKit's signaling against a server of the test's own that speaks the messages of `livekit-protocol`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from bench.systems import livekit
from bench.systems.base import ReceiveOffer

rtc: Any = pytest.importorskip("livekit.protocol.rtc", reason="livekit-protocol is not installed")
models: Any = pytest.importorskip("livekit.protocol.models")

CANDIDATE = "candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host"
PUBLISH_OFFER = "v=0\r\nm=video 9 RTP 96\r\na=mid:0\r\nm=audio 9 RTP 111\r\na=mid:1\r\n"


class Handler:
    """A participant that accepts everything."""

    def __init__(self) -> None:
        self.offers: list[ReceiveOffer] = []
        self.connected = asyncio.Event()

    def answer(self, offer: ReceiveOffer) -> str:
        self.offers.append(offer)
        return "the answer"

    def lost(self) -> None:
        """Leaving ends the participation as well."""

    async def answered(self, offer: ReceiveOffer) -> None:
        self.connected.set()


class FakeServer:
    """Answers what is published, and offers it back; candidates come after the descriptions."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Any] = []
        self.tokens: list[str] = []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.tokens.append(request.query["access_token"])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self._send(socket, join=rtc.JoinResponse(server_version="1.0", ping_interval=5))
        async for frame in socket:
            assert frame.type is WSMsgType.BINARY
            message = rtc.SignalRequest.FromString(frame.data)
            self.requests.append(message)
            match message.WhichOneof("message"):
                case "add_track":
                    await self._send(socket, track_published=rtc.TrackPublishedResponse(cid=message.add_track.cid))
                case "offer":
                    await self._send(socket, answer=rtc.SessionDescription(type="answer", sdp="v=0\r\n"))
                    await self._trickle(socket, rtc.SignalTarget.PUBLISHER)
                    await self._send(socket, offer=rtc.SessionDescription(type="offer", sdp="v=0\r\n", id=7))
                    await self._trickle(socket, rtc.SignalTarget.SUBSCRIBER)
        return socket

    def request(self, member: str) -> list[Any]:
        return [getattr(each, member) for each in self.requests if each.WhichOneof("message") == member]

    async def _trickle(self, socket: web.WebSocketResponse, target: Any) -> None:
        for candidate in ("candidate:2 1 tcp 1 127.0.0.1 7881 typ host", CANDIDATE):
            trickle = rtc.TrickleRequest(target=target, candidateInit=json.dumps({"candidate": candidate}))
            await self._send(socket, trickle=trickle)

    async def _send(self, socket: web.WebSocketResponse, **member: Any) -> None:
        await socket.send_bytes(rtc.SignalResponse(**member).SerializeToString())


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    application = web.Application()
    application.router.add_get("/rtc", fake.serve)
    async with TestServer(application) as server:
        fake.url = str(server.make_url(""))
        yield fake


async def test_tracks_are_announced_and_found_again_in_the_offer(fake: FakeServer) -> None:
    signaling = livekit.LiveKitSignaling(fake.url)
    handler = Handler()
    _, link = await signaling.open_room(handler, 2)
    answer = await link.publish(PUBLISH_OFFER, {"0": "camera", "1": "microphone"})
    assert answer.endswith(f"a={CANDIDATE}\r\n")
    camera, microphone = fake.request("add_track")
    assert (camera.type, camera.source) == (models.TrackType.VIDEO, models.TrackSource.CAMERA)
    assert (microphone.type, microphone.source) == (models.TrackType.AUDIO, models.TrackSource.MICROPHONE)
    (offer,) = fake.request("offer")
    assert f"a=mid:0\r\na=msid:load {camera.cid}\r\n" in offer.sdp
    assert f"a=mid:1\r\na=msid:load {microphone.cid}\r\n" in offer.sdp
    await link.leave()
    await signaling.close()
    assert len(fake.request("leave")) == 1


async def test_an_offer_waits_for_its_candidate_and_its_answer_carries_its_number(fake: FakeServer) -> None:
    signaling = livekit.LiveKitSignaling(fake.url)
    handler = Handler()
    _, link = await signaling.open_room(handler, 2)
    await link.publish(PUBLISH_OFFER, {"0": "camera"})
    await asyncio.wait_for(handler.connected.wait(), 10)
    await link.leave()
    await signaling.close()
    assert [offer.sdp for offer in handler.offers] == [f"v=0\r\na={CANDIDATE}\r\n"]
    (answer,) = fake.request("answer")
    assert (answer.type, answer.sdp, answer.id) == ("answer", "the answer", 7)


async def test_viewers_may_not_publish(fake: FakeServer) -> None:
    signaling = livekit.LiveKitSignaling(fake.url)
    link = await signaling.join("a room", Handler(), publishes=False)
    await link.leave()
    await signaling.close()
    grant = jwt.decode(fake.tokens[0], options={"verify_signature": False})["video"]
    assert grant == {"roomJoin": True, "room": "a room", "canPublish": False, "canSubscribe": True}
