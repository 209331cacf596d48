"""A participant on aiortc's own RTCPeerConnection: it encodes, decodes and negotiates as a third party does."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import time
from dataclasses import dataclass, field
from typing import Any, Self

import aioice.ice
import av
import numpy as np
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from . import clips
from .api import User
from .lossy import LossyRelay
from .waiting import until
from .ws import Message, ProtocolError, SocketClosed, WsClient

WIDTH, HEIGHT = 640, 360
FPS = 15
RETRY_S = 0.5
CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
SAMPLES_PER_FRAME = round(clips.AUDIO_CLOCK_HZ * clips.AUDIO_PACKET_S)

# aioice leaves loopback out and opens a socket for each of the machine's other addresses, of which a test machine may
# have none, or one that leads nowhere.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class MovingPicture(VideoStreamTrack):
    """Bright bands that move with every frame. Like a camera, it leaves out the frames that it is too late for."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[float] = []
        """Monotonic seconds of each frame."""
        self._index = 0
        self._started: float | None = None

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        if self._started is None:
            self._started = loop.time()
        await asyncio.sleep(self._started + self._index / FPS - loop.time())
        self._index = max(self._index, int((loop.time() - self._started) * FPS))
        self.taken.append(time.monotonic())
        frame = av.VideoFrame.from_ndarray(clips.picture(self._index, WIDTH, HEIGHT), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = self._index * clips.VIDEO_CLOCK_HZ // FPS
        frame.time_base = fractions.Fraction(1, clips.VIDEO_CLOCK_HZ)
        self._index += 1
        return frame


class Tone(AudioStreamTrack):
    """A sine tone."""

    def __init__(self) -> None:
        super().__init__()
        self._position = 0
        self._started: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        if self._started is None:
            self._started = loop.time()
        await asyncio.sleep(self._started + self._position / clips.AUDIO_CLOCK_HZ - loop.time())
        samples = clips.sine(self._position, SAMPLES_PER_FRAME)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = clips.AUDIO_CLOCK_HZ
        frame.pts = self._position
        frame.time_base = fractions.Fraction(1, clips.AUDIO_CLOCK_HZ)
        self._position += SAMPLES_PER_FRAME
        return frame


@dataclass
class VideoSink:
    """What was decoded of one video source."""

    frames: int = 0
    size: tuple[int, int] = (0, 0)
    mean: float = 0.0
    """Of the last frame's luma, 16-235."""
    variance: float = 0.0
    change: float = 0.0
    """Mean absolute difference between the last two frames' luma."""
    arrivals: list[float] = field(default_factory=list)
    """Monotonic seconds of each decoded frame."""
    _last: NDArray[np.uint8] | None = None

    def add(self, frame: av.VideoFrame) -> None:
        luma = frame.to_ndarray(format="gray").astype(np.uint8, copy=False)
        self.frames += 1
        self.arrivals.append(time.monotonic())
        self.size = (frame.width, frame.height)
        self.mean = float(luma.mean())
        self.variance = float(luma.var())
        if self._last is not None and self._last.shape == luma.shape:
            self.change = float(np.abs(luma.astype(np.int16) - self._last).mean())
        self._last = luma

    @property
    def pictured(self) -> bool:
        """Not black, not a plain area, and moving."""
        return self.mean > 40 and self.variance > 20 and self.change > 0.5


@dataclass
class AudioSink:
    """What was decoded of one audio source."""

    frames: int = 0
    rms: float = 0.0
    """Of the last half second, in 16-bit units."""
    _recent: list[NDArray[np.int16]] = field(default_factory=list)

    def add(self, frame: av.AudioFrame) -> None:
        channels = len(frame.layout.channels)
        samples = frame.to_ndarray().reshape(-1)[::channels].astype(np.int16)
        self.frames += 1
        self._recent = [*self._recent[-24:], samples]
        joined = np.concatenate(self._recent).astype(np.float64)
        self.rms = float(np.sqrt(np.mean(joined**2)))

    @property
    def frequency_hz(self) -> float:
        """Of the loudest tone in the last half second."""
        joined = np.concatenate(self._recent).astype(np.float64)
        spectrum = np.abs(np.fft.rfft(joined * np.hanning(len(joined))))
        return float(np.argmax(spectrum) * clips.AUDIO_CLOCK_HZ / len(joined))


Sink = VideoSink | AudioSink


class AiortcPeer:
    """One participant. Made by `join`; it answers offers, reconnects media after `media_reset` and republishes."""

    def __init__(self, user: User, session_id: str, relay: LossyRelay | None) -> None:
        self.ws: WsClient
        self.user = user
        self.session_id = session_id
        self.sinks: dict[tuple[str, str], Sink] = {}
        """By participant id and source; those of a new connection take the place of the old."""
        self.publisher: RTCPeerConnection | None = None
        self.receiver: RTCPeerConnection | None = None
        self.camera: MovingPicture | None = None
        """What is published now, or was last."""
        self.codec: str | None = None
        self.resets = 0
        self._relay = relay
        self._connection_id: str | None = None
        self._followed: dict[str, tuple[str, str]] = {}
        """Whose source a media track carries, by the track's id: a media section may be used again for another."""
        self._offers: asyncio.Queue[Message] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._discarding: list[asyncio.Task[None]] = []

    @classmethod
    async def join(cls, user: User, session_id: str, *, relay: LossyRelay | None = None) -> Self:
        peer = cls(user, session_id, relay)
        peer.ws = await WsClient.open(user, session_id, on_event=peer._on_event)
        peer._tasks.append(asyncio.create_task(peer._answer_offers()))
        return peer

    @property
    def id(self) -> str:
        return self.ws.participant_id

    async def publish(self, codec: str = "VP8") -> None:
        """Camera and microphone; `codec` is `VP8` or `H264`."""
        self.codec = codec
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.publisher = connection
        self.camera = MovingPicture()
        video = connection.addTransceiver(self.camera, direction="sendonly")
        capabilities = RTCRtpSender.getCapabilities("video").codecs
        names = (f"video/{codec}".lower(), "video/rtx")
        video.setCodecPreferences([entry for entry in capabilities if entry.mimeType.lower() in names])
        audio = connection.addTransceiver(Tone(), direction="sendonly")
        await connection.setLocalDescription(await connection.createOffer())
        reply = await self.ws.request(
            "publish_offer",
            connection_id=None,
            sdp=connection.localDescription.sdp,
            sources={video.mid: "camera", audio.mid: "microphone"},
        )
        await connection.setRemoteDescription(RTCSessionDescription(self._through_relay(reply["sdp"]), "answer"))
        await until(
            lambda: connection.connectionState == "connected", "aiortc's connection stands", timeout=CONNECT_TIMEOUT_S
        )

    def unpublish(self) -> None:
        if self.publisher is not None:
            self._discard(self.publisher)
            self.publisher = None

    def video(self, participant_id: str) -> VideoSink:
        sink = self.sinks.get((participant_id, "camera"), VideoSink())
        assert isinstance(sink, VideoSink)
        return sink

    def audio(self, participant_id: str) -> AudioSink:
        sink = self.sinks.get((participant_id, "microphone"), AudioSink())
        assert isinstance(sink, AudioSink)
        return sink

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        # Bounded, for a cancellation may be lost inside of `asyncio.wait_for` before Python 3.12.
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
        for connection in (self.publisher, self.receiver):
            if connection is not None:
                self._discard(connection)
        await asyncio.gather(*self._discarding)
        await self.ws.close()

    def _discard(self, connection: RTCPeerConnection) -> None:
        """Close in the background: where the other end was killed, aiortc may wait for ever for its own tasks."""

        async def close() -> None:
            # Not `wait_for`, which would wait for the end of what it has cancelled.
            await asyncio.wait([asyncio.create_task(connection.close())], timeout=CLOSE_TIMEOUT_S)

        self._discarding.append(asyncio.create_task(close()))

    def _on_event(self, event: Message) -> None:
        if event["type"] == "receive_offer":
            self._offers.put_nowait(event)
        elif event["type"] == "media_reset":
            self.resets += 1
            self._tasks.append(asyncio.create_task(self._republish()))

    async def _answer_offers(self) -> None:
        while True:
            offer = await self._offers.get()
            # What came of it is for the test's assertions to see; the socket may have closed meanwhile.
            with contextlib.suppress(SocketClosed, TimeoutError):
                await self._answer(offer)

    async def _republish(self) -> None:
        while self.publisher is not None and self.codec is not None:
            self.unpublish()
            try:
                await self.publish(self.codec)
                return
            except (ProtocolError, AssertionError):
                # The new worker may be gone as well: clients try again.
                await asyncio.sleep(RETRY_S)

    async def _answer(self, offer: Message) -> None:
        if self.receiver is None or self._connection_id != offer["connection_id"]:
            if self.receiver is not None:
                self._discard(self.receiver)
            self.receiver = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            self._connection_id = offer["connection_id"]
            self.sinks, self._followed = {}, {}
        connection = self.receiver
        await connection.setRemoteDescription(RTCSessionDescription(self._through_relay(offer["sdp"]), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        self._attach_sinks(connection, offer["tracks"])
        await self.ws.request(
            "receive_answer",
            connection_id=offer["connection_id"],
            offer_id=offer["offer_id"],
            sdp=connection.localDescription.sdp,
        )

    def _attach_sinks(self, connection: RTCPeerConnection, tracks: list[dict[str, Any]]) -> None:
        by_mid = {transceiver.mid: transceiver for transceiver in connection.getTransceivers()}
        for track in tracks:
            key = (track["participant_id"], track["source"])
            media = by_mid[track["mid"]].receiver.track
            if media is None or self._followed.get(media.id) == key:
                continue
            self._followed[media.id] = key
            sink: Sink = VideoSink() if track["kind"] == "video" else AudioSink()
            self.sinks[key] = sink
            self._tasks.append(asyncio.create_task(self._consume(media, key, sink)))

    async def _consume(self, media: MediaStreamTrack, key: tuple[str, str], sink: Sink) -> None:
        with contextlib.suppress(MediaStreamError):
            while self._followed.get(media.id) == key:
                sink.add(await media.recv())  # type: ignore[arg-type]

    def _through_relay(self, description: str) -> str:
        return self._relay.rewrite_sdp(description) if self._relay is not None else description
