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

_MAX_URI_CHARACTERS: Final = 256
# Encrypted elements (RFC 6904) could not be read at ingress. Without simulcast there are no RIDs to read.
_REFUSED_URIS: Final = frozenset({"urn:ietf:params:rtp-hdrext:encrypt", RID_URI, REPAIRED_RID_URI})


class RoomExtensions:
    """The canonical ids of one room. Make one per room and give it to every `PublishNegotiation` of that room.

    Extensions without a canonical id of their own get a free one when a publisher first offers them, and keep it. When
    all ids of the one-byte form are given away a further extension is not accepted: Firefox refuses a whole offer that
    maps an id above 14, though it says `a=extmap-allow-mixed` itself.
    """

    def __init__(self) -> None:
        self._unlisted: dict[str, int] = {}

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
        free_id = FIRST_FREE_EXTENSION_ID + len(self._unlisted)
        if known is not None or free_id > ONE_BYTE_MAX_ID:
            return known
        self._unlisted[uri] = free_id
        return free_id
