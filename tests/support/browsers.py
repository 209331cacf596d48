"""Real browsers, and a person in one of them who uses the page."""

from __future__ import annotations

import itertools
import re
import shutil
from dataclasses import dataclass
from typing import Any, Self

from playwright.async_api import Browser, Locator, Page, Playwright

from .console import listen
from .waiting import until

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    # The second camera measures depth, which no peer connection sends: the third is there to be changed to.
    "--use-fake-device-for-media-stream=device-count=3",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
    "--disable-quic",
    "--disable-background-networking",
]
FIREFOX_PREFERENCES: dict[str, str | float | bool] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
}
PAGE_TIMEOUT_MS = 30_000

PROBE_SCRIPT = """
(() => {
  const connections = (window.probeConnections = []);
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
})();
"""

INBOUND = """
async ([participantId, source]) => {
  const received = window.greenroom?.room?.receiver.find(participantId, source);
  if (!received) return null;
  const reports = await received.receiver.getStats();
  for (const report of reports.values()) {
    if (report.type !== "inbound-rtp") continue;
    return { ...JSON.parse(JSON.stringify(report)), mimeType: reports.get(report.codecId)?.mimeType };
  }
  return null;
}
"""

SENT = """
async () => {
  const found = [];
  for (const connection of window.probeConnections) {
    if (connection.connectionState === "closed") continue;
    for (const report of (await connection.getStats()).values()) {
      if (report.type === "outbound-rtp") found.push(JSON.parse(JSON.stringify(report)));
    }
  }
  return found;
}
"""

SAMPLE = """
(video) => {
  const canvas = document.createElement("canvas");
  canvas.width = 64;
  canvas.height = 36;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return {
    width: video.videoWidth,
    height: video.videoHeight,
    values: Array.from(data).filter((_, index) => index % 4 !== 3),
  };
}
"""

PREFER_CODEC = """
(() => {
  const original = RTCPeerConnection.prototype.createOffer;
  RTCPeerConnection.prototype.createOffer = function (...args) {
    for (const transceiver of this.getTransceivers()) {
      const kind = transceiver.sender.track?.kind;
      if (kind !== "MIME_TYPE".split("/")[0]) continue;
      const { codecs } = RTCRtpReceiver.getCapabilities(kind);
      const wanted = codecs.filter(({ mimeType }) => mimeType.toLowerCase() === "MIME_TYPE".toLowerCase());
      transceiver.setCodecPreferences([...wanted, ...codecs.filter((codec) => !wanted.includes(codec))]);
    }
    return original.apply(this, args);
  };
})();
"""

WATCH_FRAMES = """
(video) => {
  const log = (video.frameLog = []);
  const next = (now, { presentationTime, presentedFrames }) => {
    log.push([presentationTime, presentedFrames]);
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}
"""


def prefer_codec(mime_type: str) -> str:
    """A script that makes a page offer this codec first."""
    return PREFER_CODEC.replace("MIME_TYPE", mime_type)


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def firefox_path() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


async def launch_chromium(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)


async def launch_firefox(playwright: Playwright) -> Browser:
    return await playwright.firefox.launch(
        channel="moz-firefox", executable_path=firefox_path(), firefox_user_prefs=FIREFOX_PREFERENCES
    )


async def other_option(select: Locator) -> str:
    """The value of the last option that is not chosen, once there is one."""
    value: str | None = None

    async def found() -> bool:
        nonlocal value
        value = await select.evaluate("(e) => [...e.options].findLast(({ value }) => value !== e.value)?.value")
        return value is not None

    await until(found, "there is something else to choose")
    return str(value)


@dataclass(frozen=True)
class Sample:
    """A video element's picture at one moment, shrunk."""

    width: int
    height: int
    """Pixels of the video as it arrived; 0 before the first frame."""
    values: tuple[int, ...]
    """Red, green, blue, red, ... 0-255."""

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def variance(self) -> float:
        mean = self.mean
        return sum((value - mean) ** 2 for value in self.values) / len(self.values)

    def difference(self, other: Sample) -> float:
        """Mean absolute difference of two pictures, 0-255."""
        return sum(abs(a - b) for a, b in zip(self.values, other.values, strict=True)) / len(self.values)


class Person:
    """Somebody at a browser of their own: a context with one page. Made by `arrive`; `leave` closes it."""

    def __init__(self, name: str, page: Page, base_url: str) -> None:
        self.name = name
        self.page = page
        self.base_url = base_url
        listen(page.context)
        page.set_default_timeout(PAGE_TIMEOUT_MS)

    @classmethod
    async def arrive(cls, browser: Browser, base_url: str, name: str, *scripts: str) -> Self:
        """Open the page and sign in. `scripts` run before the page's own."""
        chromium = browser.browser_type.name == "chromium"
        context = await browser.new_context(
            permissions=["camera", "microphone"] if chromium else [],
            viewport={"width": 1280, "height": 800},
            # The tests' certificates sign themselves.
            ignore_https_errors=True,
        )
        for script in (PROBE_SCRIPT, *scripts):
            await context.add_init_script(script)
        person = cls(name, await context.new_page(), base_url)
        await person.page.goto(base_url)
        await person.by_id("sign-in-name").fill(name)
        await person.by_id("sign-in-button").click()
        await person.by_id("go-live").wait_for()
        return person

    def by_id(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    async def go_live(self, title: str) -> str:
        """Through the form; returns the session's id once the room is open."""
        await self.by_id("go-live").click()
        await self.by_id("go-live-title").fill(title)
        await self.by_id("start-live").click()
        await self.by_id("stage").wait_for()
        match = re.search(r"#/s/([^/?]+)", self.page.url)
        assert match, f"the room has no address of its own: {self.page.url}"
        return match[1]

    async def watch(self, session_id: str) -> None:
        """Through the list of live sessions."""
        await self.page.locator(f'[data-testid="session-card"][data-session-id="{session_id}"]').click()
        await self.by_id("stage").wait_for()

    async def ask_to_join(self, message: str = "") -> None:
        await self.by_id("ask-message").fill(message)
        await self.by_id("ask-to-join").click()

    async def go_on_stage(self) -> None:
        """Through the green room, which opens when the person is let on stage."""
        await self.by_id("go-on-stage").click()

    async def request_of(self, name: str) -> Locator:
        """The host's line about a request."""
        row = self.by_id("request-row").filter(has_text=name)
        await row.wait_for()
        return row

    async def approve(self, name: str) -> None:
        await (await self.request_of(name)).get_by_test_id("approve").click()

    async def manage(self, participant_id: str, action: str) -> None:
        """Press the button of an action in the host's panel."""
        row = self.page.locator(f'[data-testid="participant-row"][data-participant-id="{participant_id}"]')
        button = row.locator(f'[data-action="{action}"]')
        await button.wait_for(state="attached")
        if not await button.is_visible():
            await row.get_by_test_id("more-actions").click()
        await button.click()
        if action == "kick":
            await self.by_id("confirm-yes").click()

    async def own_id(self) -> str:
        """The caller's participant id."""
        return str(await self.page.evaluate("window.greenroom.room.state.you.id"))

    async def role(self) -> str:
        return str(await self.page.evaluate("window.greenroom.room.state.you?.role"))

    async def status(self) -> str:
        """Of the room's socket."""
        return str(await self.page.evaluate("window.greenroom?.room?.status ?? 'none'"))

    def video(self, participant_id: str) -> Locator:
        return self.page.locator(
            f'[data-testid="tile"][data-participant-id="{participant_id}"][data-source="camera"] video'
        )

    async def inbound(self, participant_id: str, source: str) -> dict[str, Any]:
        """`inbound-rtp` statistics of a source and their codec's `mimeType`; empty while there are none."""
        return await self.page.evaluate(INBOUND, [participant_id, source]) or {}

    async def outbound(self) -> list[dict[str, Any]]:
        """All `outbound-rtp` statistics."""
        return list(await self.page.evaluate(SENT))

    async def sample(self, participant_id: str) -> Sample:
        picture = await self.video(participant_id).evaluate(SAMPLE)
        return Sample(picture["width"], picture["height"], tuple(picture["values"]))

    async def sees(self, participant_id: str, *, timeout: float = 30, textured: bool = True) -> None:
        """Wait until that participant's camera is decoded and shown: frames grow, the picture is not black and changes.

        `textured` false allows a picture of one colour, as Firefox's fake camera sends.
        """

        async def decoding() -> int:
            return int((await self.inbound(participant_id, "camera")).get("framesDecoded", 0))

        first: int = await until(decoding, f"{self.name} decodes {participant_id}", timeout=timeout)

        async def growing() -> bool:
            return await decoding() > first + 5

        await until(growing, f"the frames that {self.name} decodes keep growing", timeout=timeout)
        before = await self.sample(participant_id)

        async def moving() -> bool:
            picture = await self.sample(participant_id)
            seen = picture.mean > 10 and (picture.variance > 50 or not textured)
            return bool(seen and picture.difference(before) > 0.2)

        await until(moving, f"{self.name} sees a changing picture of {participant_id}", timeout=timeout, interval=0.2)

    async def hears(self, participant_id: str, *, timeout: float = 30) -> None:
        """Wait until sound energy of that participant arrives."""

        async def energy() -> float:
            return float((await self.inbound(participant_id, "microphone")).get("totalAudioEnergy", 0))

        before = await energy()

        async def louder() -> bool:
            return await energy() > before + 1e-5

        await until(louder, f"{self.name} hears {participant_id}", timeout=timeout)

    async def watch_frames(self, participant_id: str) -> None:
        """Begin to log when frames of that participant are presented."""
        await self.video(participant_id).evaluate(WATCH_FRAMES)

    async def longest_freeze_s(self, participant_id: str) -> float:
        """The longest time between two successive frames since `watch_frames`.

        A callback may come late or be left out when the page is busy: the browser's own times and numbers of the
        presented frames tell that from a picture that stood still.
        """
        log = await self.video(participant_id).evaluate("(video) => video.frameLog")
        assert len(log) > 1, "no frame was presented"
        gaps = [
            (later - earlier) / max(frames - before, 1)
            for (earlier, before), (later, frames) in itertools.pairwise(log)
        ]
        return float(max(gaps)) / 1000

    async def leave(self) -> None:
        await self.page.context.close()
