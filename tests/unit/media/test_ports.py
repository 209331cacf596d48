import numpy as np

from sfu.media.ports import SENT_HISTORY, PortTable


def test_ports_are_never_shared_and_start_counting_anew():
    ports = PortTable()
    allocated = [ports.allocate() for _ in range(100)]
    assert len(set(allocated)) == 100
    ports.take_transport_seqs(np.array([allocated[5]]), 1.0)
    ports.release(allocated[5])
    assert ports.allocate() == allocated[5]
    assert ports.next_transport_seq[allocated[5]] == 0


def test_each_port_counts_its_own_packets():
    ports = PortTable()
    first = ports.take_transport_seqs(np.array([2, 2, 2, 7, 9, 9]), 1.0)
    second = ports.take_transport_seqs(np.array([2, 9]), 2.0)
    assert first.tolist() == [0, 1, 2, 0, 0, 1]
    assert second.tolist() == [3, 2]
    assert [ports.age(9, seq, 3.5) for seq in range(3)] == [2.5, 2.5, 1.5]


def test_the_send_time_survives_the_turn_of_the_history():
    ports = PortTable()
    ports.next_transport_seq[1] = SENT_HISTORY - 1
    ports.take_transport_seqs(np.array([1, 1]), 5.0)
    assert ports.age(1, SENT_HISTORY - 1, 5.25) == 0.25
    assert ports.age(1, SENT_HISTORY, 5.25) == 0.25


def test_ages_are_right_across_the_turn_of_the_clock():
    ports = PortTable()
    turn = 2**32 / 1e6
    ports.take_transport_seqs(np.array([3]), turn - 0.25)
    assert ports.age(3, 0, turn + 0.5) == 0.75


def test_ports_keep_what_they_know_when_the_table_grows():
    ports = PortTable()
    allocated = [ports.allocate() for _ in range(4096)]
    ports.take_transport_seqs(np.array([allocated[7]]), 1.0)
    more = ports.allocate()
    assert more not in allocated
    assert ports.age(allocated[7], 0, 1.5) == 0.5
    assert ports.take_transport_seqs(np.array([allocated[7]]), 2.0).tolist() == [1]
