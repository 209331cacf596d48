"""The HTTP port: how many connections it takes, TLS, and readers that never read."""

from __future__ import annotations

import asyncio
import logging
import resource
from contextlib import suppress
from typing import Final, cast

from aiohttp import web

from .proxy import TrustedProxies, peer_address
from .seats import Seats
from .tls import TlsFiles

logger = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S: Final = 10.0
"""For the TLS handshake."""
STALLED_READER_S: Final = 30.0
"""How long a peer may leave what was sent to it unread before the connection is dropped."""
COMPLAIN_EVERY_S: Final = 10.0
RESERVED_FILES: Final = 256
"""File descriptors for everything but callers: the database, workers, files of the page."""
BACKLOG: Final = 1024
"""Connections that the kernel holds until they are accepted: a whole room may come back at the same moment."""


class Listener(web.BaseSite):
    """A port. `seats` counts every connection from its first packet on, those of `proxies` only in all."""

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
        self.handlers = runner.server
        self.seats = seats
        self.proxies = proxies
        self.tls = tls
        self.handshakes: set[asyncio.Task[None]] = set()
        self._host = host
        self._port = port
        self._complain_at = 0.0

    @property
    def name(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Raises `OSError` where the port can't be had."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), self._host, self._port, backlog=self._backlog
        )

    async def stop(self) -> None:
        await super().stop()
        for handshake in self.handshakes:
            handshake.cancel()

    def complain(self, address: str) -> None:
        """Tell the operator that a connection was refused, but not more often than they can read."""
        now = asyncio.get_running_loop().time()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY_S
            logger.warning("a connection of %s was refused: %d are open", address, self.seats.taken)


class _Connection(asyncio.Protocol):
    """One connection, before and below aiohttp's own handler."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._seated = False
        self._seat: str | None = None
        """The address that the seat counts for."""
        self._transport: asyncio.Transport | None = None
        self._handler: asyncio.Protocol | None = None
        self._early: list[bytes] = []
        """What came between the end of the TLS handshake and the handler's beginning."""
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have its methods without being one.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        address = peer_address(transport)
        # A proxy stands for many, and its callers' WebSockets are counted one by one where their address is known.
        self._seat = None if self._listener.proxies.trusts(address) else address
        self._seated = self._listener.seats.take(self._seat)
        if not self._seated:
            self._listener.complain(address)
            transport.abort()
            return
        if self._listener.tls is None:
            self._serve(transport)
            return
        transport.pause_reading()
        task = self._loop.create_task(self._encrypt(transport, self._listener.tls))
        self._listener.handshakes.add(task)
        task.add_done_callback(self._listener.handshakes.discard)

    def data_received(self, data: bytes) -> None:
        if self._handler is None:
            self._early.append(data)
        else:
            self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._handler is None else self._handler.eof_received()

    def pause_writing(self) -> None:
        self._stalled = self._stalled or self._loop.call_later(STALLED_READER_S, self._abort)
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._no_longer_stalled()
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._no_longer_stalled()
        if self._seated:
            self._seated = False
            self._listener.seats.leave(self._seat)
        if self._handler is not None:
            self._handler.connection_lost(error)
        self._transport = None

    def _serve(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._handler = self._listener.handlers()
        self._handler.connection_made(transport)
        early, self._early = self._early, []
        for data in early:
            self._handler.data_received(data)

    async def _encrypt(self, transport: asyncio.Transport, tls: TlsFiles) -> None:
        try:
            encrypted = await self._loop.start_tls(
                transport, self, tls.context, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S
            )
        except OSError:
            # Strangers who speak no TLS are nothing to tell; connection_lost gives the seat back.
            transport.abort()
            return
        if encrypted is not None and self._seated:
            self._serve(encrypted)

    def _abort(self) -> None:
        if self._transport is not None:
            logger.info("a reader stopped reading and was cut off")
            self._transport.abort()

    def _no_longer_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


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
