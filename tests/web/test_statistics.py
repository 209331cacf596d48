"""web/lib/statistics.js and statistics_digest.js: what browsers measure, as numbers about people."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, participant
from tests.web.sender import Sender, source_state

pytestmark = pytest.mark.asyncio(loop_scope="session")

DIGEST = """
async ({ up, down }) => {
  const { digest } = await import("/lib/statistics_digest.js");
  const byId = (reports) => new Map((reports ?? []).map((report) => [report.id, report]));
  const reading = (direction, given) => given && {
    state: "connected", direction, reports: byId(given.now), before: byId(given.before),
    ownerOf: ({ id }) => (id.startsWith("?") ? null : { participantId: "p-hana", producerId: id, source: "camera" }),
  };
  return digest(reading("up", up), reading("down", down), 1_000);
}
"""
OPEN = """
async (url) => {
  const { Room } = await import("/lib/index.js");
  window.room = new Room({ retryMs: 20, retryMaxMs: 40 });
  await room.connect(url, "the-token");
}
"""
PUBLISH = """
async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  const [camera, microphone] = [...stream.getVideoTracks(), ...stream.getAudioTracks()];
  await Promise.all([room.publish("camera", camera), room.publish("microphone", microphone)]);
}
"""
COUNT_READINGS = """
() => {
  window.readings = 0;
  const { getStats } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.getStats = function (...args) {
    readings += 1;
    return getStats.apply(this, args);
  };
}
"""
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
HANA = [("p-hana", "microphone", "audio"), ("p-hana", "camera", "video")]
Report = dict[str, Any]


def inbound(at_ms: float, **values: Any) -> Report:
    return {"id": "I", "type": "inbound-rtp", "kind": "video", "timestamp": at_ms, **values}


async def digest(page: Page, server: FakeServer, **readings: Any) -> dict[str, Any]:
    await page.goto(f"{server.url}/icon.svg")
    return dict(await page.evaluate(DIGEST, {"up": None, "down": None, **readings}))


async def test_a_received_source_in_numbers(page: Page, server: FakeServer) -> None:
    before = inbound(1000, bytesReceived=1000, packetsReceived=100, packetsLost=5, totalFreezesDuration=1.0)
    now = inbound(
        3000,
        bytesReceived=251_000,
        packetsReceived=190,
        packetsLost=15,
        totalFreezesDuration=1.5,
        codecId="C",
        frameWidth=1280,
        frameHeight=720,
        framesPerSecond=29,
        jitter=0.012,
    )
    codec = {"id": "C", "type": "codec", "mimeType": "video/VP8"}
    result = await digest(page, server, down={"before": [before], "now": [now, codec, inbound(3000, id="?x")]})
    assert result["up"] is None
    [source] = result["sources"]
    assert source["codec"] == "VP8"
    assert (source["width"], source["height"], source["framesPerSecond"]) == (1280, 720, 29)
    assert source["bitrateBps"] == 1_000_000
    assert source["loss"] == result["down"]["loss"] == 0.1
    assert source["jitterMs"] == 12
    assert source["frozen"] == 0.25


async def test_a_first_reading_has_no_rates_and_says_so(page: Page, server: FakeServer) -> None:
    now = inbound(3000, bytesReceived=251_000, packetsReceived=190, packetsLost=15)
    result = await digest(page, server, down={"now": [now]})
    [source] = result["sources"]
    assert source["bitrateBps"] is None
    assert source["loss"] is None
    assert result["down"]["server"] is None


async def test_sound_has_a_level_and_what_was_made_up_for_it(page: Page, server: FakeServer) -> None:
    counters = ("totalAudioEnergy", "totalSamplesDuration", "totalSamplesReceived", "concealedSamples")
    before = inbound(0, kind="audio", **dict.fromkeys(counters, 0), silentConcealedSamples=0)
    now = inbound(
        1000,
        kind="audio",
        totalAudioEnergy=0.04,
        totalSamplesDuration=1.0,
        totalSamplesReceived=48_000,
        concealedSamples=7_200,
        silentConcealedSamples=2_400,
    )
    [source] = (await digest(page, server, down={"before": [before], "now": [now]}))["sources"]
    assert source["level"] == pytest.approx(0.2)
    assert source["concealed"] == pytest.approx(0.1)


@pytest.mark.parametrize("named", [True, False], ids=["transport", "pair"])
async def test_the_way_of_the_packets(page: Page, server: FakeServer, named: bool) -> None:
    unused = {"id": "P0", "type": "candidate-pair", "nominated": False, "state": "succeeded"}
    pair: Report = {"id": "P1", "type": "candidate-pair", "localCandidateId": "L", "remoteCandidateId": "R"}
    pair |= {"nominated": True, "state": "succeeded", "currentRoundTripTime": 0.05, "timestamp": 2000}
    pair |= {"bytesSent": 10_000, "availableOutgoingBitrate": 900_000}
    local = {"id": "L", "type": "local-candidate", "candidateType": "relay", "protocol": "udp", "relayProtocol": "tcp"}
    remote = {"id": "R", "type": "remote-candidate", "address": "2001:db8::1", "port": 40_000}
    transport = [{"id": "T", "type": "transport", "selectedCandidatePairId": "P1"}] if named else []
    before = [{**pair, "timestamp": 1000, "bytesSent": 0}]
    result = await digest(page, server, up={"before": before, "now": [unused, pair, local, remote, *transport]})
    assert result["up"] == {
        "state": "connected",
        "bitrateBps": 80_000,
        "rttMs": 50,
        "loss": None,
        "availableBps": 900_000,
        "candidateType": "relay",
        "protocol": "tcp",
        "server": "[2001:db8::1]:40000",
    }


async def test_what_the_server_tells_of_a_sent_source(page: Page, server: FakeServer) -> None:
    sent = {
        "id": "O",
        "type": "outbound-rtp",
        "kind": "video",
        "remoteId": "RI",
        "qualityLimitationReason": "bandwidth",
    }
    told = {"id": "RI", "type": "remote-inbound-rtp", "fractionLost": 0.25, "jitter": 0.02, "roundTripTime": 0.08}
    before = [{**sent, "timestamp": 0, "bytesSent": 0, "packetsSent": 0}]
    now = [{**sent, "timestamp": 1000, "bytesSent": 50_000, "packetsSent": 100}, told]
    result = await digest(page, server, up={"before": before, "now": now})
    [source] = result["sources"]
    assert source["own"]
    assert (source["loss"], source["jitterMs"], source["limitedBy"]) == (0.25, 20, "bandwidth")
    assert source["bitrateBps"] == 400_000
    assert (result["up"]["loss"], result["up"]["rttMs"]) == (0.25, 80)


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_browsers_measure_both_connections(page: Page, server: FakeServer, far_end: Page) -> None:
    server.as_person("Vera", "guest", [participant("Hana", "host")])
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    await page.evaluate(PUBLISH)
    sender = Sender(page, server, far_end)
    await sender.offer(HANA, ["audio", "video"])
    await page.evaluate("() => void room.statistics.watch((now) => (window.latest = now), 500)")

    async def complete() -> Any:
        now = await page.evaluate("window.latest ?? null")
        if not now or len(now["sources"]) < 4 or not now["up"] or not now["down"]:
            return None
        sources = {(source["own"], source["source"]): source for source in now["sources"]}
        moving = all(source["bitrateBps"] and source["codec"] for source in sources.values())
        pictures = [source for source in sources.values() if source["kind"] == "video"]
        sized = all(source["width"] and source["framesPerSecond"] for source in pictures)
        told = all(source["loss"] is not None and source["jitterMs"] is not None for source in sources.values())
        paths = all(path["bitrateBps"] and path["rttMs"] is not None for path in (now["up"], now["down"]))
        return now if moving and sized and told and paths else None

    now = await until(complete, "everything is measured", timeout=30)
    assert {source["participantId"] for source in now["sources"] if source["own"]} == {"p-vera"}
    assert {source["participantId"] for source in now["sources"] if not source["own"]} == {"p-hana"}
    assert {source["codec"] for source in now["sources"] if source["kind"] == "audio"} == {"opus"}
    for path in (now["up"], now["down"]):
        assert path["state"] == "connected"
        assert path["candidateType"] in ("host", "prflx")
        assert path["protocol"] == "udp"
        assert path["server"]


async def test_all_who_want_to_know_share_one_reading(page: Page, server: FakeServer, far_end: Page) -> None:
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    await Sender(page, server, far_end).offer(HANA, ["audio", "video"])
    await page.evaluate(COUNT_READINGS)
    counts = await page.evaluate(
        """
        () => new Promise((resolve) => {
          const counts = [0, 0, 0];
          const stops = [];
          stops.push(room.statistics.watch(() => ++counts[0] === 10 && resolve([...counts, readings]), 50));
          stops.push(room.statistics.watch(() => counts[1]++, 50));
          stops.push(room.statistics.watch(() => counts[2]++, 150));
          window.stops = stops;
        })
        """
    )
    _, same, rarer, readings = counts
    assert same >= 9
    assert 1 <= rarer <= 6
    # Each for themselves they would read 20 times and more.
    assert readings <= 15
    await page.evaluate("stops.forEach((stop) => stop())")


async def test_nothing_is_read_while_the_page_is_hidden(page: Page, server: FakeServer, far_end: Page) -> None:
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    await Sender(page, server, far_end).offer(HANA, ["audio", "video"])
    await page.evaluate(COUNT_READINGS)
    await page.evaluate(HIDE, True)
    await page.evaluate("() => void room.statistics.watch(() => {}, 50)")
    # As many turns as would have been several readings.
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 300))")
    assert await page.evaluate("readings") == 0
    await page.evaluate(HIDE, False)
    await until(lambda: page.evaluate("readings > 2"), "it is read again")
    await page.evaluate("room.disconnect()")


async def test_sources_that_come_and_go(page: Page, server: FakeServer, far_end: Page) -> None:
    hana = participant("Hana", "host", sources=[source_state("p-hana", "camera")])
    server.as_person("Vera", "viewer", [hana])
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    assert (await page.evaluate("room.statistics.read()"))["down"] is None
    sender = Sender(page, server, far_end)
    await sender.offer(HANA, ["audio", "video"])
    await sender.arrives("p-hana", "camera")
    assert len((await page.evaluate("room.statistics.read()"))["sources"]) == 2
    await sender.offer([HANA[0]], [])
    sources = (await page.evaluate("room.statistics.read()"))["sources"]
    assert [source["source"] for source in sources] == ["microphone"]
