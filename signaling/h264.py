"""H.264 profiles as `profile-level-id` names them (RFC 6184 section 8.1)."""

from __future__ import annotations

import re
from typing import Final, Literal

H264Profile = Literal["constrained-baseline", "baseline", "main", "constrained-high", "high"]

DEFAULT_PROFILE_LEVEL_ID: Final = "420010"
"""Baseline at level 1: what a missing `profile-level-id` means."""

_HEX: Final = re.compile(r"[0-9a-fA-F]{6}")
# Table 5 of RFC 6184: profile_idc, and profile_iop as (bits that matter, their value). The first row that fits counts.
_PROFILES: Final[tuple[tuple[int, int, int, H264Profile], ...]] = (
    (0x42, 0b0100_1111, 0b0100_0000, "constrained-baseline"),
    (0x4D, 0b1000_1111, 0b1000_0000, "constrained-baseline"),
    (0x58, 0b1100_1111, 0b1100_0000, "constrained-baseline"),
    (0x42, 0b0100_1111, 0b0000_0000, "baseline"),
    (0x58, 0b1100_1111, 0b1000_0000, "baseline"),
    (0x4D, 0b1010_1111, 0b0000_0000, "main"),
    (0x64, 0b1111_1111, 0b0000_0000, "high"),
    (0x64, 0b1111_1111, 0b0000_1100, "constrained-high"),
)


def profile(profile_level_id: str) -> H264Profile | None:
    """The profile, whatever the level; None for one that browsers don't send or that is not six hex digits."""
    if not _HEX.fullmatch(profile_level_id):
        return None
    idc, iop = int(profile_level_id[:2], 16), int(profile_level_id[2:4], 16)
    return next(
        (name for row_idc, mask, value, name in _PROFILES if row_idc == idc and iop & mask == value),
        None,
    )
