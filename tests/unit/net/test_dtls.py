"""The adapter against aiortc's own transport, and the contract with aiortc's private names."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiortc.rtcdtlstransport as theirs
import numpy as np
import pytest
from aiortc import RTCCertificate, RTCDtlsTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters

from sfu.net import dtls
from sfu.net.dtls import DtlsEndpoint, DtlsRole, DtlsState, fingerprint, generate_certificate
from sfu.net.srtp import RowPointers, SrtpInbound, SrtpOutbound, protect_rows

CERTIFICATE = generate_certificate()
PEER_CERTIFICATE = RTCCertificate.generateCertificate()
RTP = b"\x80\x60\x00\x01" + bytes(8) + b"media"
CM_ONLY = [theirs.SRTP_AES128_CM_SHA1_80]


async def until(condition: Callable[[], object], timeout: float = 20) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


class Wire:
    """The peer's ICE transport; `filter_up` and `filter_down` see what goes to and comes from the server."""

    role = "controlling"

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.filter_up: Callable[[bytes], bool] = lambda data: True
        self.filter_down: Callable[[bytes], bool] = lambda data: True
        self.server: DtlsEndpoint
        self.down: list[bytes] = []

    async def _recv(self) -> bytes:
        return await self.queue.get()

    async def _send(self, data: bytes) -> None:
        if self.filter_up(data):
            self.server.receive(data)

    def deliver(self, data: bytes) -> None:
        self.down.append(data)
        if self.filter_down(data):
            self.queue.put_nowait(data)


class Pair:
    def __init__(self) -> None:
        self.wire = Wire()
        self.states: list[DtlsState] = []
        self.drops: Counter[str] = Counter()
        self.server = DtlsEndpoint(CERTIFICATE, self.wire.deliver, self.states.append, self.drops)
        self.wire.server = self.server
        self.peer = RTCDtlsTransport(self.wire, [PEER_CERTIFICATE])  # type: ignore[arg-type]

    async def connect(self, role: DtlsRole, fingerprints: list[tuple[str, str]] | None = None) -> None:
        self.peer._set_role("client" if role == "server" else "server")
        self.server.start(role, [("sha-256", fingerprint(PEER_CERTIFICATE))] if fingerprints is None else fingerprints)
        peer = self.start_peer()
        await until(lambda: self.states)
        await asyncio.wait([peer], timeout=0.2)

    def start_peer(self) -> asyncio.Task[None]:
        own = RTCDtlsParameters([RTCDtlsFingerprint("sha-256", fingerprint(CERTIFICATE))])
        return asyncio.ensure_future(self.peer.start(own))

    async def close(self) -> None:
        self.server.close()
        await self.peer.stop()


def open_row(data: bytes) -> RowPointers:
    matrix = np.zeros((1, 1600), np.uint8)
    matrix[0, : len(data)] = np.frombuffer(data, np.uint8)
    pointers = RowPointers(matrix, 0)
    pointers.lengths[0] = len(data)
    return pointers


def content(pointers: RowPointers) -> bytes:
    return pointers.matrix[0, : int(pointers.lengths[0])].tobytes()


@pytest.mark.parametrize("role", ["server", "client"])
@pytest.mark.parametrize(
    ("peer_profiles", "profile"), [(None, "AEAD_AES_128_GCM"), (CM_ONLY, "AES128_CM_SHA1_80")], ids=["any", "cm"]
)
async def test_connects_and_the_keys_fit_the_peer_s(role: DtlsRole, peer_profiles: Any, profile: str) -> None:
    pair = Pair()
    if peer_profiles:
        pair.peer._srtp_profiles = peer_profiles
    await pair.connect(role)
    await until(lambda: pair.peer.state == "connected")
    assert pair.states == ["connected"]
    assert pair.server.srtp_profile == profile
    keys = pair.server.keys
    assert keys is not None
    out = open_row(RTP)
    assert protect_rows(out, 0, [SrtpOutbound(keys).handle]) == []
    assert pair.peer._rx_srtp.unprotect(content(out)) == RTP
    back = open_row(pair.peer._tx_srtp.protect(RTP))
    assert SrtpInbound(keys).unprotect(back, 0) is None
    assert content(back) == RTP
    await pair.close()


async def test_datagrams_before_start_are_kept() -> None:
    pair = Pair()
    pair.peer._set_role("client")
    peer = pair.start_peer()
    await asyncio.sleep(0)
    pair.wire.filter_up = lambda data: True
    pair.server.start("server", [("sha-256", fingerprint(PEER_CERTIFICATE))])
    # Far below the second after which the peer would have repeated its ClientHello.
    await until(lambda: pair.states == ["connected"], timeout=0.9)
    await peer
    await pair.close()


@pytest.mark.parametrize(
    "fingerprints", [[("sha-256", "00:" * 31 + "00")], [], [("md5", "00")], [("sha-256", "nonsense")]]
)
@pytest.mark.parametrize("role", ["server", "client"])
async def test_a_certificate_that_nobody_announced_fails(role: DtlsRole, fingerprints: list[tuple[str, str]]) -> None:
    pair = Pair()
    await pair.connect(role, fingerprints)
    assert pair.states == ["failed"]
    assert pair.server.keys is None
    assert pair.drops["dtls_failed"] == 1
    before = pair.drops["dtls_after_end"]
    pair.server.receive(b"\x16\xfe\xfd")
    assert pair.drops["dtls_after_end"] == before + 1
    await pair.close()


async def test_a_peer_without_a_common_srtp_profile_fails() -> None:
    pair = Pair()
    pair.peer._srtp_profiles = [theirs.SRTP_AEAD_AES_256_GCM]
    await pair.connect("server")
    assert pair.states == ["failed"]
    await pair.close()


async def test_a_silent_peer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtls, "HANDSHAKE_TIMEOUT_S", 0.05)
    pair = Pair()
    pair.server.start("client", [("sha-256", fingerprint(PEER_CERTIFICATE))])
    await until(lambda: pair.states == ["failed"])
    assert pair.drops == {"dtls_timeout": 1, "dtls_failed": 1}


GARBAGE = [
    b"\x16",
    b"\x14\xfe\xfd",
    b"\x16\xfe\xfd" + bytes(8) + b"\xff\xff" + bytes(50),
    b"\x17\xfe\xfd" + bytes(9) + b"\x10" + bytes(16),
    b"\x3f" * 1400,
]
BAD_HELLO = b"\x16\xfe\xff" + bytes(9) + b"\x28" + b"\x01" + bytes(39)
"""A sound record around a senseless ClientHello: nothing is authenticated yet, so DTLS has to take it seriously."""


@pytest.mark.parametrize("role", ["server", "client"])
async def test_garbage_before_during_and_after_the_handshake(role: DtlsRole) -> None:
    pair = Pair()
    for data in GARBAGE:
        pair.server.receive(data)

    def with_garbage(data: bytes) -> bool:
        for junk in (*GARBAGE, data[:-1]):
            pair.server.receive(junk)
        return True

    pair.wire.filter_up = with_garbage
    await pair.connect(role)
    assert pair.states == ["connected"]
    for _ in range(10):
        for data in (*GARBAGE, BAD_HELLO):
            pair.server.receive(data)
        await asyncio.sleep(0.001)
    await pair.peer.stop()
    await until(lambda: pair.states == ["connected", "closed"])
    await pair.close()


async def test_a_senseless_hello_fails_this_transport_quietly(caplog: pytest.LogCaptureFixture) -> None:
    pair = Pair()
    pair.server.receive(BAD_HELLO)
    await pair.connect("server")
    assert pair.states == ["failed"]
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    await pair.close()


async def test_what_is_no_dtls_never_reaches_it() -> None:
    pair = Pair()
    for data in (b"", RTP, b"\x00\x01"):
        pair.server.receive(data)
    assert pair.drops == {"garbage": 3}


async def test_the_queue_is_bounded() -> None:
    pair = Pair()
    for _ in range(100):
        pair.server.receive(b"\x16\xfe\xfd")
    assert pair.drops == {"dtls_queue_full": 68}


async def test_errors_inside_aiortc_end_nothing_until_they_never_stop() -> None:
    pair = Pair()
    await pair.connect("server")

    def broken(_: bytes) -> None:
        raise RuntimeError("not an SSL error")

    ssl = pair.server._transport._ssl
    pair.server._transport._ssl = type("Broken", (), {"bio_write": staticmethod(broken)})()  # type: ignore[assignment]
    for _ in range(5):
        pair.server.receive(b"\x16\xfe\xfd")
    await until(lambda: pair.drops["dtls_error"] == 5)
    pair.server._transport._ssl = ssl
    await pair.peer.stop()
    await until(lambda: pair.states == ["connected", "closed"])
    await pair.close()


async def test_a_lost_final_flight_is_repeated_after_the_handshake() -> None:
    pair = Pair()
    lost: list[bytes] = []

    def lose_the_last_flight(data: bytes) -> bool:
        # The server's change_cipher_spec and Finished.
        if data[0] == 20 and not lost:
            lost.append(data)
            return False
        return True

    pair.wire.filter_down = lose_the_last_flight
    await pair.connect("server")
    assert pair.states == ["connected"]
    assert lost
    assert pair.peer.state == "connecting"
    await until(lambda: pair.peer.state == "connected")
    await pair.close()


async def test_close_says_goodbye_once_and_at_once() -> None:
    pair = Pair()
    await pair.connect("server")
    await until(lambda: pair.peer.state == "connected")
    sent = len(pair.wire.down)
    pair.server.close()
    assert len(pair.wire.down) == sent + 1
    assert pair.wire.down[-1][0] == 21
    pair.server.close()
    assert len(pair.wire.down) == sent + 1
    await until(lambda: pair.peer.state == "closed")
    assert pair.states == ["connected"]
    assert pair.server.state == "closed"


async def test_close_during_the_handshake_and_before_it() -> None:
    pair = Pair()
    pair.server.start("client", [("sha-256", fingerprint(PEER_CERTIFICATE))])
    await until(lambda: pair.wire.down)
    pair.server.close()
    with pytest.raises(ValueError):
        pair.server.start("client", [])
    await asyncio.sleep(0.01)
    assert pair.states == []
    Pair().server.close()


def test_fingerprints() -> None:
    value = fingerprint(CERTIFICATE)
    assert len(value) == 95
    assert value == value.upper()
    assert value != fingerprint(generate_certificate())
    assert ("sha-256", value) in [(f.algorithm, f.value) for f in CERTIFICATE.getFingerprints()]


def test_the_contract_with_aiortc() -> None:
    """All that sfu/net/dtls.py leans on. When this fails after an upgrade, read aiortc's transport anew."""
    transport = RTCDtlsTransport
    for name in ("_recv_next", "_do_handshake", "_write_ssl", "start", "stop"):
        assert inspect.iscoroutinefunction(getattr(transport, name)), name
    for name in ("_setup_srtp", "_set_role", "_set_state", "_validate_peer_identity"):
        assert not inspect.iscoroutinefunction(getattr(transport, name)), name
    assert list(inspect.signature(transport._setup_srtp).parameters) == ["self"]
    assert list(inspect.signature(transport._recv_next).parameters) == ["self"]
    start = inspect.getsource(transport.start)
    for call in ("self._do_handshake()", "self._validate_peer_identity(", "self._setup_srtp()", "self._srtp_profiles"):
        assert call in start, call
    assert "_create_ssl_context(" in start
    assert list(inspect.signature(RTCCertificate._create_ssl_context).parameters) == ["self", "srtp_profiles"]
    profiles = [theirs.SRTP_AEAD_AES_128_GCM]
    assert CERTIFICATE._create_ssl_context(profiles) is CERTIFICATE._create_ssl_context(profiles)
    assert "self._recv_next()" in inspect.getsource(transport._RTCDtlsTransport__run)  # type: ignore[attr-defined]
    assert "self._recv_next()" in inspect.getsource(transport._do_handshake)
    made = transport(Wire(), [PEER_CERTIFICATE])  # type: ignore[arg-type]
    assert made._role == "auto"
    assert made._ssl is None
    assert made._srtp_profiles == theirs.SRTP_PROFILES
    assert made.state == "new"
    assert {state.name for state in theirs.State} == {"NEW", "CONNECTING", "CONNECTED", "CLOSED", "FAILED"}
    assert theirs.SRTP_AEAD_AES_128_GCM in theirs.SRTP_PROFILES, "libsrtp was built without AES-GCM"
    assert theirs.SRTP_AEAD_AES_128_GCM.openssl_profile == b"SRTP_AEAD_AES_128_GCM"
    assert theirs.SRTP_AEAD_AES_128_GCM.get_key_and_salt(bytes(range(56)), 1) == bytes([*range(16, 32), *range(44, 56)])
    assert CERTIFICATE._cert is not None


@pytest.mark.parametrize("role", ["server", "client"])
async def test_what_was_closed_is_freed_without_the_garbage_collector(role: DtlsRole) -> None:
    pair = Pair()
    await pair.connect(role)
    endpoint = weakref.ref(pair.server)
    connection = weakref.ref(pair.server._transport)
    gc.collect()
    gc.disable()
    try:
        await pair.close()
        del pair.server, pair.wire.server
        await until(lambda: endpoint() is None and connection() is None)
    finally:
        gc.enable()


def test_a_certificate_outlives_its_worker() -> None:
    certificate = generate_certificate()._cert
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now - timedelta(hours=12), "clocks of peers differ"
    assert certificate.not_valid_after_utc > now + timedelta(days=5 * 365)
    assert certificate.subject != generate_certificate()._cert.subject, "a name that tells workers apart, and no more"
