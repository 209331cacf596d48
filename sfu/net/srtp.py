"""SRTP in place, batch by batch: libsrtp called on pointers into a packet matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CData = Any


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master keys with salts, as DTLS-SRTP (RFC 5764) exports them."""

    profile: str
    """`AEAD_AES_128_GCM` or `AES128_CM_SHA1_80`."""
    send: bytes
    receive: bytes


class RowPointers:
    """Pointers to every row of a matrix of packets, computed once.

    `matrix`: uint8, shape (rows, stride), C-contiguous. The packet of a row begins at `column`; its length is
    `lengths[row]` (int32, both read and written by libsrtp).
    """

    rows: list[CData]
    lengths: NDArray[np.int32]
    length_pointers: list[CData]
    max_plain_length: int
    """Longest packet that may be protected in a row: room is left for the authentication tag."""

    def __init__(self, matrix: NDArray[np.uint8], column: int) -> None: ...


class SrtpOutbound:
    handle: CData
    """Owns the libsrtp session: whoever holds the handle keeps the session alive, so it may be kept in columns."""

    def __init__(self, keys: SrtpKeys) -> None: ...
    def protect_rtcp(self, packet: bytes) -> bytes:
        raise NotImplementedError

    def remove_stream(self, ssrc: int) -> None: ...


def protect_rows(pointers: RowPointers, first_row: int, handles: Sequence[CData]) -> list[int]:
    """Protect rows `first_row + i` with `handles[i]`, in place. Returns the indices i that failed: never send those rows."""
    raise NotImplementedError


class SrtpInbound:
    def __init__(self, keys: SrtpKeys) -> None: ...
    def unprotect(self, pointers: RowPointers, row: int) -> str | None:
        """Decrypt RTP in place. Returns None, or the reason of the drop (`srtp_auth`, `srtp_replay`, `srtp_malformed`)."""
        raise NotImplementedError

    def unprotect_rtcp(self, pointers: RowPointers, row: int) -> str | None:
        """The same for RTCP."""
        raise NotImplementedError

    def remove_stream(self, ssrc: int) -> None:
        """Forget an SSRC. Call it for SSRCs that nothing expects: a peer could fill the memory with them."""
