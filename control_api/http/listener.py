"""The HTTP port: how many connections it takes, TLS, and readers that never read."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, cast

from aiohttp import web

from signaling.outbox import TokenBucket

from .proxy import TrustedProxies, address_of
from .seats import Seats
from .tls import TlsFiles

logger = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S: Final = 10.0
"""For the TLS handshake."""
STALLED_READER_S: Final = 30.0
"""How long a peer may leave what was sent to it unread before the connection is dropped."""
READ_BYTES: Final = 512
"""At most so much is taken in at once. The event loop does it up to 32 times in a row before anybody else gets a turn,
and six bytes are enough for a frame of a WebSocket or a chunk of a body."""
READS_PER_S: Final = 1024.0
READS_AT_ONCE: Final = 4096.0
"""Of one connection: half a MiB a second on average, and 2 MiB after a pause, which is more than a client has to say.
Whoever fills it with empty frames is not kept."""
COMPLAIN_EVERY_S: Final = 10.0
ACCEPT_PAUSE_S: Final = 0.5
"""After the system refused to hand over a connection, for want of open files as a rule."""
RESERVED_FILES: Final = 256
"""File descriptors for everything but callers: the database, workers, files of the page."""
BACKLOG: Final = 1024
"""Connections that the kernel holds until they are accepted: a whole room may come back at the same moment."""


class Listener(web.BaseSite):
    """A port. `seats` counts every connection from its first packet on, those of `proxies` only in all.

    It accepts by itself rather than through `create_server`, which would shake hands with strangers before anybody
    could count them.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        *,
        seats: Seats,
        proxies: TrustedProxies,
        tls: TlsFiles | None = None,
    ) -> None:
        super().__init__(runner, backlog=BACKLOG)
        assert runner.server is not None
        self._handlers = runner.server
        self._host = host
        self._port = port
        self._seats = seats
        self._proxies = proxies
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._complain_at = 0.0

    @property
    def name(self) -> str:
        """The URL under which this machine reaches it, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    @property
    def port(self) -> int:
        """The one that was taken, where any free one was asked for."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else self._port

    async def start(self) -> None:
        """Raises `OSError` where the port can't be had."""
        await super().start()
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            self._sockets.append(_listen(family, address))
        for listening in self._sockets:
            self._spawn(self._accept(listening))

    async def stop(self) -> None:
        await super().stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for listening in self._sockets:
            listening.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except ConnectionError:
                # Gone before it was accepted.
                continue
            except OSError as error:
                self._complain(f"no connection can be accepted: {error.strerror}")
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            self._admit(accepted, address_of(peer))
            # Everything else gets its turn however many connections are waiting.
            await asyncio.sleep(0)

    def _admit(self, accepted: socket.socket, address: str) -> None:
        # A proxy stands for many, and its callers' WebSockets are counted one by one where their address is known.
        seat = None if self._proxies.trusts(address) else address
        if self._seats.take(seat):
            self._spawn(self._open(accepted, seat))
            return
        self._complain(f"a connection of {address} was refused: {self._seats.taken} are open")
        accepted.close()

    async def _open(self, accepted: socket.socket, seat: str | None) -> None:
        connection = _Connection(self._handlers, lambda: self._seats.leave(seat), self._flooded)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=None if self._tls is None else self._tls.context,
                ssl_handshake_timeout=None if self._tls is None else HANDSHAKE_TIMEOUT_S,
            )
        except OSError:
            # Strangers who speak no TLS are nothing to tell.
            connection.give_seat_back()
        except BaseException:
            connection.give_seat_back()
            raise

    def _flooded(self) -> None:
        self._seats.refused["flood"] += 1
        self._complain("a connection that sent too much was cut off")

    def _complain(self, what: str) -> None:
        """Tell the operator, but not more often than they can read."""
        now = asyncio.get_running_loop().time()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY_S
            logger.warning(what)


class _Connection(asyncio.BufferedProtocol):
    """One connection, between its transport and aiohttp's handler. `leave` is called once, at its end, and `flooded`
    before that where it sent too much."""

    _buffer = bytearray(READ_BYTES)
    """Of all connections: what was read into it is copied at once."""

    def __init__(self, handlers: web.Server, leave: Callable[[], None], flooded: Callable[[], None]) -> None:
        self._handlers = handlers
        self._leave: Callable[[], None] | None = leave
        self._flooded = flooded
        self._handler: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._clock = asyncio.get_running_loop().time
        self._reads = TokenBucket(READS_PER_S, READS_AT_ONCE, self._clock())

    def give_seat_back(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods without being one.
        self._transport = cast(asyncio.Transport, transport)
        self._handler = self._handlers()
        self._handler.connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._handler is None or self._transport is None:
            return
        if self._reads.take(self._clock()):
            self._handler.data_received(bytes(self._buffer[:nbytes]))
        elif not self._transport.is_closing():
            self._flooded()
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return None if self._handler is None else self._handler.eof_received()

    def pause_writing(self) -> None:
        self._stalled = self._stalled or asyncio.get_running_loop().call_later(STALLED_READER_S, self._cut_off)
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._no_longer_stalled()
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._no_longer_stalled()
        self.give_seat_back()
        if self._handler is not None:
            self._handler.connection_lost(error)
        self._transport = None

    def _cut_off(self) -> None:
        if self._transport is not None:
            logger.info("a reader that stopped reading was cut off")
            self._transport.abort()

    def _no_longer_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def _listen(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Or `::` would take the IPv4 port as well, which has a socket of its own.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        reason = (error.strerror or str(error)).lower()
        raise OSError(error.errno, f"can't listen on {address[0]} port {address[1]}: {reason}") from None
    return listening


def most_connections(wanted: int) -> int:
    """As many of the wanted connections as the process may have open files for, after asking the system for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    possible = max(1, soft - RESERVED_FILES)
    logger.warning("the system allows %d open files: at most %d connections instead of %d", soft, possible, wanted)
    return possible
