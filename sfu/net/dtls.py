"""DTLS-SRTP by aiortc's RTCDtlsTransport. The only file that touches aiortc's private names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from .srtp import SrtpKeys

DtlsRole = Literal["client", "server"]
DtlsState = Literal["new", "connecting", "connected", "failed", "closed"]
Certificate = Any


def generate_certificate() -> Certificate: ...


def fingerprint(certificate: Certificate) -> str:
    """sha-256, upper-case hex with colons."""
    raise NotImplementedError


class DtlsEndpoint:
    """Create it with the transport (datagrams that come before `start` are kept), start it when the peer's side is known."""

    state: DtlsState
    keys: SrtpKeys | None
    """Set once connected."""

    def __init__(
        self,
        certificate: Certificate,
        send: Callable[[bytes], object],
        state_changed: Callable[[DtlsState], object],
        drops: dict[str, int],
    ) -> None: ...

    def start(self, role: DtlsRole, fingerprints: Sequence[tuple[str, str]]) -> None:
        """Begin the handshake in a task of the running loop. `fingerprints`: (algorithm, value) pairs."""

    def receive(self, data: bytes) -> None:
        """A DTLS datagram. Never raises; a full queue drops it (`dtls_queue_full`)."""

    def close(self) -> None:
        """Say close_notify where there was a connection, and stop. Idempotent; `state_changed` is not called."""
