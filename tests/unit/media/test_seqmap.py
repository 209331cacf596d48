import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.seqmap import SequenceMap

STARTS = (0, 1, 32767, 32768, 65534, 65535)


@pytest.mark.parametrize("first_seq", STARTS)
@pytest.mark.parametrize("first_in", STARTS)
def test_numbers_continue_across_a_pause(first_seq, first_in):
    numbers = SequenceMap(first_seq)
    start = first_in + 65536
    numbers.begin(start)
    assert numbers.forward(start) & 0xFFFF == first_seq
    numbers.end(start + 9)
    numbers.begin(start + 500)
    assert numbers.forward(start + 500) & 0xFFFF == (first_seq + 10) & 0xFFFF


def test_a_loss_on_the_way_in_stays_a_gap():
    numbers = SequenceMap(0)
    numbers.begin(70000)
    assert numbers.forward(70002) - numbers.forward(70000) == 2


def test_packets_from_before_the_start_have_no_number():
    numbers = SequenceMap(0)
    numbers.begin(70000)
    assert numbers.forward(69999) is None


def test_a_number_that_was_not_sent_yet_leads_nowhere():
    numbers = SequenceMap(10)
    numbers.begin(70000)
    assert numbers.reverse(12, 70002) == 70002
    assert numbers.reverse(13, 70002) is None
    assert numbers.reverse(9, 70002) is None


def test_numbers_of_an_earlier_segment_lead_to_its_packets():
    numbers = SequenceMap(65534)
    numbers.begin(70000)
    numbers.end(70003)
    numbers.begin(80000)
    assert [numbers.reverse(seq, 80001) for seq in (65534, 65535, 0, 1, 2, 3)] == [
        70000,
        70001,
        70002,
        70003,
        80000,
        80001,
    ]


@given(
    first_seq=st.sampled_from(STARTS),
    first_in=st.sampled_from(STARTS),
    moves=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 100), st.integers(0, 3)), min_size=1, max_size=90),
)
def test_every_number_leads_back_to_the_packet_it_was_given_to(first_seq, first_in, moves):
    """Segments of some packets, pauses of some packets, first packets that come late by a few."""
    numbers = SequenceMap(first_seq)
    highest = first_in + 65536
    given_out: dict[int, int] = {}
    for packets, pause, late in moves:
        start = highest + 1
        numbers.begin(start)
        highest = start + max(packets - 1, late)
        for ext_seq in range(start, highest + 1):
            out = numbers.forward(ext_seq)
            assert out not in given_out
            given_out[out] = ext_seq
            assert numbers.reverse(out & 0xFFFF, highest) == ext_seq
        numbers.end(highest)
        highest += pause
    outs = sorted(given_out)
    assert outs == list(range(outs[0], outs[0] + len(outs)))
    recent = outs[-200:]
    remembered = [out for out in recent if numbers.reverse(out & 0xFFFF, highest) is not None]
    assert all(numbers.reverse(out & 0xFFFF, highest) == given_out[out] for out in remembered)
    if len(moves) <= 64:
        assert remembered == recent
