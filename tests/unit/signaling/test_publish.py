import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.rtp.canonical import TRANSPORT_CC_URI
from sfu.rtp.parameters import Encoding
from signaling.extensions import RoomExtensions
from signaling.publish import PublishNegotiation
from signaling.sdp import SdpError, parse
from tests.support.descriptions import BROWSERS, TRANSPORT, golden, sources_of

OFFERS = [f"{browser}_offer_{name}" for browser in BROWSERS for name in ("camera", "max_bundle", "red", "simulcast")]


def negotiation():
    return PublishNegotiation(RoomExtensions())


def answered(sdp, **named):
    made = negotiation()
    plan = made.parse_offer(sdp, sources_of(sdp, **named))
    return plan, parse(made.answer(plan, TRANSPORT))


@pytest.mark.parametrize("name", OFFERS)
def test_the_answer_has_the_sections_of_the_offer_and_one_ice_lite_transport(name):
    offer = parse(golden(name))
    plan, answer = answered(golden(name))
    assert plan.first
    assert answer.ice_lite
    assert [(section.kind, section.mid) for section in answer.media] == [(each.kind, each.mid) for each in offer.media]
    accepted = [section for section in answer.media if not section.rejected]
    assert answer.bundle == tuple(section.mid for section in accepted)
    assert [len(section.candidates) for section in accepted] == [2] + [0] * (len(accepted) - 1)
    assert accepted[0].end_of_candidates
    for section in accepted:
        assert (section.direction, section.setup, section.rtcp_mux) == ("recvonly", "passive", True)
        assert section.ice_ufrag == TRANSPORT.ice_ufrag
        assert section.fingerprints == TRANSPORT.fingerprints
        assert section.simulcast == ""
        assert section.rids == ()
    assert plan.remote.local_dtls_role == "server"


def test_a_chromium_camera_and_microphone_become_producers():
    plan, _ = answered(golden("chromium_offer_camera"))
    microphone, camera = plan.producers
    assert (microphone.source, camera.source) == ("microphone", "camera")
    assert camera.parameters.encodings == (Encoding(ssrc=2521768336, rtx_ssrc=2028196062),)
    assert microphone.parameters.encodings == (Encoding(ssrc=7243135),)
    assert microphone.parameters.cname == camera.parameters.cname == "PXrGAOvJtEYyFgF0"
    assert TRANSPORT_CC_URI in {each.extension.uri for each in camera.parameters.header_extensions}
    assert plan.remote.ice_ufrag == "Fm4O"
    assert plan.started == plan.producers
    assert plan.ended == ()


def test_of_simulcast_the_first_stream_is_taken_and_rids_are_left_to_the_mid():
    (_, firefox), (_, chromium) = (
        answered(golden(f"{name}_offer_simulcast"))[0].producers for name in ("firefox", "chromium")
    )
    assert firefox.parameters.encodings == (Encoding(ssrc=1563128756, rtx_ssrc=1701308416),)
    assert chromium.parameters.encodings == (Encoding(),)
    assert chromium.parameters.mid == "1"


def test_a_data_channel_is_refused_in_its_place():
    _, answer = answered(golden("chromium_offer_simulcast"))
    assert (answer.media[2].kind, answer.media[2].port, answer.media[2].mid) == ("application", 0, "2")


def test_the_same_offer_again_changes_nothing():
    sdp = golden("chromium_offer_camera")
    made = negotiation()
    first = made.answer(made.parse_offer(sdp, sources_of(sdp)), TRANSPORT)
    again = made.parse_offer(sdp, sources_of(sdp))
    assert (again.first, again.started, again.ended) == (False, (), ())
    second = made.answer(again, TRANSPORT)
    assert parse(first).origin.split()[:2] == parse(second).origin.split()[:2]
    assert int(parse(second).origin.split()[2]) == int(parse(first).origin.split()[2]) + 1


@pytest.mark.parametrize("browser", BROWSERS)
def test_a_browsers_sources_come_and_go(browser):
    made = negotiation()
    with_screen = golden(f"{browser}_reoffer_screen")
    plan = made.parse_offer(with_screen, sources_of(with_screen, m2="screen"))
    assert [(sent.mid, sent.source) for sent in plan.producers] == [
        ("0", "microphone"),
        ("1", "camera"),
        ("2", "screen"),
    ]
    made.answer(plan, TRANSPORT)
    stopped = golden(f"{browser}_reoffer_stopped")
    plan = made.parse_offer(stopped, sources_of(stopped, m2="screen"))
    assert [sent.source for sent in plan.ended] == ["microphone"]
    assert plan.started == ()
    answer = parse(made.answer(plan, TRANSPORT))
    assert [section.rejected for section in answer.media] == [True, False, False]
    assert answer.bundle == ("1", "2")


def test_firefox_puts_a_new_microphone_in_the_place_of_the_stopped_one():
    made = negotiation()
    for name in ("stopped", "recycled"):
        sdp = golden(f"firefox_reoffer_{name}")
        plan = made.parse_offer(sdp, sources_of(sdp, m2="screen"))
        made.answer(plan, TRANSPORT)
    assert [(sent.mid, sent.source) for sent in plan.started] == [("3", "microphone")]


def test_chromium_restarts_ice_to_do_the_same_and_is_told_to_start_anew():
    made = negotiation()
    stopped, recycled = golden("chromium_reoffer_stopped"), golden("chromium_reoffer_recycled")
    made.answer(made.parse_offer(stopped, sources_of(stopped, m2="screen")), TRANSPORT)
    with pytest.raises(SdpError, match="new connection"):
        made.parse_offer(recycled, sources_of(recycled, m2="screen"))


@pytest.mark.parametrize("direction", ["inactive", "recvonly"])
def test_a_section_that_no_longer_sends_ends_its_source_and_stays_usable(direction):
    sdp = golden("chromium_offer_camera")
    made = negotiation()
    before = made.parse_offer(sdp, sources_of(sdp))
    made.answer(before, TRANSPORT)
    head, audio, video = sdp.split("m=")
    idle = f"{head}m={audio}m={video.replace('a=sendonly', f'a={direction}')}"
    plan = made.parse_offer(idle, {"0": "microphone"})
    assert [sent.mid for sent in plan.ended] == ["1"]
    answer = parse(made.answer(plan, TRANSPORT))
    assert (answer.media[1].direction, answer.media[1].rejected) == ("inactive", False)
    back = made.parse_offer(sdp, sources_of(sdp))
    assert [sent.mid for sent in back.started] == ["1"]


@pytest.mark.parametrize(
    ("change", "sources"),
    [
        (lambda sdp: sdp.replace("2521768336", "2521768337"), {"0": "microphone", "1": "camera"}),
        (lambda sdp: sdp.replace("SAVPF 96 97 102", "SAVPF 102 97 96"), {"0": "microphone", "1": "camera"}),
        (lambda sdp: sdp, {"0": "microphone", "1": "screen"}),
    ],
    ids=["ssrc", "codec", "source"],
)
def test_a_source_in_another_shape_is_replaced(change, sources):
    sdp = golden("chromium_offer_camera")
    made = negotiation()
    made.answer(made.parse_offer(sdp, sources_of(sdp)), TRANSPORT)
    plan = made.parse_offer(change(sdp), sources)
    assert [sent.mid for sent in plan.ended] == ["1"]
    assert [sent.mid for sent in plan.started] == ["1"]
    assert plan.ended != plan.started


def test_a_plan_that_is_not_answered_leaves_no_trace():
    sdp = golden("chromium_offer_camera")
    made = negotiation()
    made.parse_offer(sdp, sources_of(sdp))
    assert made.parse_offer(sdp, sources_of(sdp)).first


def test_a_peer_that_is_the_dtls_server_gets_a_client():
    sdp = golden("chromium_offer_camera").replace("a=setup:actpass", "a=setup:passive")
    plan, answer = answered(sdp)
    assert plan.remote.local_dtls_role == "client"
    assert answer.media[0].setup == "active"


def cut(sdp, *starts):
    return "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith(starts))


CAMERA = golden("chromium_offer_camera")
BOTH = {"0": "microphone", "1": "camera"}


@pytest.mark.parametrize(
    ("sdp", "sources", "complaint"),
    [
        (cut(CAMERA, "a=fingerprint"), BOTH, "a=fingerprint"),
        (CAMERA.replace("sha-256 05:5A", "sha-255 05:5A"), BOTH, "a=fingerprint"),
        (cut(CAMERA, "a=ice-ufrag"), BOTH, "a=ice-ufrag"),
        (cut(CAMERA, "a=setup"), BOTH, "a=setup"),
        (CAMERA.replace("a=setup:actpass", "a=setup:holdconn"), BOTH, "a=setup"),
        (cut(CAMERA, "a=rtcp-mux"), BOTH, "rtcp-mux"),
        (cut(CAMERA, "a=group"), BOTH, "BUNDLE"),
        (cut(CAMERA, "a=mid"), BOTH, "mid"),
        (
            CAMERA.split("m=video")[0] + "m=video 9 RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=rtpmap:96 XX/90000\r\n",
            BOTH,
            "no codec",
        ),
        (CAMERA.replace("a=extmap:2 http", "a=extmap:14 urn:twice\r\na=extmap:2 http", 1), BOTH, "two extensions"),
        (CAMERA.replace("7243135", "2028196062"), BOTH, "SSRC is used for two"),
        (CAMERA, {"0": "microphone"}, "sources does not say"),
        (CAMERA, {"0": "camera", "1": "camera"}, "is audio"),
        (CAMERA, {"0": "microphone", "1": "microphone"}, "is video"),
        (CAMERA, BOTH | {"7": "screen"}, "does not have"),
        (golden("chromium_reoffer_screen"), BOTH | {"2": "camera"}, "two media sections"),
        (CAMERA[: len(CAMERA) // 2], BOTH, "truncated"),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", {}, "no audio or video"),
        (golden("firefox_answer_h264_only"), {}, "no audio or video"),
    ],
)
def test_offers_that_can_not_be_taken_are_refused_with_a_reason(sdp, sources, complaint):
    with pytest.raises(SdpError, match=complaint):
        negotiation().parse_offer(sdp, sources)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda sdp: sdp.replace("a=ice-ufrag:Fm4O", "a=ice-ufrag:Fm4P"), "new connection"),
        (lambda sdp: sdp.replace("05:5A", "06:5A"), "new connection"),
        (lambda sdp: sdp.replace("a=setup:actpass", "a=setup:passive"), "new connection"),
        (lambda sdp: sdp.split("m=video")[0].replace("BUNDLE 0 1", "BUNDLE 0"), "fewer media sections"),
        (lambda sdp: sdp.replace("a=mid:1", "a=mid:8").replace("BUNDLE 0 1", "BUNDLE 0 8"), "is taken by 8"),
    ],
)
def test_later_offers_keep_the_transport_and_the_sections(change, complaint):
    made = negotiation()
    made.answer(made.parse_offer(CAMERA, BOTH), TRANSPORT)
    sdp = change(CAMERA)
    with pytest.raises(SdpError, match=complaint):
        made.parse_offer(sdp, sources_of(sdp))


def test_rtcp_rsize_is_answered_only_where_it_was_offered():
    _, answer = answered(golden("firefox_offer_camera"))
    assert [section.rtcp_rsize for section in answer.media] == [False, True]


@settings(max_examples=150)
@given(st.data())
def test_broken_offers_raise_nothing_but_sdp_errors(data):
    lines = golden(data.draw(st.sampled_from(OFFERS))).split("\r\n")
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(lines) - 1))
        other = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "swap", "digits"]))
        if change == "drop":
            lines[index] = "a=x"
        elif change == "swap":
            lines[index], lines[other] = lines[other], lines[index]
        else:
            lines[index] = lines[index].replace(str(data.draw(st.integers(0, 9))), str(data.draw(st.integers(0, 999))))
    made = negotiation()
    try:
        made.answer(made.parse_offer("\r\n".join(lines), BOTH), TRANSPORT)
    except SdpError:
        pass


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
async def test_aiortc_takes_the_answer(codec):
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.addTrack(AudioStreamTrack())
        peer.addTrack(VideoStreamTrack())
        for transceiver in peer.getTransceivers():
            transceiver.direction = "sendonly"
        preferred = [each for each in RTCRtpSender.getCapabilities("video").codecs if each.mimeType == codec]
        peer.getTransceivers()[1].setCodecPreferences(preferred)
        await peer.setLocalDescription(await peer.createOffer())
        offer = peer.localDescription
        made = negotiation()
        plan = made.parse_offer(offer.sdp, sources_of(offer.sdp))
        assert [sent.parameters.codecs[0].codec.mime_type for sent in plan.producers] == ["audio/opus", codec.lower()]
        answer = made.answer(plan, TRANSPORT)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        assert peer.signalingState == "stable"
        assert [each.currentDirection for each in peer.getTransceivers()] == ["sendonly", "sendonly"]
        again = await peer.createOffer()
        later = made.parse_offer(again.sdp, sources_of(again.sdp))
        assert (later.first, later.started, later.ended) == (False, (), ())
    finally:
        await peer.close()
