"""DTLS-SRTP (RFC 5764) by aiortc's `RTCDtlsTransport`. The only file that touches aiortc's private names.

aiortc is given an ICE transport that is nothing but a queue of DTLS datagrams. It does the handshake, and afterwards
goes on reading, so that a lost final flight is answered and a close_notify is seen. Media never passes through it: the
keys are exported for `sfu.net.srtp`. What is relied on is written down in the contract test beside this file's tests.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
    certificate_digest,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from .classify import Kind, classify
from .srtp import SrtpKeys, SrtpProfile

logger = logging.getLogger(__name__)

DtlsRole = Literal["client", "server"]
DtlsState = Literal["new", "connecting", "connected", "failed", "closed"]

HANDSHAKE_TIMEOUT_S: Final = 15.0
"""From `start` to `connected`: OpenSSL doubles its retransmission timer from 1 s, so this allows four lost flights."""

_MAX_QUEUED: Final = 32
"""DTLS datagrams that wait for the event loop. A whole flight is less than ten."""

_MAX_ERRORS_IN_A_ROW: Final = 16

_CLOCKS_DIFFER: Final = timedelta(days=1)
_VALID: Final = timedelta(days=3650)
"""Longer than any worker runs; each one makes a certificate of its own."""

_APPLICATION_DATA: Final = 23
"""Content type of data channels, which nobody here reads."""

_PROFILES: Final[dict[bytes, tuple[SrtpProfile, SRTPProtectionProfile]]] = {
    SRTP_AEAD_AES_128_GCM.openssl_profile: ("AEAD_AES_128_GCM", SRTP_AEAD_AES_128_GCM),
    SRTP_AES128_CM_SHA1_80.openssl_profile: ("AES128_CM_SHA1_80", SRTP_AES128_CM_SHA1_80),
}
"""In the order of preference, which decides when we are the server: GCM-128 costs half of AES-CM with SHA-1. GCM-256 is
left out, since peers that have it have GCM-128 too, and it is slower."""


class Certificate(RTCCertificate):
    """aiortc's certificate with one OpenSSL context for all of its connections, where aiortc makes one for each."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        """All callers want the same profiles."""
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            # Nobody resumes a DTLS-SRTP session, and a shared context would keep each for hours.
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        return self._context


def generate_certificate() -> Certificate:
    """A self-signed ECDSA P-256 certificate; one serves a whole worker.

    Peers compare its fingerprint. Some may look at its dates as well, and aiortc's own would be over after a month,
    which a worker easily outlives.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, secrets.token_hex(16))])
    now = datetime.now(UTC)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _VALID)
    )
    return Certificate(key, unsigned.sign(key, hashes.SHA256()))


def fingerprint(certificate: Certificate) -> str:
    """Its sha-256, upper-case hex with colons (RFC 8122)."""
    return certificate_digest(certificate._cert, "sha-256")


class _DatagramQueue:
    """What aiortc takes for its ICE transport."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue(_MAX_QUEUED)
        self._send_now = send

    async def _recv(self) -> bytes:
        return await self.incoming.get()

    async def _send(self, data: bytes) -> None:
        self._send_now(data)

    def close(self) -> None:
        """Send nothing any more, and forget who would have."""
        self._send_now = _ignore


class _Transport(RTCDtlsTransport):
    """aiortc's transport that exports its keys rather than making sessions of its own, and does not die of bad
    input."""

    def __init__(self, queue: _DatagramQueue, certificate: Certificate, drops: dict[str, int]) -> None:
        super().__init__(queue, [certificate])  # type: ignore[arg-type]
        self._srtp_profiles = [profile for _, profile in _PROFILES.values()]
        self.srtp_keys: SrtpKeys | None = None
        self._drops = drops
        self._errors_in_a_row = 0

    def _setup_srtp(self) -> None:
        assert self._ssl is not None
        chosen = _PROFILES.get(self._ssl.get_selected_srtp_profile())
        if chosen is None:
            self._set_state(State.FAILED)
            return
        name, profile = chosen
        material = self._ssl.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
        )
        client, server = profile.get_key_and_salt(material, 0), profile.get_key_and_salt(material, 1)
        send, receive = (server, client) if self._role == "server" else (client, server)
        self.srtp_keys = SrtpKeys(name, send, receive)

    async def _recv_next(self) -> None:
        try:
            await super()._recv_next()
        except ConnectionError:
            raise
        except Exception as exc:
            self._drops["dtls_error"] += 1
            self._errors_in_a_row += 1
            logger.debug("DTLS datagram not understood: %r", exc)
            # A bound, because an error that came before anything was awaited would come back for ever.
            if self._errors_in_a_row >= _MAX_ERRORS_IN_A_ROW:
                raise ConnectionError from exc
        else:
            self._errors_in_a_row = 0


def _ignore(_: object) -> None:
    pass


def _run_without_waiting(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never suspends, because everything that it awaits is synchronous underneath."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("aiortc's transport waits where it did not before")


class DtlsEndpoint:
    """One transport's DTLS. Create it with the transport: a datagram that comes before `start` is kept for it, since a
    browser begins as soon as ICE works, which may be before its answer is here."""

    def __init__(
        self,
        certificate: Certificate,
        send: Callable[[bytes], object],
        state_changed: Callable[[DtlsState], object],
        drops: dict[str, int],
    ) -> None:
        """`send` is given datagrams for the peer, `state_changed` each of `connected`, `failed` and `closed` (by the
        peer's close_notify). Neither may raise. `drops` needs a default of 0.
        """
        self.state: DtlsState = "new"
        self.keys: SrtpKeys | None = None
        """Set once connected."""
        self._queue = _DatagramQueue(send)
        self._transport = _Transport(self._queue, certificate, drops)
        self._transport.on("statechange", self._transport_changed)
        self._state_changed = state_changed
        self._drops = drops
        self._task: asyncio.Task[None] | None = None

    @property
    def srtp_profile(self) -> SrtpProfile | None:
        """The negotiated profile, once connected."""
        return self.keys.profile if self.keys else None

    def start(self, role: DtlsRole, fingerprints: Sequence[tuple[str, str]]) -> None:
        """Begin the handshake in a task of the running loop.

        `fingerprints`: the peer's (algorithm, value) pairs. Each with an algorithm known here (sha-256, -384, -512)
        must match the certificate, and there must be one, or else the state becomes `failed`. `ValueError` when it was
        started or closed before.
        """
        if self.state != "new":
            raise ValueError(f"DTLS is {self.state}")
        self.state = "connecting"
        remote = RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value) for algorithm, value in fingerprints])
        self._transport._set_role(role)
        self._task = asyncio.get_running_loop().create_task(self._handshake(remote))

    def receive(self, data: bytes) -> None:
        """A datagram classified as DTLS. Never raises: what cannot be used is counted."""
        if self.state in ("failed", "closed"):
            self._drops["dtls_after_end"] += 1
        elif not data or classify(data[0]) is not Kind.DTLS:
            self._drops["garbage"] += 1
        elif data[0] == _APPLICATION_DATA and self.state != "connected":
            # OpenSSL would end the handshake over it, though RFC 6347 section 4.1.2.7 has it dropped.
            self._drops["dtls_early_data"] += 1
        else:
            try:
                self._queue.incoming.put_nowait(data)
            except asyncio.QueueFull:
                self._drops["dtls_queue_full"] += 1

    def close(self) -> None:
        """Say close_notify if there is a connection, and stop. Idempotent; `state_changed` is not called any more."""
        connected = self.state == "connected"
        self.state = "closed"
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if connected:
            _run_without_waiting(self._transport.stop())
        # What refers to each other in a circle would stay until the garbage collector looks at the whole process.
        self._transport.remove_all_listeners()
        self._queue.close()
        self._state_changed = _ignore

    async def _handshake(self, remote: RTCDtlsParameters) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                if remote.fingerprints:
                    await self._transport.start(remote)
        except TimeoutError:
            self._drops["dtls_timeout"] += 1
        except Exception as exc:
            # Whatever a peer's bytes did to the handshake, it is this peer's alone.
            logger.debug("DTLS handshake failed: %r", exc)
        self._task = None
        if self.state != "connecting":
            return
        if self._transport.state == "connected":
            self.keys = self._transport.srtp_keys
            self._enter("connected")
        else:
            self._drops["dtls_failed"] += 1
            self._enter("failed")

    def _transport_changed(self) -> None:
        if self.state == "connected" and self._transport.state == "closed":
            self._enter("closed")

    def _enter(self, state: DtlsState) -> None:
        self.state = state
        self._state_changed(state)
