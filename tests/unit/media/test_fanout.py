from sfu.media.fanout import ActiveRows, FanoutTable


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


def test_a_change_leaves_the_rows_of_packets_already_queued_alone():
    active = ActiveRows()
    active.activate(3, 10, takes_red=True)
    queued = active.all
    active.activate(4, 20, takes_red=False)
    assert queued.tolist() == [3]
    assert active.all.tolist() == [3, 4]
    assert active.with_red.tolist() == [3]
    assert active.without_red.tolist() == [4]
    active.deactivate(3)
    active.deactivate(99)
    assert active.all.tolist() == [4]


def test_the_array_stays_the_same_until_something_changes():
    """Packets that go to the same array are built as one block."""
    active = ActiveRows()
    active.activate(3, 10, takes_red=False)
    first = active.all
    assert active.all is first
    active.deactivate(99)
    assert active.all is first
    active.activate(4, 20, takes_red=False)
    assert active.all is not first


def test_rows_are_in_the_order_of_their_ports_whatever_the_order_of_arrival():
    active = ActiveRows()
    for row, port in ((5, 2), (1, 9), (7, 0), (3, 5)):
        active.activate(row, port, takes_red=row > 3)
    assert active.all.tolist() == [7, 5, 3, 1]
    assert active.with_red.tolist() == [7, 5]
    active.activate(7, 0, takes_red=False)
    assert active.all.tolist() == [7, 5, 3, 1]
    assert active.with_red.tolist() == [5]
