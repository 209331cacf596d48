import struct

import pytest
from aiortc.rtp import RtcpPacket, RtcpRtpfbPacket
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.nack import Nack, pack_entries
from sfu.rtp.rtcp import parse_compound
from sfu.rtp.seq import seq_add

STARTS = [0, 1, 32767, 32768, 65534, 65535]


def entries(seqs):
    return list(struct.iter_unpack("!HH", pack_entries(seqs)))


@pytest.mark.parametrize(
    ("seqs", "expected"),
    [
        ([], []),
        ([7], [(7, 0)]),
        ([7, 8], [(7, 1)]),
        ([7, 23], [(7, 0x8000)]),
        ([7, 24], [(7, 0), (24, 0)]),
        ([9, 7, 8, 7], [(7, 3)]),
        ([65535, 0], [(65535, 1)]),
        ([0, 65535], [(65535, 1)]),
        ([65534, 65535, 0, 1, 14], [(65534, 0x8007)]),
        ([65534, 15], [(65534, 0), (15, 0)]),
    ],
)
def test_packing_uses_as_few_entries_as_possible(seqs, expected):
    assert entries(seqs) == expected


@pytest.mark.parametrize("start", STARTS)
def test_a_burst_of_losses_survives_the_wire(start):
    lost = tuple(seq_add(start, step) for step in (0, 1, 5, 16, 17, 18, 40, 300))
    (nack,) = parse_compound(Nack(1, 2, lost).to_bytes())
    assert nack == Nack(1, 2, lost)


@pytest.mark.parametrize("start", STARTS)
@given(steps=st.sets(st.integers(0, 32767), min_size=1, max_size=80))
def test_round_trip(start, steps):
    lost = tuple(seq_add(start, step) for step in sorted(steps))
    assert parse_compound(Nack(1, 2, lost).to_bytes()) == [Nack(1, 2, lost)]


@given(st.sets(st.integers(0, 32000), min_size=1, max_size=40))
def test_aiortc_reads_the_same_numbers(seqs):
    (theirs,) = RtcpPacket.parse(Nack(1, 2, tuple(sorted(seqs))).to_bytes())
    assert isinstance(theirs, RtcpRtpfbPacket)
    assert theirs.lost == sorted(seqs)
    assert parse_compound(bytes(theirs)) == [Nack(1, 2, tuple(sorted(seqs)))]


@pytest.mark.parametrize("seqs", [(), (-1,), (65536,)])
def test_what_cannot_be_sent_is_refused(seqs):
    with pytest.raises(ValueError):
        Nack(1, 2, seqs).to_bytes()


@pytest.mark.parametrize("body", [b"", bytes(7), bytes(8), bytes(10), bytes(15)])
def test_truncated_bodies_are_refused(body):
    with pytest.raises(ValueError):
        Nack.parse_body(body)
