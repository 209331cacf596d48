from sfu.rtp.canonical import EXTENSION_IDS, MID_URI, TRANSPORT_CC_URI
from signaling.extensions import RoomExtensions
from signaling.sdp import ExtMap, MediaDescription, parse
from tests.support.descriptions import golden

TRANSPORT_CC = frozenset({"transport-cc"})


def section(*extmaps, mixed=False):
    return MediaDescription("video", 9, "UDP/TLS/RTP/SAVPF", extmaps=extmaps, extmap_allow_mixed=mixed)


def ids(received):
    return {each.extension.uri: (each.id, each.extension.id) for each in received}


def test_a_publishers_ids_become_canonical_and_the_answer_keeps_its_own():
    received, answer = RoomExtensions().negotiate(parse(golden("chromium_offer_camera")).media[1], TRANSPORT_CC)
    assert ids(received)[TRANSPORT_CC_URI] == (3, EXTENSION_IDS[TRANSPORT_CC_URI])
    assert ids(received)["urn:ietf:params:rtp-hdrext:toffset"] == (14, 4)
    assert ids(received)[MID_URI][0] == 4
    assert {(each.id, each.uri) for each in answer} == {(each.id, each.extension.uri) for each in received}


def test_unlisted_extensions_get_ids_that_the_whole_room_shares():
    room = RoomExtensions()
    first, _ = room.negotiate(section(ExtMap(1, "urn:a"), ExtMap(2, "urn:b")), TRANSPORT_CC)
    second, _ = room.negotiate(section(ExtMap(9, "urn:b"), ExtMap(8, "urn:c")), TRANSPORT_CC)
    assert ids(first) == {"urn:a": (1, 12), "urn:b": (2, 13)}
    assert ids(second) == {"urn:b": (9, 13), "urn:c": (8, 14)}


def test_no_subscriber_is_ever_offered_an_id_that_firefox_refuses():
    room = RoomExtensions()
    offered = section(*(ExtMap(number, f"urn:{number}") for number in range(1, 15)))
    received, answer = room.negotiate(offered, TRANSPORT_CC)
    assert [each.extension.id for each in received] == [12, 13, 14]
    assert len(answer) == 3


def test_what_can_not_be_read_or_sent_is_not_accepted():
    refused = (
        ExtMap(1, "urn:ietf:params:rtp-hdrext:encrypt", attributes="urn:x"),
        ExtMap(2, "urn:ietf:params:rtp-hdrext:csrc-audio-level", "recvonly"),
        ExtMap(3, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
        ExtMap(15, "urn:reserved"),
        ExtMap(256, "urn:offered-for-choice"),
        ExtMap(4, "urn:" + "x" * 300),
        ExtMap(5, "urn:with-attributes", attributes="x"),
    )
    assert RoomExtensions().negotiate(section(*refused, mixed=True), TRANSPORT_CC) == ((), ())


def test_two_byte_ids_need_the_peers_leave():
    offered = ExtMap(20, TRANSPORT_CC_URI)
    assert RoomExtensions().negotiate(section(offered), TRANSPORT_CC)[0] == ()
    received, _ = RoomExtensions().negotiate(section(offered, mixed=True), TRANSPORT_CC)
    assert received[0].id == 20


def test_transport_cc_needs_its_feedback():
    assert RoomExtensions().negotiate(section(ExtMap(3, TRANSPORT_CC_URI)), frozenset())[0] == ()
