import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.codecs import AV1, H264, OPUS, RED, VP8, VP9
from signaling.receive import ReceiveNegotiation, StaleAnswer
from signaling.sdp import SdpError, SsrcAttribute, SsrcGroup, parse
from tests.support.descriptions import BROWSERS, MICROPHONE, TRANSPORT, consumer, golden

H264_CB = H264["constrained-baseline", "1"]
DTX = OPUS.model_copy(update={"format_parameters": "stereo=1;usedtx=1"})


class Session:
    """A receive connection whose peer answered in a browser, offer by offer, when the golden files were made."""

    def __init__(self, browser):
        self.browser = browser
        self.negotiation = ReceiveNegotiation()
        self.offers = []

    def add(self, number, *codecs, participant="u", source=None):
        kind = "microphone" if codecs[0].mime_type.startswith("audio/") else "camera"
        self.negotiation.add(consumer(number, *codecs), f"{participant}{number}", source or kind)

    def offer(self):
        offer = self.negotiation.offer(TRANSPORT)
        self.offers.append(offer)
        return parse(offer.sdp, max_sections=100)

    def exchange(self, answer):
        self.offer()
        return self.negotiation.answer(self.offers[-1].offer_id, golden(f"{self.browser}_answer_{answer}"))

    def play(self, until):
        """The steps that the golden answers belong to; the result of the last."""
        self.add(1, H264_CB)
        result = self.exchange("h264_only")
        for step, change in (
            ("audio_vp8", lambda: (self.add(2, MICROPHONE), self.add(3, VP8, source="screen"))),
            ("all_codecs", self._add_all_codecs),
            ("idle", lambda: [self.negotiation.remove(f"c{number}") for number in (3, 2, 1)]),
            (
                "reused",
                lambda: (self.add(9, AV1["0"]), self.add(10, DTX), *(self.add(each, VP8) for each in (11, 12, 13))),
            ),
        ):
            if until == "h264_only":
                break
            change()
            result = self.exchange(step)
            if step == until:
                break
        return result

    def _add_all_codecs(self):
        self.add(4, RED, MICROPHONE)
        for number, codec in ((5, VP9["0"]), (6, AV1["0"]), (7, VP9["2"]), (8, H264["high", "1"])):
            self.add(number, codec)


def mirrored(sdp, **changes):
    """The plainest answer: every section of the offer received with all its codecs."""
    text = sdp.replace("a=ice-lite\r\n", "").replace("a=setup:actpass", "a=setup:active")
    text = text.replace("a=sendonly", "a=recvonly").replace("a=ice-ufrag:abcdefgh", "a=ice-ufrag:peer")
    lines = [line for line in text.split("\r\n") if not line.startswith(("a=ssrc", "a=msid:", "a=candidate"))]
    text = "\r\n".join(lines)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def offered(*consumers):
    negotiation = ReceiveNegotiation()
    for each in consumers:
        negotiation.add(each, "participant", "microphone" if each.kind == "audio" else "camera")
    return negotiation, negotiation.offer(TRANSPORT)


def test_an_offer_describes_each_stream_and_the_whole_transport_in_each_section():
    _, offer = offered(consumer(1, RED, MICROPHONE), consumer(2, VP8))
    description = parse(offer.sdp)
    audio, video = description.media
    assert description.ice_lite
    assert description.bundle == ("0", "1")
    assert video.msid == "participant p2"
    assert video.ssrc_groups == (SsrcGroup("FID", (1004, 1005)),)
    assert video.ssrc_attributes == (SsrcAttribute(1004, "cname", "cname2"), SsrcAttribute(1005, "cname", "cname2"))
    assert audio.ssrc_groups == ()
    assert [each.payload_type for each in audio.payload_formats] == [63, 111]
    assert [(each.payload_type, each.parameters) for each in video.payload_formats] == [(96, ""), (97, "apt=96")]
    for section in description.media:
        assert (section.direction, section.setup, section.rtcp_mux) == ("sendonly", "actpass", True)
        assert section.ice_ufrag == TRANSPORT.ice_ufrag
        assert section.fingerprints == TRANSPORT.fingerprints
        assert len(section.candidates) == 2
    assert offer.offer_id == 1
    track = offer.tracks[1]
    assert (track.mid, track.consumer_id, track.producer_id, track.kind) == ("1", "c2", "p2", "video")
    assert (track.participant_id, track.source) == ("participant", "camera")


def test_only_changes_want_an_offer_and_one_waits_for_the_other():
    negotiation = ReceiveNegotiation()
    assert not negotiation.wants_offer
    negotiation.remove("never added")
    assert not negotiation.wants_offer
    negotiation.add(consumer(1, VP8), "participant", "camera")
    assert negotiation.wants_offer
    offer = negotiation.offer(TRANSPORT)
    assert negotiation.outstanding == offer.offer_id
    negotiation.add(consumer(2, VP8), "participant", "screen")
    assert not negotiation.wants_offer
    with pytest.raises(RuntimeError):
        negotiation.offer(TRANSPORT)
    negotiation.answer(offer.offer_id, mirrored(offer.sdp))
    assert negotiation.wants_offer
    assert negotiation.outstanding is None
    second = negotiation.offer(TRANSPORT)
    assert (second.offer_id, len(second.tracks)) == (2, 2)
    assert parse(second.sdp).origin.split()[:2] == parse(offer.sdp).origin.split()[:2]


def test_what_was_removed_before_its_offer_is_never_offered():
    negotiation = ReceiveNegotiation()
    negotiation.add(consumer(1, VP8), "participant", "camera")
    negotiation.add(consumer(2, VP8), "participant", "screen")
    negotiation.remove("c1")
    offer = negotiation.offer(TRANSPORT)
    assert [track.consumer_id for track in offer.tracks] == ["c2"]
    assert len(parse(offer.sdp).media) == 1


def test_a_consumer_that_goes_while_its_offer_is_out_is_not_started():
    negotiation, offer = offered(consumer(1, VP8), consumer(2, VP8))
    negotiation.remove("c1")
    answer = negotiation.answer(offer.offer_id, mirrored(offer.sdp))
    assert (answer.accepted, answer.rejected) == ({"c2": (96, 97)}, ())
    assert negotiation.wants_offer
    assert [section.direction for section in parse(negotiation.offer(TRANSPORT).sdp).media] == ["inactive", "sendonly"]


def test_chromium_accepts_everything_that_it_can_decode():
    session = Session("chromium")
    first = session.play("h264_only")
    assert first.accepted == {"c1": (102, 103)}
    assert first.remote.local_dtls_role == "server"
    result = Session("chromium").play("all_codecs")
    assert result.accepted == {"c4": (63, 111), "c5": (98, 99), "c6": (45, 46), "c7": (100, 101)}
    assert result.rejected == ("c8",), "no high profile without a hardware encoder"


def test_firefox_without_h264_leaves_no_transport_and_the_next_answer_moves_the_bundle_tag():
    session = Session("firefox")
    first = session.play("h264_only")
    assert (first.remote, first.accepted, first.rejected) == (None, {}, ("c1",))
    session.add(2, MICROPHONE)
    session.add(3, VP8)
    second = session.exchange("audio_vp8")
    assert parse(golden("firefox_answer_audio_vp8")).bundle == ("1", "2")
    assert second.remote.local_dtls_role == "server"
    assert second.accepted == {"c2": (111,), "c3": (96, 97)}


def test_firefox_takes_opus_without_red():
    assert Session("firefox").play("all_codecs").accepted["c4"] == (111,)


@pytest.mark.parametrize("browser", BROWSERS)
def test_idle_sections_are_used_again_with_other_streams_and_codecs(browser):
    session = Session(browser)
    session.play("idle")
    idle = parse(session.offers[-1].sdp)
    assert [section.direction for section in idle.media[1:3]] == ["inactive", "inactive"]
    assert idle.media[1].ssrc_attributes == ()
    assert idle.media[1].msid == ""
    before = {section.mid for section in idle.media}
    for number, codecs in ((9, (AV1["0"],)), (10, (DTX,)), (11, (VP8,)), (12, (VP8,)), (13, (VP8,))):
        session.add(number, *codecs)
    result = session.exchange("reused")
    assert result.accepted == {"c9": (45, 46), "c10": (111,), "c11": (96, 97), "c12": (96, 97), "c13": (96, 97)}
    mids = {track.consumer_id: track.mid for track in session.offers[-1].tracks}
    assert mids["c9"] in before
    assert mids["c10"] in before
    reused = next(section for section in parse(session.offers[-1].sdp).media if section.mid == mids["c9"])
    assert reused.msid == "u9 p9"
    assert reused.ssrc_attributes[0].ssrc == 1018
    assert [each.payload_type for each in reused.payload_formats] == [45, 46]


def test_a_refused_section_is_offered_with_port_0_and_then_taken_by_a_new_mid():
    session = Session("firefox")
    session.play("audio_vp8")
    offer = parse(session.offers[-1].sdp)
    assert (offer.media[0].port, offer.media[0].mid, offer.bundle) == (0, "0", ("1", "2"))
    session._add_all_codecs()
    offer = session.offer()
    assert (offer.media[0].kind, offer.media[0].mid, offer.media[0].rejected) == ("audio", "3", False)


def test_a_stream_never_takes_the_place_of_another_without_an_idle_offer_between():
    negotiation, offer = offered(consumer(1, VP8))
    negotiation.answer(offer.offer_id, mirrored(offer.sdp))
    negotiation.remove("c1")
    negotiation.add(consumer(2, VP8), "participant", "camera")
    offer = negotiation.offer(TRANSPORT)
    assert [section.direction for section in parse(offer.sdp).media] == ["inactive", "sendonly"]
    negotiation.answer(offer.offer_id, mirrored(offer.sdp))
    negotiation.add(consumer(3, VP8), "participant", "camera")
    assert {track.consumer_id: track.mid for track in negotiation.offer(TRANSPORT).tracks} == {"c2": "1", "c3": "0"}


def test_guests_who_come_and_go_do_not_grow_the_description():
    negotiation = ReceiveNegotiation()
    for number in range(0, 60, 2):
        negotiation.add(consumer(number, MICROPHONE), "participant", "microphone")
        negotiation.add(consumer(number + 1, VP8), "participant", "camera")
        offer = negotiation.offer(TRANSPORT)
        negotiation.answer(offer.offer_id, mirrored(offer.sdp))
        negotiation.remove(f"c{number}")
        negotiation.remove(f"c{number + 1}")
    assert len(parse(offer.sdp).media) == 4


def test_a_full_stage_fits_a_frame_of_the_websocket():
    negotiation, offer = offered(*(consumer(number, H264_CB if number % 2 else MICROPHONE) for number in range(84)))
    assert len(offer.sdp) < 200_000
    assert len(negotiation.answer(offer.offer_id, mirrored(offer.sdp)).accepted) == 84


def test_only_new_consumers_are_accepted_and_a_later_refusal_is_told():
    negotiation, offer = offered(consumer(1, MICROPHONE), consumer(2, VP8))
    negotiation.answer(offer.offer_id, mirrored(offer.sdp))
    negotiation.add(consumer(3, VP8), "participant", "screen")
    offer = negotiation.offer(TRANSPORT)
    sections = mirrored(offer.sdp).split("m=")
    sections[2] = sections[2].replace("a=recvonly", "a=inactive")
    answer = negotiation.answer(offer.offer_id, "m=".join(sections))
    assert (answer.accepted, answer.rejected) == ({"c3": (96, 97)}, ("c2",))


def test_codecs_that_the_answer_drops_or_renames_are_not_sent():
    negotiation, offer = offered(consumer(1, RED, MICROPHONE))
    kept = mirrored(offer.sdp).replace("SAVPF 63 111", "SAVPF 111")
    assert negotiation.answer(offer.offer_id, kept).accepted == {"c1": (111,)}
    negotiation, offer = offered(consumer(1, RED, MICROPHONE))
    kept = mirrored(offer.sdp).replace("SAVPF 63 111", "SAVPF 63")
    assert negotiation.answer(offer.offer_id, kept).rejected == ("c1",), "RED of nothing"
    negotiation, offer = offered(consumer(1, VP8))
    renamed = mirrored(offer.sdp).replace("VP8/90000", "VP9/90000")
    assert negotiation.answer(offer.offer_id, renamed).rejected == ("c1",)
    negotiation, offer = offered(consumer(1, VP8))
    without_rtx = mirrored(offer.sdp).replace("SAVPF 96 97", "SAVPF 96")
    assert negotiation.answer(offer.offer_id, without_rtx).accepted == {"c1": (96,)}


def test_a_peer_that_wants_to_be_the_dtls_server_gets_a_client():
    negotiation, offer = offered(consumer(1, VP8))
    answer = negotiation.answer(offer.offer_id, mirrored(offer.sdp).replace("setup:active", "setup:passive"))
    assert answer.remote.local_dtls_role == "client"


def test_answers_to_other_offers_are_stale():
    negotiation, offer = offered(consumer(1, VP8))
    for offer_id in (0, 2):
        with pytest.raises(StaleAnswer):
            negotiation.answer(offer_id, mirrored(offer.sdp))
    negotiation.answer(1, mirrored(offer.sdp))
    with pytest.raises(StaleAnswer):
        negotiation.answer(1, mirrored(offer.sdp))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda sdp: "", "empty"),
        (lambda sdp: sdp.split("m=video")[0], "has 1 media sections"),
        (lambda sdp: sdp + "m=video 0 RTP/SAVPF 96\r\na=mid:9\r\n", "more than 2"),
        (lambda sdp: sdp.replace("a=mid:1", "a=mid:x"), "in the place of 1"),
        (lambda sdp: sdp.replace("m=video", "m=text"), "is video in the offer"),
        (lambda sdp: sdp.replace("a=recvonly", "a=sendrecv"), "sends"),
        (lambda sdp: sdp.replace("a=setup:active", "a=setup:actpass"), "a=setup"),
        (lambda sdp: sdp.replace("a=fingerprint", "a=x"), "a=fingerprint"),
        (lambda sdp: sdp.replace("a=ice-pwd", "a=x"), "a=ice-pwd"),
        (lambda sdp: sdp.replace("a=rtcp-mux", "a=x"), "rtcp-mux"),
        (lambda sdp: sdp.replace("BUNDLE 0 1", "BUNDLE 0"), "BUNDLE"),
    ],
)
def test_answers_that_do_not_fit_the_offer_are_refused_and_may_be_sent_again(change, complaint):
    negotiation, offer = offered(consumer(1, MICROPHONE), consumer(2, VP8))
    good = mirrored(offer.sdp)
    with pytest.raises(SdpError, match=complaint):
        negotiation.answer(offer.offer_id, change(good))
    assert negotiation.outstanding == offer.offer_id
    assert len(negotiation.answer(offer.offer_id, good).accepted) == 2


def test_the_transport_of_a_connection_stays():
    negotiation, offer = offered(consumer(1, VP8))
    negotiation.answer(offer.offer_id, mirrored(offer.sdp))
    negotiation.add(consumer(2, VP8), "participant", "screen")
    offer = negotiation.offer(TRANSPORT)
    with pytest.raises(SdpError, match="cannot change"):
        negotiation.answer(offer.offer_id, mirrored(offer.sdp).replace("ufrag:peer", "ufrag:other"))


@settings(max_examples=150)
@given(st.data())
def test_broken_answers_raise_nothing_but_sdp_errors(data):
    negotiation, offer = offered(consumer(1, RED, MICROPHONE), consumer(2, VP8))
    lines = mirrored(offer.sdp).split("\r\n")
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(lines) - 1))
        other = data.draw(st.integers(0, len(lines) - 1))
        if data.draw(st.booleans()):
            lines[index], lines[other] = lines[other], lines[index]
        else:
            lines[index] = lines[index][: data.draw(st.integers(0, len(lines[index])))]
    try:
        negotiation.answer(offer.offer_id, "\r\n".join(lines))
    except SdpError:
        assert negotiation.outstanding == offer.offer_id


async def test_aiortc_answers_offer_after_offer():
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tracks = []
    peer.on("track", lambda track: tracks.append((track.kind, track.id)))
    negotiation = ReceiveNegotiation()

    async def exchange():
        offer = negotiation.offer(TRANSPORT)
        await peer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return negotiation.answer(offer.offer_id, peer.localDescription.sdp)

    try:
        negotiation.add(consumer(1, RED, MICROPHONE), "ana", "microphone")
        negotiation.add(consumer(2, VP8), "ana", "camera")
        first = await exchange()
        assert first.accepted == {"c1": (111,), "c2": (96, 97)}
        assert first.remote.local_dtls_role == "server"
        assert tracks == [("audio", "p1"), ("video", "p2")]
        negotiation.add(consumer(3, H264_CB), "bob", "camera")
        second = await exchange()
        assert second.accepted == {"c3": (102, 103)}
        assert second.remote == first.remote
        negotiation.remove("c2")
        assert (await exchange()).rejected == ()
        assert [each.currentDirection for each in peer.getTransceivers()] == ["recvonly", "inactive", "recvonly"]
        negotiation.add(consumer(4, VP8), "eva", "camera")
        assert (await exchange()).accepted == {"c4": (96, 97)}
    finally:
        await peer.close()
