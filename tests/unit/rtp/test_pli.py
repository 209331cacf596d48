import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket

from sfu.rtp.pli import Pli
from sfu.rtp.rtcp import parse_compound


def test_bytes_are_the_rfcs():
    assert Pli(0x11111111, 0x22222222).to_bytes() == bytes.fromhex("81ce0002 11111111 22222222")


def test_round_trip():
    assert parse_compound(Pli(1, 0xFFFFFFFF).to_bytes()) == [Pli(1, 0xFFFFFFFF)]


def test_aiortc_reads_it():
    (theirs,) = RtcpPacket.parse(Pli(1, 2).to_bytes())
    assert isinstance(theirs, RtcpPsfbPacket)
    assert (theirs.fmt, theirs.ssrc, theirs.media_ssrc) == (1, 1, 2)


def test_truncated_body_is_refused():
    with pytest.raises(ValueError):
        Pli.parse_body(bytes(7))


def test_ssrc_out_of_range_is_refused():
    with pytest.raises(ValueError):
        Pli(1, 1 << 32).to_bytes()
