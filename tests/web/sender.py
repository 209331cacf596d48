"""The server's side of a receive connection, played by the page of `far_end`."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.fake_server import FakeServer, Message

Wanted = list[tuple[str, str, str]]
"""Participant id, source, kind."""

DECODED = """
async ([participantId, source]) => {
  const received = (window.room ?? window.greenroom.room).receiver.find(participantId, source);
  for (const report of (await received.receiver.getStats()).values()) {
    if (report.type === "inbound-rtp") return report.framesDecoded ?? report.packetsReceived;
  }
  return 0;
}
"""


def producer_id(participant_id: str, source: str) -> str:
    return f"{participant_id}-{source}"


def source_state(participant_id: str, source: str, *, paused: bool = False) -> Message:
    """A line of a participant's `sources`, as `Sender` offers it."""
    kind = "audio" if source in ("microphone", "screen_audio") else "video"
    return {"source": source, "kind": kind, "producer_id": producer_id(participant_id, source), "paused": paused}


class Sender:
    def __init__(self, page: Page, server: FakeServer, far_end: Page) -> None:
        self.page, self.server, self.far_end = page, server, far_end
        self._mids: dict[str, str] = {}

    async def offer(self, wanted: Wanted, new: list[str], fresh: bool = False) -> Message:
        """Offer sections for `new` kinds and list `wanted` in the order of the sections. Returns the answer."""
        offer = await self.far_end.evaluate("([kinds, fresh]) => farEnd.offer(kinds, fresh)", [new, fresh])
        tracks: list[dict[str, Any]] = [
            {"mid": mid, "participant_id": who, "producer_id": producer_id(who, source), "source": source, "kind": kind}
            for mid, (who, source, kind) in zip(offer.pop("mids"), wanted, strict=False)
        ]
        self._mids = {track["producer_id"]: track["mid"] for track in tracks}
        count = len(self.server.received["receive_answer"])
        await self.server.push("receive_offer", tracks=tracks, **offer)
        answer = await self.server.wait_for("receive_answer", count + 1)
        assert (answer["connection_id"], answer["offer_id"]) == (offer["connection_id"], offer["offer_id"])
        await self.far_end.evaluate("(sdp) => farEnd.accept(sdp)", answer["sdp"])
        return answer

    async def arrives(self, participant_id: str, source: str) -> None:
        async def decoded() -> bool:
            return int(await self.page.evaluate(DECODED, [participant_id, source])) > 5

        await until(decoded, f"{source} of {participant_id} arrives")

    async def speak(self, participant_id: str, volume: float) -> None:
        """From now on their microphone has a tone; 0 is silence."""
        mid = self._mids[producer_id(participant_id, "microphone")]
        await self.far_end.evaluate("([mid, volume]) => farEnd.speak(mid, volume)", [mid, volume])

    async def events(self) -> list[str]:
        return list(await self.page.evaluate("events.splice(0)"))
