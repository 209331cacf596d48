"""`GET /ws/live/{session_id}`: aiohttp's WebSocket as a `signaling.connection.Socket`."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, hdrs, web

from control_api.tokens.auth import AuthError
from signaling.connection import Connection, ConnectionLimits, Control
from signaling.errors import LiveError
from signaling.ports import Identity
from signaling.protocol import MAX_FRAME_BYTES, SUBPROTOCOL, CloseCode
from signaling.rates import RateClass

from .errors import as_live_error
from .origins import Origins
from .proxy import client_of, limit_key
from .rate_limits import RATE_LIMITS
from .request_log import REQUEST_ID
from .route_table import AUTHENTICATOR, SERVICE

HEARTBEAT_S: Final = 20.0
"""Silence after which the peer is pinged; it has half of that to answer."""
CLOSE_HANDSHAKE_S: Final = 2.0
MAX_UNSENT_BYTES: Final = 32 * 1024
"""What a socket may hold, beside the kernel, of frames that the peer has not taken; more of them wait in the outbox."""
SEAT_RETRY_S: Final = 10.0
"""When to try again where an address has too many sockets: some of them have to go first."""

WS_PATH: Final = "/ws/live/{session_id}"
ORIGINS: Final = web.AppKey("origins", Origins)
LIMITS: Final = web.AppKey("limits", ConnectionLimits)


class Connections(set[Connection]):
    """The open sockets, said hello or not."""

    stopping = False

    def __init__(self, max_per_address: int | None = None) -> None:
        super().__init__()
        self._max_per_address = max_per_address
        self._of_address: Counter[str] = Counter()

    @contextmanager
    def seat(self, address: str) -> Iterator[None]:
        """One of those that an address may have open. Raises `LiveError` `rate_limited`."""
        key = limit_key(address)
        if self._max_per_address is not None and self._of_address[key] >= self._max_per_address:
            raise LiveError("rate_limited", "Your address has too many connections open.", retry_after_s=SEAT_RETRY_S)
        self._of_address[key] += 1
        try:
            yield
        finally:
            self._of_address[key] -= 1
            if not self._of_address[key]:
                del self._of_address[key]

    def stop(self) -> None:
        """Close them all with 1001, and take no more."""
        self.stopping = True
        for connection in self:
            connection.close(CloseCode.SERVER_STOPPING, "server_stopping")


_CLOSE_CODES: Final = frozenset(WSCloseCode) | {1005, 1006}
"""Of RFC 6455, which are all that clients are counted by: they may send any number."""

CONNECTIONS: Final = web.AppKey("connections", Connections)


class AiohttpSocket:
    """Implements `signaling.connection.Socket`."""

    def __init__(self, request: web.Request, response: web.WebSocketResponse) -> None:
        self._request = request
        self._response = response
        self.refused_with: int | None = None
        """The close code of RFC 6455 for a peer whose frames were too large, or broken."""

    async def receive(self) -> str | bytes | Control | None:
        message = await self._response.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        if message.type is WSMsgType.PING:
            await self._response.pong(message.data)
        if message.type in (WSMsgType.PING, WSMsgType.PONG):
            return Control.FRAME
        if isinstance(message.data, WebSocketError):
            self.refused_with = message.data.code
        return None

    async def send(self, frame: bytes) -> None:
        # Not `send_str`: the frame is encoded once for everybody who gets it.
        await self._response.send_frame(frame, WSMsgType.TEXT)

    def send_now(self, frame: bytes) -> bool:
        transport = self._request.transport
        if transport is None or transport.is_closing() or self._response.closed:
            return True  # nobody reads it any more, and the reading side is about to find out
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        transport.write(_text_header(len(frame)) + frame)
        return True

    async def close(self, code: int, reason: str) -> None:
        await self._response.close(code=code, message=reason.encode())

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


def _text_header(length: int) -> bytes:
    """Of an unfragmented text frame from a server (RFC 6455, section 5.2): aiohttp's own writer is a coroutine."""
    if length < 126:
        return bytes((0x81, length))
    if length < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)


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
        # aiohttp would answer pings without end, and let nobody count them.
        autoping=False,
        # Broadcasts are encoded once; compressing them anew for each socket would undo that.
        compress=False,
    )
    _require_websocket(request, response)
    with connections.seat(client_of(request).address):
        await response.prepare(request)
        await _run(request, response)
    return response


async def _run(request: web.Request, response: web.WebSocketResponse) -> None:
    connections = request.app[CONNECTIONS]
    socket = AiohttpSocket(request, response)
    connection = Connection(
        socket,
        request.app[SERVICE],
        lambda token: _verify(request, token),
        request.match_info["session_id"],
        request.app[LIMITS],
        lambda identity, rate: _spend(request, identity, rate),
        log_reference=request.get(REQUEST_ID),
    )
    connections.add(connection)
    try:
        # A peer that vanished is an end like any other.
        with suppress(ConnectionError):
            await connection.run()
    finally:
        connections.discard(connection)
        _count_close(request, connection.close_code or socket.refused_with, response.close_code)


def _spend(request: web.Request, identity: Identity, rate: RateClass) -> None:
    limits = request.app[RATE_LIMITS]
    # The user first: what one person does too often must not be paid for by everybody behind the same address.
    limits.spend_user(rate, identity.user_id)
    limits.spend_address(rate, client_of(request).address)


def _count_close(request: web.Request, ours: int | None, theirs: int | None) -> None:
    closed = request.app[SERVICE].counters.sockets_closed
    if ours is not None:
        closed["server", ours] += 1
    else:
        closed["client", theirs if theirs in _CLOSE_CODES else 0] += 1


def _require_websocket(request: web.Request, response: web.WebSocketResponse[bool]) -> None:
    offered = [name.strip() for name in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
    # aiohttp would log protocols that it does not know, and some clients put tokens there.
    if offered != [""] and SUBPROTOCOL not in offered:
        raise LiveError("invalid_request", f"The subprotocol is {SUBPROTOCOL}.")
    if not response.can_prepare(request):
        raise LiveError("invalid_request", "This address takes WebSockets.")


async def _verify(request: web.Request, token: str) -> Identity:
    try:
        return await request.app[AUTHENTICATOR].verify(token)
    except AuthError as failure:
        raise as_live_error(failure) from None
