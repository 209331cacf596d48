"""One DTLS-SRTP connection of a load client: ICE checks, the handshake, and the keys. Packets go past it."""

from __future__ import annotations

import asyncio
import functools
import secrets
import string
from collections import Counter
from collections.abc import Callable
from typing import Final

from aioice import stun

from sfu.net.dtls import Certificate, DtlsEndpoint, DtlsRole, DtlsState, fingerprint, generate_certificate
from sfu.net.srtp import SrtpInbound, SrtpOutbound
from sfu.net.stun import parse_binding_request, success_response

from .sdp import Credentials

CHECK_INTERVAL_S: Final = 0.1
CONSENT_INTERVAL_S: Final = 5.0
"""RFC 7675 section 5.1."""
CONNECT_TIMEOUT_S: Final = 20.0
_PRIORITY: Final = 1853824767
_TIE_BREAKER: Final = (1 << 64) - 1
"""Wins: a full agent that has made the offer means to be controlling too (RFC 8445 section 7.3.1.1)."""
_ALPHABET: Final = string.ascii_letters + string.digits
_SUCCESS: Final = b"\x01\x01"
_REQUEST: Final = b"\x00\x01"

Send = Callable[[int, bytes], None]


@functools.cache
def _certificate() -> Certificate:
    """One for all transports of the process: making a key takes longer than a handshake."""
    return generate_certificate()


class ClientTransport:
    """Controlling, with one pair of addresses that every check nominates."""

    def __init__(self, index: int, send: Send, drops: Counter[str]) -> None:
        """`index` names the transport towards `send`."""
        self.index = index
        self.local = Credentials(
            "".join(secrets.choice(_ALPHABET) for _ in range(8)),
            "".join(secrets.choice(_ALPHABET) for _ in range(24)),
            f"sha-256 {fingerprint(_certificate())}",
        )
        self.srtp_in: SrtpInbound | None = None
        self.srtp_out: SrtpOutbound | None = None
        self.closed = False
        self.lost = False
        """The server ended the connection."""
        self._send = send
        self._drops = drops
        self._remote: Credentials | None = None
        self._checked = asyncio.Event()
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dtls = DtlsEndpoint(_certificate(), self.send, self._dtls_changed, drops)

    @property
    def connected(self) -> bool:
        return self.srtp_out is not None and not self.closed

    async def connect(self, remote: Credentials, dtls_role: DtlsRole) -> None:
        """Raises TimeoutError or ConnectionError."""
        self._remote = remote
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            while not self._checked.is_set():
                self.check()
                try:
                    await asyncio.wait_for(self._checked.wait(), CHECK_INTERVAL_S)
                except TimeoutError:
                    continue
            algorithm, _, value = remote.fingerprint.partition(" ")
            self._dtls.start(dtls_role, [(algorithm.lower(), value)])
            await self._connected

    def check(self) -> None:
        """Send a connectivity check, which also keeps consent alive."""
        if self._remote is None or self.closed:
            return
        request = stun.Message(
            stun.Method.BINDING,
            stun.Class.REQUEST,
            attributes={
                "USERNAME": f"{self._remote.ufrag}:{self.local.ufrag}",
                "PRIORITY": _PRIORITY,
                "ICE-CONTROLLING": _TIE_BREAKER,
                "USE-CANDIDATE": None,
            },
        )
        request.add_message_integrity(self._remote.pwd.encode())
        self.send(bytes(request))

    def send(self, data: bytes) -> None:
        """A datagram as it is."""
        if not self.closed:
            self._send(self.index, data)

    def send_rtcp(self, compound: bytes) -> None:
        """Encrypted; nothing before the connection is there."""
        if self.srtp_out is not None:
            self.send(self.srtp_out.protect_rtcp(compound))

    def receive_stun(self, data: bytes) -> None:
        kind = data[:2]
        if kind == _SUCCESS:
            self._checked.set()
        elif kind == _REQUEST:
            self._answer_check(data)
        else:
            self._drops["stun_refused"] += 1

    def receive_dtls(self, data: bytes) -> None:
        self._dtls.receive(data)

    def close(self) -> None:
        """Say goodbye. Idempotent."""
        if self.closed:
            return
        self._dtls.close()
        self.closed = True
        self._checked.set()
        if not self._connected.done():
            self._connected.set_exception(ConnectionError("the transport is closed"))
            # Whoever waited is told; nobody waiting is no error.
            self._connected.exception()

    def _answer_check(self, data: bytes) -> None:
        """Only servers that are no ICE-lite agents ask."""
        try:
            request = parse_binding_request(data)
        except ValueError:
            self._drops["stun_malformed"] += 1
            return
        if request is not None and request.verify(self.local.pwd):
            self.send(success_response(request, ("127.0.0.1", 9), self.local.pwd))

    def _dtls_changed(self, state: DtlsState) -> None:
        if state == "connected":
            keys = self._dtls.keys
            assert keys is not None
            self.srtp_in, self.srtp_out = SrtpInbound(keys), SrtpOutbound(keys)
            if not self._connected.done():
                self._connected.set_result(None)
        elif state == "failed" and not self._connected.done():
            self._connected.set_exception(ConnectionError("the DTLS handshake failed"))
        elif state == "closed":
            self.lost = True
