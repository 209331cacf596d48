"""Header extension ids: the publisher's in, the room's canonical ones out."""

from __future__ import annotations


class RoomExtensions:
    """The canonical ids of one room. Make one per room and give it to every `PublishNegotiation` of that room."""
