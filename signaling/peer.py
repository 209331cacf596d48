"""A participant's two media connections."""

from __future__ import annotations

from .media import RoomMedia
from .messages import Message, connection_stats
from .publisher import Publisher
from .subscriber import Subscriber


class Peer:
    """Implements `media.MediaPeer`."""

    def __init__(self, participant_id: str, media: RoomMedia) -> None:
        self.publisher = Publisher(participant_id, media)
        self.subscriber = Subscriber(participant_id, media)
        self._media = media

    def attach(self, *, resumed: bool) -> None:
        """There is a socket. Unless it `resumed`, both connections are gone on the other side."""
        if not resumed:
            self.publisher.close_soon()
        self.subscriber.attach(resumed=resumed)

    def refresh(self) -> None:
        self.subscriber.refresh()

    def forget(self) -> None:
        self.publisher.forget()
        self.subscriber.forget()

    def close_soon(self) -> None:
        """End both connections for good, in the background."""
        self.publisher.close_soon()
        self._media.spawn(self.subscriber.close())

    async def stats(self) -> list[Message]:
        """The connections that exist. Raises `MediaError`."""
        everything = await self._media.stats()
        named = (("publish", self.publisher.connection_id), ("receive", self.subscriber.connection_id))
        return [connection_stats(name, everything[key]) for name, key in named if key in everything]
