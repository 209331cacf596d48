"""SRTP in place, batch by batch (RFC 3711, RFC 7714): libsrtp called on pointers into a packet matrix.

pylibsrtp's own `Session` copies every packet twice and allocates for it, which costs more than the cipher, so its
binding is called directly. Every pointer is computed once; every return code is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from socket import htonl
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pylibsrtp._binding import ffi, lib

CData = Any
"""A pointer of cffi, which has no types."""

SrtpProfile = Literal["AEAD_AES_128_GCM", "AES128_CM_SHA1_80"]

_PROFILES: Final[dict[SrtpProfile, int]] = {
    "AEAD_AES_128_GCM": lib.srtp_profile_aead_aes_128_gcm,
    "AES128_CM_SHA1_80": lib.srtp_profile_aes128_cm_sha1_80,
}

_MAX_TRAILER: Final = 16 + 128
"""SRTP_MAX_TAG_LEN + SRTP_MAX_MKI_LEN: what libsrtp may write behind a packet."""

_MAX_RTCP_TRAILER: Final = 4 + _MAX_TRAILER
_RTCP_BUFFER: Final = 2048

_SEND_WINDOW: Final = 128
"""Packets. libsrtp refuses to protect what is older than this; a wide window costs 60-90 ns a packet."""

_RECEIVE_WINDOW: Final = 1024
"""Packets: a second of video that a publisher repairs without RTX."""

_protect: Final = lib.srtp_protect
_unprotect_rtcp: Final = lib.srtp_unprotect_rtcp
_protect_rtcp: Final = lib.srtp_protect_rtcp

# One for all sessions of the process, because it stays in the cache and they are in thousands: its content matters
# within one call only, and a worker has one thread.
_rtcp: Final = ffi.new("char[]", _RTCP_BUFFER)
_rtcp_bytes: Final = memoryview(ffi.buffer(_rtcp))
_rtcp_length: Final = ffi.new("int *")

_UNPROTECT_REASONS: Final = {7: "srtp_auth", 9: "srtp_replay", 10: "srtp_replay"}
"""srtp_err_status_auth_fail, _replay_fail, _replay_old."""


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master keys with salts, as DTLS-SRTP (RFC 5764 section 4.2) exports them: 28 bytes each with GCM, 30 with CM."""

    profile: SrtpProfile
    send: bytes = field(repr=False)
    receive: bytes = field(repr=False)


class RowPointers:
    """Pointers to every row of a matrix of packets.

    `matrix`: uint8, shape (rows, stride), C-contiguous. The packet of a row begins at `column`; its length in bytes is
    `lengths[row]` (int32), which libsrtp reads and writes. `rows[row]` and `length_pointers[row]` point to the two.
    """

    def __init__(self, matrix: NDArray[np.uint8], column: int, lengths: NDArray[np.int32] | None = None) -> None:
        """`lengths`, where given, is a column that somebody else has: C-contiguous, one for each row."""
        if matrix.ndim != 2 or matrix.dtype != np.uint8 or not matrix.flags.c_contiguous:
            raise ValueError("packets live in a C-contiguous two-dimensional uint8 matrix")
        count, stride = matrix.shape
        self.matrix = matrix
        self.column = column
        self.lengths: NDArray[np.int32] = np.zeros(count, np.int32) if lengths is None else lengths
        if self.lengths.dtype != np.int32 or self.lengths.shape != (count,) or not self.lengths.flags.c_contiguous:
            raise ValueError("lengths are a C-contiguous column of int32, one for each row")
        self.length_items = self.lengths.data
        """The same, to read or write one at a time."""
        self.max_length = stride - column
        self.max_plain_length = self.max_length - _MAX_TRAILER
        """Longest packet that may be protected: libsrtp writes its trailer without knowing where the row ends."""
        if self.max_plain_length <= 0:
            raise ValueError("rows are too short for a packet with its authentication tag")
        base = ffi.cast("char *", matrix.ctypes.data)
        first_length = ffi.cast("int *", self.lengths.ctypes.data)
        self.rows: list[CData] = [base + (row * stride + column) for row in range(count)]
        self.length_pointers: list[CData] = [first_length + row for row in range(count)]


def _session(profile: SrtpProfile, key: bytes, direction: int, window: int) -> CData:
    """A session whose pointer owns it: it is freed when nothing refers to the pointer, not before."""
    policy = ffi.new("srtp_policy_t *")
    number = _PROFILES[profile]
    _check(lib.srtp_crypto_policy_set_from_profile_for_rtp(ffi.addressof(policy.rtp), number))
    _check(lib.srtp_crypto_policy_set_from_profile_for_rtcp(ffi.addressof(policy.rtcp), number))
    if len(key) != lib.srtp_profile_get_master_key_length(number) + lib.srtp_profile_get_master_salt_length(number):
        raise ValueError(f"this is no key of {profile}")
    key_buffer = ffi.new("unsigned char[]", key)
    policy.key = key_buffer
    policy.ssrc.type = direction
    policy.window_size = window
    # GCM with a repeated nonce gives its key away, so the same sequence number is never protected twice.
    policy.allow_repeat_tx = 0
    session = ffi.new("srtp_t *")
    _check(lib.srtp_create(session, policy))
    return ffi.gc(session[0], lib.srtp_dealloc)


def _check(code: int) -> None:
    if code != lib.srtp_err_status_ok:
        raise ValueError(f"libsrtp refuses with status {code}")


class SrtpOutbound:
    """What is sent over one transport. An SSRC's sequence numbers may be used once each, at most 127 behind the
    newest."""

    def __init__(self, keys: SrtpKeys) -> None:
        """`ValueError` when the keys do not fit the profile."""
        self.handle: CData = _session(keys.profile, keys.send, lib.ssrc_any_outbound, _SEND_WINDOW)
        """For `protect_rows`. It owns the session, so it may be kept in columns for any time."""

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt a compound RTCP packet of 8-1,900 bytes. `ValueError` when that is not possible."""
        length = len(packet)
        if length > _RTCP_BUFFER - _MAX_RTCP_TRAILER:
            raise ValueError("RTCP packet is too long")
        _rtcp_bytes[:length] = packet
        _rtcp_length[0] = length
        code = _protect_rtcp(self.handle, _rtcp, _rtcp_length)
        if code:
            _check(code)
        return bytes(_rtcp_bytes[: _rtcp_length[0]])

    def remove_stream(self, ssrc: int) -> None:
        """Forget an SSRC that is not sent any more. Never use that SSRC again with this session: with GCM its nonces
        would repeat."""
        lib.srtp_remove_stream(self.handle, htonl(ssrc))


def protect_rows(
    pointers: RowPointers, first_row: int, handles: Sequence[CData], longest: int | None = None
) -> list[int]:
    """Encrypt row `first_row + i` in place with `handles[i]`, a `SrtpOutbound.handle`, for every i.

    Plain lengths are in `pointers.lengths`, and so are the encrypted ones afterwards; `longest`, where the caller knows
    it, is at least as long as each of them. Returns the indices i that
    failed, among them those longer than `max_plain_length`: these rows are still in clear or half done and must never
    be sent. `ValueError` when there are not so many rows.
    """
    if not handles:
        return []
    end = first_row + len(handles)
    if end > len(pointers.rows):
        raise ValueError("there are more handles than rows")
    if longest is None or longest > pointers.max_plain_length:
        lengths = pointers.lengths[first_row:end]
        # libsrtp refuses what is shorter than a header, and one packet that is too long must not hold up the others.
        lengths[lengths > pointers.max_plain_length] = 0
    codes = list(map(_protect, handles, pointers.rows[first_row:end], pointers.length_pointers[first_row:end]))
    return [i for i, code in enumerate(codes) if code] if any(codes) else []


class SrtpInbound:
    """What is received over one transport."""

    def __init__(self, keys: SrtpKeys) -> None:
        """`ValueError` when the keys do not fit the profile."""
        self.handle: CData = _session(keys.profile, keys.receive, lib.ssrc_any_inbound, _RECEIVE_WINDOW)
        """For `unprotect_rtcp_rows`."""

    def unprotect(self, pointers: RowPointers, row: int) -> str | None:
        """Decrypt an RTP packet in place; `pointers.lengths[row]` is read and written.

        None when it is good, or why it has to be dropped: `srtp_auth`, `srtp_replay` (a duplicate, or more than 1,023
        behind the newest), `srtp_malformed`.
        """
        code = lib.srtp_unprotect(self.handle, pointers.rows[row], pointers.length_pointers[row])
        return _UNPROTECT_REASONS.get(code, "srtp_malformed") if code else None

    def unprotect_rtcp(self, pointers: RowPointers, row: int) -> str | None:
        """The same for RTCP."""
        return unprotect_rtcp_rows(pointers, [row], [self.handle])[0]

    def remove_stream(self, ssrc: int) -> None:
        """Forget an SSRC. A peer that invents SSRCs makes libsrtp remember each, so remove those that nothing
        expects."""
        lib.srtp_remove_stream(self.handle, htonl(ssrc))


def unprotect_rtcp_rows(pointers: RowPointers, rows: Sequence[int], handles: Sequence[CData]) -> list[str | None]:
    """Decrypt the RTCP packet of row `rows[i]` in place with `handles[i]`, a `SrtpInbound.handle`, for every i.

    `pointers.lengths` is read and written. Returns of each None or the reason, as `SrtpInbound.unprotect` does.
    """
    packets, lengths = pointers.rows, pointers.length_pointers
    codes = map(_unprotect_rtcp, handles, [packets[row] for row in rows], [lengths[row] for row in rows])
    return [_UNPROTECT_REASONS.get(code, "srtp_malformed") if code else None for code in codes]
