import pytest
from aiortc.rtp import pack_remb_fci, unpack_remb_fci
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.remb import Remb
from sfu.rtp.rtcp import UnknownPacket, parse_compound

ssrcs = st.lists(st.integers(0, 0xFFFFFFFF), max_size=10).map(tuple)


@given(st.integers(0, 10**12), ssrcs)
def test_bitrate_is_rounded_down_by_less_than_a_hundred_thousandth(bitrate_bps, named):
    (remb,) = parse_compound(Remb(1, bitrate_bps, named).to_bytes())
    assert isinstance(remb, Remb)
    assert remb.ssrcs == named
    assert 0 <= bitrate_bps - remb.bitrate_bps <= bitrate_bps / 131072


@given(st.integers(0, 10**9), ssrcs)
def test_agrees_with_aiortc(bitrate_bps, named):
    packet = Remb(1, bitrate_bps, named).to_bytes()
    theirs_bps, theirs_ssrcs = unpack_remb_fci(packet[12:])
    assert (theirs_bps, tuple(theirs_ssrcs)) == (Remb.parse_body(packet[4:]).bitrate_bps, named)
    assert packet[12:] == pack_remb_fci(bitrate_bps, list(named))


def test_largest_bitrate_of_the_field():
    largest = 0x3FFFF << 63
    assert parse_compound(Remb(1, largest, ()).to_bytes()) == [Remb(1, largest, ())]


@pytest.mark.parametrize(
    "remb", [Remb(1, -1, ()), Remb(1, 1 << 81, ()), Remb(1, 1, (0,) * 256), Remb(1, 1, (1 << 32,))], ids=str
)
def test_what_cannot_be_sent_is_refused(remb):
    with pytest.raises(ValueError):
        remb.to_bytes()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(8) + b"REM",
        bytes(8) + b"REMB",
        bytes(8) + b"REMB\x01\x00\x00",
        bytes(8) + b"REMB\x01\x00\x00\x01",
        bytes(8) + b"REMB\x00\x00\x00\x01\x00\x00\x00\x01",
        bytes(8) + b"RIMB\x00\x00\x00\x01",
    ],
)
def test_malformed_bodies_are_refused(body):
    with pytest.raises(ValueError):
        Remb.parse_body(body)


def test_other_application_feedback_is_kept_raw():
    body = bytes(8) + b"ABCD"
    packet = bytes([0x8F, 206, 0, 3]) + body
    assert parse_compound(packet) == [UnknownPacket(206, 15, body)]
