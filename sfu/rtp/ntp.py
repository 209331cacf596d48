"""NTP time as RTCP and header extensions carry it (RFC 3550 section 4, abs-send-time)."""

from __future__ import annotations

from typing import Final

NTP_UNIX_OFFSET_SECONDS: Final = 2_208_988_800
"""From the NTP epoch (1900) to the Unix epoch (1970)."""

_FRACTION: Final = 1 << 32
_ABS_SEND_TIME_MODULUS: Final = 1 << 24
ABS_SEND_TIME_WRAP_SECONDS: Final = 64


def ntp_from_unix(unix_seconds: float) -> int:
    """64-bit NTP timestamp (32.32 fixed point); wraps in 2036 as RFC 3550 says it may."""
    return round((unix_seconds + NTP_UNIX_OFFSET_SECONDS) * _FRACTION) & 0xFFFFFFFFFFFFFFFF


def unix_from_ntp(ntp: int) -> float:
    """Unix seconds of a 64-bit NTP timestamp of era 0 (before 2036)."""
    return ntp / _FRACTION - NTP_UNIX_OFFSET_SECONDS


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits (16.16 fixed point): the LSR field of a report block."""
    return ntp >> 16 & 0xFFFFFFFF


def dlsr_from_seconds(seconds: float) -> int:
    """Delay since the last SR in units of 1/65536 s, clamped to the field's 0..2^32-1."""
    return min(max(round(seconds * 65536), 0), 0xFFFFFFFF)


def seconds_from_dlsr(dlsr: int) -> float:
    return dlsr / 65536


def round_trip_seconds(now_ntp: int, lsr: int, dlsr: int) -> float | None:
    """Round trip by RFC 3550 section 6.4.1 from a report block that arrived at `now_ntp`.

    None when the peer has had no SR yet (`lsr` 0) or the answer is negative, which only a peer that counts wrongly
    (or a clock step here) can make.
    """
    if lsr == 0:
        return None
    ticks = (ntp_middle(now_ntp) - lsr - dlsr) & 0xFFFFFFFF
    return ticks / 65536 if ticks < 0x80000000 else None


def abs_send_time(seconds: float) -> int:
    """24-bit 6.18 fixed-point time of the abs-send-time extension. Wraps every 64 s; the clock may be any."""
    return round(seconds * (1 << 18)) & 0xFFFFFF


def abs_send_time_diff_seconds(a: int, b: int) -> float:
    """Signed time from `b` to `a`, -32..32 s."""
    half = _ABS_SEND_TIME_MODULUS >> 1
    return (((a - b + half) & (_ABS_SEND_TIME_MODULUS - 1)) - half) / (1 << 18)
