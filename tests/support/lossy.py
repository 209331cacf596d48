"""A bad network: a UDP relay in front of the server's port that loses a seeded share of the datagrams."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from types import TracebackType
from typing import Self

from . import sdp

DATAGRAMS_PER_WAKEUP = 64
MAX_DATAGRAM_LEN = 2048
SOCKET_BUFFER_LEN = 1 << 20


class LossyRelay:
    """Listens on a port of 127.0.0.1 and passes datagrams to and from `server`, one upstream socket per client address.

    Loss is off until `loss` is set, so that a test may begin it when media flows. Use it as a context manager.
    """

    def __init__(self, server: tuple[str, int], seed: int) -> None:
        self.server = server
        self.loss = 0.0
        """Share of the datagrams, 0-1, that is dropped in each direction: all kinds alike."""
        self.counts: Counter[str] = Counter()
        """`up`, `down` (passed), `up_lost`, `down_lost`."""
        self._random = {"up": random.Random(seed), "down": random.Random(seed + 1)}
        self._listener = self._socket()
        self._listener.bind(("127.0.0.1", 0))
        self._upstreams: dict[tuple[str, int], socket.socket] = {}

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._from_clients)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for endpoint in (self._listener, *self._upstreams.values()):
            loop.remove_reader(endpoint.fileno())
            endpoint.close()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    def rewrite_address(self, address: tuple[str, int]) -> tuple[str, int]:
        """For raw peers."""
        return self.address

    def rewrite_sdp(self, description: str) -> str:
        """For whoever takes candidates from an SDP."""
        return sdp.redirect_candidates(description, *self.address)

    def page_script(self) -> str:
        """For browsers: makes every description that a page applies lead through the relay."""
        host, port = self.address
        return PAGE_SCRIPT.replace("HOST", host).replace("PORT", str(port))

    @staticmethod
    def _socket() -> socket.socket:
        endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        endpoint.setblocking(False)
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_LEN)
        return endpoint

    def _from_clients(self) -> None:
        for _ in range(DATAGRAMS_PER_WAKEUP):
            try:
                data, client = self._listener.recvfrom(MAX_DATAGRAM_LEN)
            except OSError:
                return
            upstream = self._upstreams.get(client) or self._open_upstream(client)
            if self._passes("up"):
                self._send(upstream, data, self.server)

    def _open_upstream(self, client: tuple[str, int]) -> socket.socket:
        upstream = self._socket()
        upstream.bind(("127.0.0.1", 0))
        self._upstreams[client] = upstream
        asyncio.get_running_loop().add_reader(upstream.fileno(), self._from_server, upstream, client)
        return upstream

    def _from_server(self, upstream: socket.socket, client: tuple[str, int]) -> None:
        for _ in range(DATAGRAMS_PER_WAKEUP):
            try:
                data = upstream.recv(MAX_DATAGRAM_LEN)
            except OSError:
                return
            if self._passes("down"):
                self._send(self._listener, data, client)

    def _passes(self, direction: str) -> bool:
        lost = self._random[direction].random() < self.loss
        self.counts[f"{direction}_lost" if lost else direction] += 1
        return not lost

    def _send(self, endpoint: socket.socket, data: bytes, address: tuple[str, int]) -> None:
        try:
            endpoint.sendto(data, address)
        except OSError as error:
            self.counts[f"error_{type(error).__name__}"] += 1


PAGE_SCRIPT = """
(() => {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const sdp = description.sdp.replace(/^(a=candidate:\\S+ \\d+ \\S+ \\d+ )\\S+ \\d+/gm, "$1HOST PORT");
    return original.call(this, { type: description.type, sdp });
  };
})();
"""
