"""A room of its own that hostile things happen beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from .crew import Crew
from .raw_peer import RawPeer
from .raw_streams import ReceivedStream
from .waiting import until


@dataclass
class ControlRoom:
    """A publisher and a subscriber whose packets are counted."""

    host: RawPeer
    viewer: RawPeer

    @classmethod
    async def build(cls, crew: Crew) -> Self:
        user, session_id = await crew.live("Control host")
        host = await crew.raw(user, session_id)
        await host.publish()
        viewer = await crew.raw(await crew.user("Control viewer"), session_id)
        for source in ("camera", "microphone"):
            await viewer.receiving(host.id, source)
        return cls(host, viewer)

    async def assert_undisturbed(self) -> None:
        """Nothing is lost, nothing was reset, and media still flows."""
        for source in ("camera", "microphone"):
            stream = await self.viewer.receiving(self.host.id, source)
            before = stream.received
            await until(lambda stream=stream, before=before: stream.received > before, f"more of the {source}")
            await _whole(stream)
        for peer in (self.host, self.viewer):
            assert not peer.ws.closed.is_set()
            assert peer.resets == 0
            assert peer.failures == []
            assert (await peer.ws.request("ping"))["type"] == "pong"


async def _whole(stream: ReceivedStream) -> None:
    await until(lambda: stream.lost == 0, "no packet is missing", timeout=5)
