import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.ports import SENT_HISTORY, PortTable


def test_ports_are_never_shared_and_start_counting_anew():
    ports = PortTable()
    allocated = [ports.allocate() for _ in range(100)]
    assert len(set(allocated)) == 100
    ports.take_few([allocated[5]], 1, 1.0)
    ports.release(allocated[5])
    assert ports.allocate() == allocated[5]
    assert ports.next_transport_seq[allocated[5]] == 0


def test_each_port_counts_its_own_packets():
    ports = PortTable()
    assert ports.take_few([2, 7, 9], 2, 1.0) == [0, 0, 0]
    assert ports.take_blocks(np.array([2, 9]), 3, 2.0).tolist() == [[2, 3, 4], [2, 3, 4]]
    assert ports.take_one_each(np.array([9, 7]), 3.0).tolist() == [5, 2]
    assert [ports.age(9, seq, 3.5) for seq in range(6)] == [2.5, 2.5, 1.5, 1.5, 1.5, 0.5]


@given(st.integers(0, 70000), st.integers(1, 5), st.sampled_from([0.5, 2**32 / 1e6 + 1]))
def test_it_is_the_same_whichever_way_numbers_are_taken(start, count, now):
    few, blocks = PortTable(), PortTable()
    for ports in (few, blocks):
        ports.next_transport_seq[:4] = [start, 0, start + 1, 7]
    assert few.take_few([0, 2, 3], count, now) == blocks.take_blocks(np.array([0, 2, 3]), count, now)[:, 0].tolist()
    assert few.next_transport_seq[:4].tolist() == blocks.next_transport_seq[:4].tolist()
    for port in (0, 2, 3):
        newest = int(few.next_transport_seq[port]) - 1
        assert few.age(port, newest, now + 0.25) == blocks.age(port, newest, now + 0.25) == 0.25


def test_the_send_time_survives_the_turn_of_the_history():
    ports = PortTable()
    ports.next_transport_seq[1] = SENT_HISTORY - 1
    ports.take_few([1], 2, 5.0)
    assert ports.age(1, SENT_HISTORY - 1, 5.25) == 0.25
    assert ports.age(1, SENT_HISTORY, 5.25) == 0.25


def test_ages_are_right_across_the_turn_of_the_clock():
    ports = PortTable()
    turn = 2**32 / 1e6
    ports.take_few([3], 1, turn - 0.25)
    assert ports.age(3, 0, turn + 0.5) == 0.75


def test_ports_keep_what_they_know_when_the_table_grows():
    ports = PortTable()
    allocated = [ports.allocate() for _ in range(4096)]
    ports.take_few([allocated[7]], 1, 1.0)
    more = ports.allocate()
    assert more not in allocated
    assert ports.age(allocated[7], 0, 1.5) == 0.5
    assert ports.take_few([allocated[7]], 1, 2.0) == [1]
    assert ports.take_few([more], 1, 2.0) == [0]


SENT_AT = 5.0


def sent(packets: int) -> PortTable:
    ports = PortTable()
    ports.take_few([0], packets, SENT_AT)
    return ports


def told(ports: PortTable, port: int) -> tuple[Any, ...]:
    rtt = float(ports.rtt[port])
    fraction = round(float(ports.fraction_lost[port]), 12)
    return int(ports.acknowledged[port]), int(ports.lost[port]), fraction, None if math.isnan(rtt) else round(rtt, 9)


def test_loss_and_round_trip_are_read_from_feedback():
    ports = sent(100)
    assert ports.note_feedback(0, 90, 10, 9, 9, SENT_AT + 0.08)
    assert told(ports, 0) == (9, 1, pytest.approx(0.01), pytest.approx(0.08))


@pytest.mark.parametrize(
    ("packets", "first", "count"), [(5, 5, 1), (5, 65535, 1), (5, 1, 7), (SENT_HISTORY + 10, 3, 1)]
)
def test_feedback_about_what_was_never_sent_or_is_forgotten_is_ignored(packets, first, count):
    ports = sent(packets)
    assert not ports.note_feedback(0, first, count, count, count - 1, SENT_AT + 0.1)
    column = np.array([0])
    assert ports.note_complete_feedback(column, column + first, column + count, SENT_AT + 0.1) == 1
    assert told(ports, 0) == (0, 0, 0, None)


def test_who_gets_a_port_again_begins_with_nothing():
    ports = PortTable()
    port = ports.allocate()
    ports.take_few([port], 3, SENT_AT)
    assert ports.note_feedback(port, 0, 3, 2, 1, SENT_AT + 0.5)
    ports.release(port)
    assert ports.allocate() == port
    assert told(ports, port) == (0, 0, 0, None)


feedback = st.lists(
    st.lists(st.tuples(st.integers(-40, 10), st.integers(1, 30)), min_size=3, max_size=3), min_size=1, max_size=5
)


@given(st.lists(st.sampled_from([0, 31, 65530, 65536, 140000]), min_size=3, max_size=3), feedback)
def test_feedback_is_the_same_read_by_columns(starts, rounds):
    """Of three ports, in several rounds; some of it is about what was never sent."""
    scalar, columns = PortTable(), PortTable()
    for ports in (scalar, columns):
        ports.next_transport_seq[:3] = starts
        for port in range(3):
            ports.take_few([port], 40, SENT_AT + port)
    now = SENT_AT + 5
    for each in rounds:
        now += 0.1
        bases = [(start + 40 + back) & 0xFFFF for start, (back, _) in zip(starts, each, strict=True)]
        counts = [count for _, count in each]
        noted = [
            scalar.note_feedback(port, base, count, count, count - 1, now)
            for port, (base, count) in enumerate(zip(bases, counts, strict=True))
        ]
        ignored = columns.note_complete_feedback(np.arange(3), np.array(bases), np.array(counts), now)
        assert ignored == noted.count(False)
        assert [told(columns, port) for port in range(3)] == [told(scalar, port) for port in range(3)]
