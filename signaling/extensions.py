"""Header extension ids (RFC 8285): the publisher's in, the room's canonical ones out."""

from __future__ import annotations

from typing import Final

from sfu.rtp.canonical import (
    EXTENSION_IDS,
    FIRST_FREE_EXTENSION_ID,
    MID_URI,
    REPAIRED_RID_URI,
    RID_URI,
    TRANSPORT_CC_URI,
)
from sfu.rtp.parameters import HeaderExtension, ReceivedHeaderExtension

from .sdp import ExtMap, MediaDescription

ONE_BYTE_MAX_ID: Final = 14
RESERVED_ID: Final = 15
MAX_ID: Final = 255
MID_ID: Final = MAX_ID
"""Stands where a `HeaderExtension` needs an id; MID is read at ingress and never offered to subscribers."""

MAX_UNKNOWN_URIS: Final = 32
"""Unlisted extensions of one room. Browsers have three or four of them; the bound is against a hostile publisher."""
_MAX_URI_CHARACTERS: Final = 256
# Encrypted elements (RFC 6904) could not be read at ingress. Without simulcast there are no RIDs to read.
_REFUSED_URIS: Final = frozenset({"urn:ietf:params:rtp-hdrext:encrypt", RID_URI, REPAIRED_RID_URI})


class RoomExtensions:
    """The canonical ids of one room. Make one per room and give it to every `PublishNegotiation` of that room.

    Extensions without a canonical id of their own get a free one when a publisher first offers them, and keep it.
    """

    def __init__(self) -> None:
        self._unlisted: dict[str, int] = {}
        self._next_id = FIRST_FREE_EXTENSION_ID

    def negotiate(
        self, section: MediaDescription, feedback: frozenset[str]
    ) -> tuple[tuple[ReceivedHeaderExtension, ...], tuple[ExtMap, ...]]:
        """What a publisher's section sends and the server accepts, and the `a=extmap` lines of the answer.

        transport-cc is accepted only with the feedback of that name, so that its presence in a producer says which kind
        of congestion feedback the publisher understands. Ids of the two-byte form need `a=extmap-allow-mixed`.
        """
        received: dict[str, ReceivedHeaderExtension] = {}
        for offered in section.extmaps:
            if offered.uri in received or not self._acceptable(offered, section.extmap_allow_mixed, feedback):
                continue
            canonical_id = self._canonical_id(offered.uri)
            if canonical_id is not None:
                received[offered.uri] = ReceivedHeaderExtension(
                    id=offered.id, extension=HeaderExtension(uri=offered.uri, id=canonical_id)
                )
        return tuple(received.values()), tuple(ExtMap(each.id, uri) for uri, each in received.items())

    @staticmethod
    def _acceptable(offered: ExtMap, allow_mixed: bool, feedback: frozenset[str]) -> bool:
        if offered.id == RESERVED_ID or offered.id > (MAX_ID if allow_mixed else ONE_BYTE_MAX_ID):
            return False
        if offered.direction in ("recvonly", "inactive") or offered.uri in _REFUSED_URIS:
            return False
        if len(offered.uri) > _MAX_URI_CHARACTERS or offered.attributes:
            return False
        return offered.uri != TRANSPORT_CC_URI or "transport-cc" in feedback

    def _canonical_id(self, uri: str) -> int | None:
        known = MID_ID if uri == MID_URI else EXTENSION_IDS.get(uri) or self._unlisted.get(uri)
        if known is not None or len(self._unlisted) >= MAX_UNKNOWN_URIS:
            return known
        free_id = self._next_id
        self._unlisted[uri] = free_id
        self._next_id = free_id + 1 if free_id + 1 != RESERVED_ID else RESERVED_ID + 1
        return free_id
