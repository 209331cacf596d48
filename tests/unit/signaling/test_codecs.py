import pytest

from signaling.codecs import AV1, CODECS, H264, OPUS, RED, VP8, VP9, negotiate, offer_formats
from signaling.sdp import parse
from tests.support.descriptions import golden

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


def section(kind, formats, *lines):
    return parse(
        f"{HEAD}m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\n" + "".join(f"a={line}\r\n" for line in lines)
    ).media[0]


def test_canonical_payload_types_are_distinct_dynamic_and_unlike_rtcp():
    payload_types = [codec.payload_type for codec in CODECS]
    payload_types += [codec.rtx_payload_type for codec in CODECS if codec.rtx_payload_type is not None]
    assert len(set(payload_types)) == len(payload_types)
    assert all(35 <= payload_type <= 63 or 96 <= payload_type <= 127 for payload_type in payload_types)


def test_the_first_known_codec_of_a_chromium_camera_is_taken_with_its_rtx():
    found = negotiate(parse(golden("chromium_offer_camera")).media[1])
    (received,) = found.received
    assert (received.payload_type, received.rtx_payload_type, received.codec) == (96, 97, VP8)
    assert [answered.payload_type for answered in found.answer_formats] == [96, 97]
    assert found.answer_formats[0].feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")


def test_firefox_numbers_become_canonical_and_the_answer_keeps_them():
    audio, video = (negotiate(each) for each in parse(golden("firefox_offer_camera")).media)
    assert [(each.payload_type, each.codec.payload_type) for each in audio.received] == [(109, 111)]
    assert [(each.payload_type, each.rtx_payload_type) for each in video.received] == [(120, 124)]
    assert video.received[0].codec.rtx_payload_type == 97
    assert video.answer_formats[1].parameters == "apt=120"


def test_the_answer_does_not_limit_the_publisher_by_its_own_limits_as_a_receiver():
    video = negotiate(parse(golden("firefox_offer_camera")).media[1])
    assert "max-fs" not in video.answer_formats[0].parameters


def test_stereo_and_dtx_pass_through_to_subscribers_and_into_the_answer():
    found = negotiate(
        section("audio", "96", "rtpmap:96 opus/48000/2", "fmtp:96 stereo=1; usedtx=1;x-evil=\"'<script>;useinbandfec=1")
    )
    assert found.received[0].codec.format_parameters == "stereo=1;usedtx=1;useinbandfec=1"
    assert found.answer_formats[0].parameters == "stereo=1;usedtx=1;useinbandfec=1"
    assert negotiate(section("audio", "96", "rtpmap:96 opus/48000")) is None, "Opus is always stereo in SDP"


def test_red_is_taken_with_its_opus_only_where_it_is_preferred():
    found = negotiate(parse(golden("chromium_offer_red")).media[0])
    assert [each.codec.mime_type for each in found.received] == ["audio/red", "audio/opus"]
    assert found.answer_formats[0].parameters == "111/111"
    after = negotiate(parse(golden("chromium_offer_camera")).media[0])
    assert [each.codec.mime_type for each in after.received] == ["audio/opus"]


def test_red_is_numbered_canonically_for_subscribers():
    lines = ("rtpmap:50 red/48000/2", "fmtp:50 51/51", "rtpmap:51 opus/48000/2")
    found = negotiate(section("audio", "50 51", *lines))
    assert found.received[0].codec == RED
    assert RED.format_parameters == f"{OPUS.payload_type}/{OPUS.payload_type}"
    assert found.answer_formats[0].parameters == "51/51"


@pytest.mark.parametrize("fmtp", ["51/52", "99/99", "x/x", "51/9999999999999", "/"])
def test_red_of_anything_else_is_left_out(fmtp):
    lines = ("rtpmap:50 red/48000/2", f"fmtp:50 {fmtp}", "rtpmap:51 opus/48000/2", "rtpmap:52 PCMU/8000")
    found = negotiate(section("audio", "50 51 52", *lines))
    assert [each.codec.mime_type for each in found.received] == ["audio/opus"]


@pytest.mark.parametrize(
    ("name", "fmtp", "expected"),
    [
        ("VP9", "", VP9["0"]),
        ("VP9", "profile-id=2", VP9["2"]),
        ("VP9", "profile-id=1", None),
        ("AV1", "", AV1["0"]),
        ("AV1", "level-idx=5;profile=1;tier=0", AV1["1"]),
        ("H264", "packetization-mode=1;profile-level-id=42e034", H264["constrained-baseline", "1"]),
        ("H264", "profile-level-id=42001f", H264["baseline", "0"]),
        ("H264", "", H264["baseline", "0"]),
        ("H264", "packetization-mode=1;profile-level-id=64001f", H264["high", "1"]),
        ("H264", "packetization-mode=1;profile-level-id=640c2a", H264["constrained-high", "1"]),
        ("H264", "packetization-mode=2;profile-level-id=42e01f", None),
        ("H264", "packetization-mode=1;profile-level-id=f4001f", None),
        ("vp8", "", VP8),
        ("H265", "", None),
        ("ulpfec", "", None),
    ],
)
def test_codecs_are_matched_by_what_a_decoder_has_to_know(name, fmtp, expected):
    found = negotiate(section("video", "40", f"rtpmap:40 {name}/90000", f"fmtp:40 {fmtp}"))
    assert (found and found.received[0].codec) == expected


def test_unknown_codecs_before_a_known_one_are_passed_over():
    found = negotiate(section("video", "40 41", "rtpmap:40 H265/90000", "rtpmap:41 VP8/90000"))
    assert [each.payload_type for each in found.received] == [41]


def test_payload_types_that_look_like_rtcp_are_not_used():
    assert negotiate(section("video", "72", "rtpmap:72 VP8/90000")) is None


def test_codecs_of_the_other_kind_are_not_used():
    assert negotiate(section("video", "96", "rtpmap:96 opus/48000/2")) is None
    assert negotiate(section("audio", "96", "rtpmap:96 VP8/90000")) is None


def test_feedback_is_what_both_sides_know():
    lines = ("rtpmap:96 VP8/90000", "rtcp-fb:96 nack", "rtcp-fb:96 x-unknown", "rtcp-fb:96 nack rpsi")
    found = negotiate(section("video", "96", *lines))
    assert found.answer_formats[0].feedback == ("nack",)
    assert found.feedback == {"nack"}
    assert "nack pli" in found.received[0].codec.feedback, "the server serves subscribers whatever the publisher can"


def test_offers_have_rtx_only_with_a_stream_for_it():
    assert [each.payload_type for each in offer_formats((VP8,), with_rtx=True)] == [96, 97]
    assert [each.payload_type for each in offer_formats((VP8,), with_rtx=False)] == [96]
    assert [each.name for each in offer_formats((RED, OPUS), with_rtx=False)] == ["red", "opus"]
