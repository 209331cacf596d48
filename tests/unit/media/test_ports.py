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
    assert ports.sent_at[9, :3].tolist() == [1.0, 1.0, 2.0]


def test_the_send_time_survives_the_turn_of_the_history():
    ports = PortTable()
    ports.next_transport_seq[1] = SENT_HISTORY - 1
    ports.take_transport_seqs(np.array([1, 1]), 5.0)
    assert ports.sent_at[1, SENT_HISTORY - 1] == 5.0
    assert ports.sent_at[1, 0] == 5.0
