"""`GET /ws/live/{session_id}`: aiohttp's WebSocket as a `signaling.connection.Socket`."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from aiohttp import WSMsgType, hdrs, web

from signaling.connection import Connection, ConnectionLimits
from signaling.errors import LiveError
from signaling.ports import Identity
from signaling.protocol import MAX_FRAME_BYTES, SUBPROTOCOL, CloseCode

from .auth import AuthError
from .errors import as_live_error
from .origins import Origins
from .route_table import AUTHENTICATOR, SERVICE

HEARTBEAT_S: Final = 20.0
"""Silence after which the peer is pinged; it has half of that to answer."""
CLOSE_HANDSHAKE_S: Final = 2.0

WS_PATH: Final = "/ws/live/{session_id}"
ORIGINS: Final = web.AppKey("origins", Origins)
LIMITS: Final = web.AppKey("limits", ConnectionLimits)


class Connections(set[Connection]):
    """The open sockets, said hello or not."""

    stopping = False

    def stop(self) -> None:
        """Close them all with 1001, and take no more."""
        self.stopping = True
        for connection in self:
            connection.close(CloseCode.SERVER_STOPPING, "server_stopping")


CONNECTIONS: Final = web.AppKey("connections", Connections)


class AiohttpSocket:
    """Implements `signaling.connection.Socket`."""

    def __init__(self, request: web.Request, response: web.WebSocketResponse) -> None:
        self._request = request
        self._response = response

    async def receive(self) -> str | bytes | None:
        message = await self._response.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        return None

    async def send(self, frame: bytes) -> None:
        # Not `send_str`: the frame is encoded once for everybody who gets it.
        await self._response.send_frame(frame, WSMsgType.TEXT)

    async def close(self, code: int, reason: str) -> None:
        await self._response.close(code=code, message=reason.encode())

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


async def live_socket(request: web.Request) -> web.StreamResponse:
    connections = request.app[CONNECTIONS]
    if connections.stopping:
        raise LiveError("media_unavailable", "The server is stopping.")
    if not request.app[ORIGINS].may_connect(request):
        raise LiveError("forbidden", "Pages of that origin may not connect.")
    response = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        heartbeat=HEARTBEAT_S,
        timeout=CLOSE_HANDSHAKE_S,
        max_msg_size=MAX_FRAME_BYTES,
        # Broadcasts are encoded once; compressing them anew for each socket would undo that.
        compress=False,
    )
    _require_websocket(request, response)
    await response.prepare(request)
    connection = Connection(
        AiohttpSocket(request, response),
        request.app[SERVICE],
        lambda token: _verify(request, token),
        request.match_info["session_id"],
        request.app[LIMITS],
    )
    connections.add(connection)
    try:
        # A peer that vanished is an end like any other.
        with suppress(ConnectionError):
            await connection.run()
    finally:
        connections.discard(connection)
    return response


def _require_websocket(request: web.Request, response: web.WebSocketResponse[bool]) -> None:
    offered = [name.strip() for name in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
    # aiohttp would log protocols that it does not know, and some clients put tokens there.
    if offered != [""] and SUBPROTOCOL not in offered:
        raise LiveError("invalid_request", f"The subprotocol is {SUBPROTOCOL}.")
    if not response.can_prepare(request):
        raise LiveError("invalid_request", "This address takes WebSockets.")


def _verify(request: web.Request, token: str) -> Identity:
    try:
        return request.app[AUTHENTICATOR].verify(token)
    except AuthError as failure:
        raise as_live_error(failure) from None
