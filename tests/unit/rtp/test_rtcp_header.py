import pytest

from sfu.rtp.pli import Pli
from sfu.rtp.rtcp_header import pack_feedback, pack_packet, parse_feedback_ssrcs, serialise_compound


def test_length_counts_words_without_the_header():
    assert pack_packet(3, 203, bytes(12)) == bytes([0x83, 203, 0, 3]) + bytes(12)


@pytest.mark.parametrize("length", [1, 5, 4 * 65536])
def test_bodies_that_no_header_can_describe_are_refused(length):
    with pytest.raises(ValueError):
        pack_packet(0, 200, bytes(length))


def test_feedback_carries_both_ssrcs():
    packet = pack_feedback(1, 206, 5, 6, b"abcd")
    assert parse_feedback_ssrcs(packet[4:]) == (5, 6)
    assert packet[12:] == b"abcd"


def test_truncated_feedback_is_refused():
    with pytest.raises(ValueError):
        parse_feedback_ssrcs(bytes(7))


def test_compound_is_its_packets():
    assert serialise_compound([Pli(1, 2), Pli(3, 4)]) == Pli(1, 2).to_bytes() + Pli(3, 4).to_bytes()
