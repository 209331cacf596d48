"""What goes straight to a transport, instead of through aiohttp's writer."""

from __future__ import annotations

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from control_api.http.websocket import MAX_UNSENT_BYTES, AiohttpSocket, _text_header
from signaling.connection import Control


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, "8100"),
        (125, "817d"),
        (126, "817e007e"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
    ],
)
def test_headers_of_rfc_6455(length: int, header: str) -> None:
    assert _text_header(length).hex() == header


@pytest.mark.parametrize("length", [0, 1, 125, 126, 200, 65535, 65536, 300_000])
async def test_both_ways_of_sending_arrive_in_order(length: int) -> None:
    text = "é" * (length // 2) + "x" * (length % 2)

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        socket = AiohttpSocket(request, response)
        assert socket.send_now(text.encode())
        await socket.send(b"then")
        assert socket.send_now(b"last") or length > MAX_UNSENT_BYTES
        await socket.close(4410, "session_ended")
        assert socket.send_now(b"after the close")
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client, client.ws_connect("/", max_msg_size=1 << 20) as socket:
        received = [frame.data async for frame in socket if frame.type is WSMsgType.TEXT]
        assert received[:2] == [text, "then"]
        assert received[2:] in (["last"], [])
        assert socket.close_code == 4410


async def test_a_peer_that_reads_nothing_is_not_written_to_without_end() -> None:
    class Transport:
        unsent = 0

        def is_closing(self) -> bool:
            return False

        def get_write_buffer_size(self) -> int:
            return self.unsent

        def write(self, data: bytes) -> None:
            self.unsent += len(data)

    class Request:
        transport = Transport()

    class Response:
        closed = False

    socket = AiohttpSocket(Request(), Response())  # type: ignore[arg-type]
    frames = 0
    while socket.send_now(b"x" * 1000):
        frames += 1
    assert frames == MAX_UNSENT_BYTES // 1004 + 1
    Request.transport = None  # type: ignore[assignment]
    assert socket.send_now(b"dropped with the socket")


async def test_pings_are_answered_and_told_and_broken_frames_are_this_sides_close() -> None:
    heard: list[object] = []
    refused: list[int | None] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(autoping=False, max_msg_size=1000)
        await response.prepare(request)
        socket = AiohttpSocket(request, response)
        while (frame := await socket.receive()) is not None:
            heard.append(frame)
        refused.append(socket.refused_with)
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client:
        async with client.ws_connect("/", autoping=False) as socket:
            await socket.ping(b"there?")
            answer = await socket.receive()
            assert (answer.type, answer.data) == (WSMsgType.PONG, b"there?")
            await socket.pong()
            await socket.send_str("a message")
            await socket.send_str("x" * 2000)
            assert (await socket.receive()).type is WSMsgType.CLOSE
            assert socket.close_code == 1009
        async with client.ws_connect("/") as socket:
            await socket.close(code=1000)
    assert heard == [Control.FRAME, Control.FRAME, "a message"]
    assert refused == [1009, None]
