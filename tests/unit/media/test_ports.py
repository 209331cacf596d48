import numpy as np
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
