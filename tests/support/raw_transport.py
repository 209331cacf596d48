"""One DTLS-SRTP connection over one UDP socket, with every packet in the test's hands.

Only aiortc's DTLS handshake and libsrtp's binding are used; STUN checks, RTP and RTCP are made here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import string
from collections import Counter, deque
from collections.abc import Callable, Sequence

import pylibsrtp
from aioice import stun
from aiortc import rtcdtlstransport
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport

from .sdp import Credentials

CHECK_INTERVAL_S = 0.1
CONSENT_INTERVAL_S = 2.0
CONNECT_TIMEOUT_S = 20.0
MAX_DATAGRAM_LEN = 2048
DATAGRAMS_PER_WAKEUP = 64
DATAGRAMS_BEFORE_KEYS = 1024
SOCKET_BUFFER_LEN = 1 << 20
GCM_128 = [rtcdtlstransport.SRTP_AEAD_AES_128_GCM]
CM_SHA1 = [rtcdtlstransport.SRTP_AES128_CM_SHA1_80]

_certificate: RTCCertificate | None = None


def _shared_certificate() -> RTCCertificate:
    """One for all peers of the process: making a key takes longer than a handshake."""
    global _certificate
    if _certificate is None:
        _certificate = RTCCertificate.generateCertificate()
    return _certificate


class _DtlsPipe:
    """What aiortc's DTLS transport takes for its ICE transport."""

    role = "controlling"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_now = send
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def _recv(self) -> bytes:
        data = await self.incoming.get()
        if data is None:
            raise ConnectionError("the transport is closed")
        return data

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class RawTransport:
    """A full ICE agent's small cousin: controlling, one candidate, nominates it with every check.

    `on_rtp` and `on_rtcp` get decrypted packets, on the event loop.
    """

    def __init__(self, srtp_profiles: Sequence[object] | None = None) -> None:
        alphabet = string.ascii_letters + string.digits
        certificate = _shared_certificate()
        fingerprint = next(entry for entry in certificate.getFingerprints() if entry.algorithm == "sha-256")
        self.local = Credentials(
            "".join(secrets.choice(alphabet) for _ in range(6)),
            "".join(secrets.choice(alphabet) for _ in range(24)),
            f"{fingerprint.algorithm} {fingerprint.value}",
        )
        self.on_rtp: Callable[[bytes], None] = lambda packet: None
        self.on_rtcp: Callable[[bytes], None] = lambda packet: None
        self.counts: Counter[str] = Counter()
        """Datagrams and failures by kind: `sent`, `rtp`, `rtcp`, `unprotect_failed`, `check_ok`, `check_refused`..."""
        self.last_check_response: stun.Message | None = None
        self._pipe = _DtlsPipe(self.send_datagram)
        self.dtls = RTCDtlsTransport(self._pipe, [certificate])  # type: ignore[arg-type]
        if srtp_profiles is not None:
            self.dtls._srtp_profiles = list(srtp_profiles)  # type: ignore[arg-type]
        self._socket: socket.socket | None = None
        self._remote: Credentials | None = None
        self._checked = asyncio.Event()
        # Media overtakes the handshake, whose task may be turns of the loop behind what the socket brought.
        self._before_keys: deque[bytes] = deque(maxlen=DATAGRAMS_BEFORE_KEYS)
        self._tie_breaker = secrets.randbits(64)
        self._tasks: list[asyncio.Task[None]] = []
        self.checks_enabled = True
        """Set it to False to let the server's consent expire."""

    @property
    def started(self) -> bool:
        return self._remote is not None

    @property
    def connected(self) -> bool:
        return self.dtls.state == "connected"

    @property
    def closed_by_peer(self) -> bool:
        return self.dtls.state == "closed" and self._socket is not None

    @property
    def local_address(self) -> tuple[str, int]:
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def connect(self, remote: Credentials, address: tuple[str, int], dtls_role: str) -> None:
        """`dtls_role`: `client` or `server`. Raises TimeoutError, or ConnectionError where DTLS fails."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ipaddress.ip_address(address[0]).version == 6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_LEN)
        self._socket.connect(address)
        self._remote = remote
        loop.add_reader(self._socket.fileno(), self._readable)
        self._tasks.append(asyncio.create_task(self._keep_checking()))
        self.dtls._set_role(dtls_role)
        algorithm, value = remote.fingerprint.split()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._checked.wait()
            await self.dtls.start(RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(algorithm, value)]))
        if not self.connected:
            raise ConnectionError(f"DTLS is {self.dtls.state}")
        while self._before_keys:
            self._received_srtp(self._before_keys.popleft())

    def send_datagram(self, data: bytes) -> None:
        """Bytes as they are, unencrypted."""
        if self._socket is None:
            return
        self.counts["sent"] += 1
        try:
            self._socket.send(data)
        except OSError as error:
            # A worker that was killed makes the kernel report its closed port here; media goes on regardless.
            self.counts[f"send_{type(error).__name__}"] += 1

    def send_rtp(self, packet: bytes) -> None:
        if self.connected:
            self.send_datagram(self.dtls._tx_srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        if self.connected:
            self.send_datagram(self.dtls._tx_srtp.protect_rtcp(packet))

    def check_request(self) -> stun.Message:
        """A Binding request as this agent sends them, unsigned."""
        assert self._remote is not None
        attributes: dict[str, object] = {
            "USERNAME": f"{self._remote.ufrag}:{self.local.ufrag}",
            "PRIORITY": 1853824767,
            "ICE-CONTROLLING": self._tie_breaker,
            "USE-CANDIDATE": None,
        }
        return stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)

    def send_check(self) -> None:
        assert self._remote is not None
        request = self.check_request()
        request.add_message_integrity(self._remote.pwd.encode())
        self.send_datagram(bytes(request))

    async def close(self, *, silently: bool = False) -> None:
        """`silently`: without close_notify, as a process that was killed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if not silently:
            with contextlib.suppress(Exception):
                await self.dtls.stop()
        self._pipe.incoming.put_nowait(None)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    async def _keep_checking(self) -> None:
        while True:
            if self.checks_enabled:
                self.send_check()
            await asyncio.sleep(CONSENT_INTERVAL_S if self.connected else CHECK_INTERVAL_S)

    def _readable(self) -> None:
        assert self._socket is not None
        for _ in range(DATAGRAMS_PER_WAKEUP):
            if self._socket is None:
                return
            try:
                data = self._socket.recv(MAX_DATAGRAM_LEN)
            except BlockingIOError:
                return
            except OSError as error:
                self.counts[f"receive_{type(error).__name__}"] += 1
                return
            if data:
                self._received(data)

    def _received(self, data: bytes) -> None:
        if data[0] < 4:
            self._received_stun(data)
        elif 20 <= data[0] < 64:
            self._pipe.incoming.put_nowait(data)
        elif 128 <= data[0] < 192:
            self._received_srtp(data)
        else:
            self.counts["unknown"] += 1

    def _received_stun(self, data: bytes) -> None:
        message = stun.parse_message(data)
        if message.message_class == stun.Class.REQUEST:
            self._answer_check(message)
            return
        self.last_check_response = message
        accepted = message.message_class == stun.Class.RESPONSE
        self.counts["check_ok" if accepted else "check_refused"] += 1
        if accepted:
            self._checked.set()

    def _answer_check(self, request: stun.Message) -> None:
        """Only a peer that is no ICE-lite server asks."""
        assert self._socket is not None
        mapped = self._socket.getpeername()[:2]
        response = stun.Message(
            stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id, {"XOR-MAPPED-ADDRESS": mapped}
        )
        response.add_message_integrity(self.local.pwd.encode())
        self.send_datagram(bytes(response))

    def _received_srtp(self, data: bytes) -> None:
        session = self.dtls._rx_srtp
        if session is None:
            self._before_keys.append(data)
            return
        rtcp = 192 <= data[1] <= 223
        try:
            plain = session.unprotect_rtcp(data) if rtcp else session.unprotect(data)
        except pylibsrtp.Error:
            self.counts["unprotect_failed"] += 1
            return
        self.counts["rtcp" if rtcp else "rtp"] += 1
        (self.on_rtcp if rtcp else self.on_rtp)(plain)
