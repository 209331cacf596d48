"""Session descriptions that can't be used, beside a room that must not notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import sdp
from tests.support.crew import Crew
from tests.support.raw_transport import RawTransport
from tests.support.ws import ProtocolError

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("control_room"),
]


def good_offer() -> str:
    return sdp.publish_offer(RawTransport().local, [sdp.SentTrack("0", "audio", 1), sdp.SentTrack("1", "video", 2, 3)])


def without(offer: str, prefix: str) -> str:
    return "\r\n".join(line for line in offer.split("\r\n") if not line.startswith(prefix))


def thousand_sections() -> str:
    """In less than the largest frame."""
    first = good_offer()
    return first + "".join(f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{index}\r\n" for index in range(2, 1000))


BAD_OFFERS: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no SDP": lambda: "hello",
    "binary": lambda: "\x00\ud83d\ude00\r\n" * 20,
    "truncated": lambda: good_offer()[:120],
    "truncated in a media section": lambda: good_offer()[: good_offer().index("a=rtpmap")],
    "without fingerprint": lambda: without(good_offer(), "a=fingerprint"),
    "with a fingerprint that is none": lambda: good_offer().replace("sha-256 ", "sha-256 ZZ:"),
    "without ICE": lambda: without(without(good_offer(), "a=ice-ufrag"), "a=ice-pwd"),
    "a thousand media sections": thousand_sections,
    "the same mid twice": lambda: good_offer().replace("a=mid:1", "a=mid:0"),
    "payload type out of range": lambda: good_offer().replace(f"{sdp.OPUS_PT}", "300"),
    "no known codec": lambda: good_offer().replace("opus/48000/2", "speex/16000").replace("VP8/90000", "H261/90000"),
}


@pytest.mark.parametrize("name", BAD_OFFERS)
async def test_bad_offers(crew: Crew, name: str) -> None:
    user, session_id = await crew.live()
    client = await crew.socket(user, session_id)
    offer = BAD_OFFERS[name]()
    sources = {"0": "microphone", "1": "camera"}
    with pytest.raises(ProtocolError) as refused:
        await client.request("publish_offer", connection_id=None, sdp=offer, sources=sources)
    assert refused.value.code == "invalid_sdp"
    good = await client.request("publish_offer", connection_id=None, sdp=good_offer(), sources=sources)
    assert good["type"] == "publish_answer", "a good offer is welcome after a bad one"


async def test_bad_answers(crew: Crew) -> None:
    host_user, session_id = await crew.live()
    host = await crew.raw(host_user, session_id)
    await host.publish()
    client = await crew.socket(await crew.user("Viewer"), session_id)
    offer = await client.wait_for("receive_offer")
    ids = {"connection_id": offer["connection_id"], "offer_id": offer["offer_id"]}
    local = RawTransport().local
    good = sdp.receive_answer(local, sdp.parse(offer["sdp"]))
    for bad in ("", "v=0\r\n", good[:150], without(good, "a=fingerprint"), thousand_sections()):
        with pytest.raises(ProtocolError) as refused:
            await client.request("receive_answer", **ids, sdp=bad)
        assert refused.value.code == "invalid_sdp"
    for stale in (ids | {"offer_id": 4711}, ids | {"connection_id": "unheard-of"}):
        with pytest.raises(ProtocolError) as refused:
            await client.request("receive_answer", **stale, sdp=good)
        assert refused.value.code == "stale_answer"
