"""Five per cent of the datagrams are lost in each direction, and the picture does not stand still."""

from __future__ import annotations

import itertools
from bisect import bisect

import pytest
from playwright.async_api import Browser

from tests.support.aiortc_peer import FPS
from tests.support.crew import Crew
from tests.support.lossy import LossyRelay
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

LOSS = 0.05
WATCHED_S = 10
LONGEST_FREEZE_S = 1.0


def relay(server: Server, seed: int) -> LossyRelay:
    return LossyRelay(("127.0.0.1", server.rtc_port), seed)


async def test_browsers_keep_decoding(crew: Crew, server: Server, chromium: Browser) -> None:
    async with relay(server, 5) as upstream, relay(server, 50) as downstream:
        host = await crew.person(chromium, "Hank Host", upstream.page_script())
        session_id = await host.go_live("On a bad line")
        host_id = await host.own_id()
        viewer = await crew.person(chromium, "Vince Viewer", downstream.page_script())
        await viewer.watch(session_id)
        await viewer.sees(host_id, timeout=40)
        await viewer.hears(host_id)

        upstream.loss = downstream.loss = LOSS
        before = await viewer.inbound(host_id, "camera")
        await viewer.watch_frames(host_id)
        await viewer.page.wait_for_timeout(WATCHED_S * 1000)
        freeze_s = await viewer.longest_freeze_s(host_id)
        after = await viewer.inbound(host_id, "camera")
        assert after["framesDecoded"] - before["framesDecoded"] > 8 * WATCHED_S, "most frames are decoded"
        assert freeze_s <= LONGEST_FREEZE_S
        assert after["nackCount"] > before["nackCount"]
        assert after["retransmittedPacketsReceived"] > before.get("retransmittedPacketsReceived", 0), "by RTX"
        for line in (upstream, downstream):
            assert line.counts["up_lost"] > 0
            assert line.counts["down_lost"] > 0
        sent = [report for report in await host.outbound() if report["kind"] == "video"]
        assert sent[0]["nackCount"] > 0, "what was lost before the server was asked for again"
        assert sent[0]["retransmittedPacketsSent"] > 0


async def test_aiortc_keeps_decoding(crew: Crew, server: Server) -> None:
    async with relay(server, 6) as upstream, relay(server, 60) as downstream:
        user, session_id = await crew.live()
        host = await crew.aiortc(user, session_id, relay=upstream)
        await host.publish("VP8")
        viewer = await crew.aiortc(await crew.user("Viewer"), session_id, relay=downstream)
        await until(lambda: viewer.video(host.id).pictured, "the picture arrives", timeout=40)

        upstream.loss = downstream.loss = LOSS
        sink = viewer.video(host.id)
        first = len(sink.arrivals)
        await until(lambda: len(sink.arrivals) >= first + 100, "a hundred frames are decoded", timeout=120)
        assert host.camera is not None
        taken = taken_between(host.camera.taken, sink.arrivals[first:])
        assert max(taken) <= LONGEST_FREEZE_S * FPS, f"frames that were taken between two that are seen: {taken}"
        assert sum(taken) - len(taken) <= LONGEST_FREEZE_S * FPS, f"frames that are never seen: {taken}"
        assert sink.pictured


def taken_between(taken: list[float], seen: list[float]) -> list[int]:
    """How many frames a camera has taken between each two that a viewer sees.

    A picture that stands still in the camera's time: as long as by the clock while the machine has time for both,
    which are one process. When it has none, neither moves.
    """
    return [bisect(taken, later) - bisect(taken, earlier) for earlier, later in itertools.pairwise(seen)]


async def test_no_packet_stays_lost(crew: Crew, server: Server) -> None:
    """A subscriber that asks until it is answered gets every packet of every frame."""
    async with relay(server, 7) as upstream, relay(server, 70) as downstream:
        user, session_id = await crew.live()
        host = await crew.raw(user, session_id, rewrite=upstream.rewrite_address)
        await host.publish("camera")
        viewer = await crew.raw(await crew.user("Viewer"), session_id, rewrite=downstream.rewrite_address)
        video = await viewer.receiving(host.id, "camera", packets=50)
        upstream.loss = downstream.loss = LOSS
        await viewer.receiving(host.id, "camera", packets=1500, timeout=60)
        upstream.loss = downstream.loss = 0.0
        lost_for_good = video.lost
        await until(
            lambda: video.lost <= 2, f"all holes are filled (at the end of the loss: {lost_for_good})", timeout=5
        )
        assert video.repaired > 30
