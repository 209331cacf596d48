import pytest

from sfu.rtp.fir import Fir
from sfu.rtp.rtcp import parse_compound


def test_bytes_are_the_rfcs():
    packet = Fir(0x11111111, ((0x22222222, 5),)).to_bytes()
    assert packet == bytes.fromhex("84ce0004 11111111 00000000 22222222 05000000")


def test_round_trip_of_several_entries():
    fir = Fir(1, ((2, 0), (3, 255)))
    assert parse_compound(fir.to_bytes()) == [fir]


def test_reserved_bytes_are_ignored():
    body = bytes.fromhex("00000001 00000000 00000002 07ffffff")
    assert Fir.parse_body(body) == Fir(1, ((2, 7),))


@pytest.mark.parametrize("entries", [(), ((1, 256),), ((1 << 32, 0),)])
def test_what_cannot_be_sent_is_refused(entries):
    with pytest.raises(ValueError):
        Fir(1, entries).to_bytes()


@pytest.mark.parametrize("length", [0, 7, 8, 12, 15, 20])
def test_truncated_bodies_are_refused(length):
    with pytest.raises(ValueError):
        Fir.parse_body(bytes(length))
