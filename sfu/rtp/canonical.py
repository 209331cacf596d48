"""The payload types and header extension ids that every subscriber sees.

They are the ones that browsers use most often themselves, which makes traces easier to read; nothing depends on that.
RFC 3551 leaves 96-127 and 35-63 to dynamic assignment (64-95 collides with RTCP under rtcp-mux, RFC 5761).
"""

from __future__ import annotations

from typing import Final

TRANSPORT_CC_URI: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
AUDIO_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
TOFFSET_URI: Final = "urn:ietf:params:rtp-hdrext:toffset"
VIDEO_ORIENTATION_URI: Final = "urn:3gpp:video-orientation"
PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
CONTENT_TYPE_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
VIDEO_TIMING_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
COLOR_SPACE_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
ABS_CAPTURE_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
DEPENDENCY_DESCRIPTOR_URI: Final = (
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)

TRANSPORT_CC_ID: Final = 1
ABS_SEND_TIME_ID: Final = 2

HOP_BY_HOP_URIS: Final = frozenset({TRANSPORT_CC_URI, ABS_SEND_TIME_URI, MID_URI, RID_URI, REPAIRED_RID_URI})
"""Extensions that speak about one connection only. The server reads them at ingress and never passes them on;
transport-cc and abs-send-time are written anew for every subscriber."""

EXTENSION_IDS: Final[dict[str, int]] = {
    TRANSPORT_CC_URI: TRANSPORT_CC_ID,
    ABS_SEND_TIME_URI: ABS_SEND_TIME_ID,
    AUDIO_LEVEL_URI: 3,
    TOFFSET_URI: 4,
    VIDEO_ORIENTATION_URI: 5,
    PLAYOUT_DELAY_URI: 6,
    CONTENT_TYPE_URI: 7,
    VIDEO_TIMING_URI: 8,
    COLOR_SPACE_URI: 9,
    ABS_CAPTURE_TIME_URI: 10,
    DEPENDENCY_DESCRIPTOR_URI: 11,
}
"""Canonical ids by URI. Ids 12-14 are given, room by room, to extensions that are not listed here. Higher ones would be
allowed by RFC 8285, but Firefox refuses an offer that has them."""

FIRST_FREE_EXTENSION_ID: Final = 12
