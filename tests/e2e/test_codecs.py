"""Every codec that browsers send passes through undecoded."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.support.browsers import prefer_codec
from tests.support.crew import Crew

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest.mark.parametrize("mime_type", ["video/VP8", "video/H264", "video/VP9", "video/AV1"])
async def test_chromium_to_chromium(crew: Crew, chromium: Browser, mime_type: str) -> None:
    host = await crew.person(chromium, "Cora Codec", prefer_codec(mime_type))
    session_id = await host.go_live(f"In {mime_type}")
    host_id = await host.own_id()
    viewer = await crew.person(chromium, "Vicky Viewer")
    await viewer.watch(session_id)
    await viewer.sees(host_id, timeout=60)
    assert (await viewer.inbound(host_id, "camera"))["mimeType"] == mime_type
    # Whoever comes later has to be given a keyframe of this codec.
    late = await crew.person(chromium, "Lara Late")
    await late.watch(session_id)
    await late.sees(host_id, timeout=60)


@pytest.mark.parametrize("name", ["red", "opus"])
async def test_sound(crew: Crew, chromium: Browser, name: str) -> None:
    host = await crew.person(chromium, "Arno Audio", prefer_codec(f"audio/{name}"))
    session_id = await host.go_live(f"In {name}")
    host_id = await host.own_id()
    viewer = await crew.person(chromium, "Vera Viewer")
    await viewer.watch(session_id)
    await viewer.hears(host_id, timeout=60)
    # A browser's statistics name what is inside RED only.
    peer = await crew.raw(await crew.user("Viewer"), session_id)
    stream = await peer.receiving(host_id, "microphone", packets=30)
    assert stream.codecs == {name}


@pytest.mark.parametrize("mime_type", ["video/VP8", "video/VP9", "video/AV1"])
async def test_firefox_to_chromium(crew: Crew, chromium: Browser, firefox: Browser, mime_type: str) -> None:
    host = await crew.person(firefox, "Fiona Fox", prefer_codec(mime_type))
    session_id = await host.go_live(f"In {mime_type}")
    host_id = await host.own_id()
    viewer = await crew.person(chromium, "Viktor Viewer")
    await viewer.watch(session_id)
    await viewer.sees(host_id, timeout=60, textured=False)
    assert (await viewer.inbound(host_id, "camera"))["mimeType"] == mime_type
