import numpy as np
import pytest

from sfu.media.fanout import ActiveRows, Audience, FanoutTable


def test_rows_are_reused_clean():
    table = FanoutTable()
    row = table.add(1, 2, {96})
    table.packets[row] = 9
    table.timestamp_offset[row] = 5
    table.remove(row)
    assert not table.accepts[row].any()
    again = table.add(3, 4, {111})
    assert again == row
    assert table.packets[again] == 0
    assert table.timestamp_offset[again] == 0
    assert table.accepts[again].nonzero()[0].tolist() == [111]


def test_growing_keeps_what_was_there():
    table = FanoutTable()
    rows = [table.add(ssrc, ssrc, {ssrc % 128}) for ssrc in range(1000)]
    assert len(set(rows)) == 1000
    assert [int(table.ssrc[row]) for row in rows] == list(range(1000))
    assert all(table.accepts[row, ssrc % 128] for ssrc, row in enumerate(rows))


@pytest.fixture
def table() -> FanoutTable:
    made = FanoutTable()
    for ssrc in range(10):
        made.add(ssrc, 90 - ssrc, {96})
    return made


def rows(audience: Audience) -> list[int]:
    return audience.rows.tolist()


def test_a_change_leaves_the_rows_of_packets_already_queued_alone(table):
    active = ActiveRows(table)
    active.activate(3, 10, takes_red=True)
    queued = active.all
    active.activate(4, 20, takes_red=False)
    assert rows(queued) == [3]
    assert rows(active.all) == [3, 4]
    assert rows(active.with_red) == [3]
    assert rows(active.without_red) == [4]
    active.deactivate(3)
    active.deactivate(99)
    assert rows(active.all) == [4]


def test_the_audience_stays_the_same_until_something_changes(table):
    """Packets that go to the same one are built as one block."""
    active = ActiveRows(table)
    active.activate(3, 10, takes_red=False)
    first = active.all
    assert active.all is first
    active.deactivate(99)
    assert active.all is first
    active.activate(4, 20, takes_red=False)
    assert active.all is not first


def test_rows_are_in_the_order_of_their_ports_whatever_the_order_of_arrival(table):
    active = ActiveRows(table)
    for row, port in ((5, 2), (1, 9), (7, 0), (3, 5)):
        active.activate(row, port, takes_red=row > 3)
    assert rows(active.all) == [7, 5, 3, 1]
    assert rows(active.with_red) == [7, 5]
    active.activate(7, 0, takes_red=False)
    assert rows(active.all) == [7, 5, 3, 1]
    assert rows(active.with_red) == [5]


def test_an_audience_without_those_who_did_not_negotiate_a_codec(table):
    both = table.add(1, 91, {96, 98})
    audience = Audience(table, np.array([0, both, 1]))
    assert audience.accepting(96) is audience
    assert rows(audience.accepting(98)) == [both]
    assert audience.accepting(98) is audience.accepting(98)
    assert rows(audience.accepting(97)) == []
    audience.accepting(98).count(1, 2, 3)
    audience.settle()
    assert table.packets.tolist()[:2] == [0, 0]
    assert table.packets[both] == 1
    audience.retire()
    table.remove(both)
    assert rows(audience.accepting(98)) == []
    assert rows(audience.accepting(96)) == [0, 1]


def test_an_audience_without_those_who_began_later(table):
    late = table.add(2, 92, {96, 98})
    table.first_ext_seq[late] = 70000
    audience = Audience(table, np.array([0, late]))
    assert audience.started(70000) is audience
    audience.started(69999).count(1, 2, 3)
    assert [table.packets[0], table.packets[late]] == [1, 0]


def test_what_is_counted_for_all_reaches_each_row_once(table):
    active = ActiveRows(table)
    active.activate(1, 10, takes_red=False)
    active.activate(2, 20, takes_red=False)
    audience = active.all
    audience.count(3, 300, 372)
    active.settle()
    active.settle()
    assert [table.packets[1], table.octets[2], table.bytes[1]] == [3, 300, 372]
    audience.count(1, 1, 1)
    active.deactivate(2)
    assert [table.packets[1], table.packets[2]] == [4, 4]
    # A packet that was queued before the change is sent after it.
    audience.count(1, 1, 1)
    assert [table.packets[1], table.packets[2], table.packets[3]] == [5, 5, 0]
