import pytest

from sfu.media.pool import HEADROOM, NO_OWNER, STRIDE, PacketPool


def test_windows_are_contiguous_and_end_at_the_ring():
    pool = PacketPool(10)
    assert pool.reserve(8) == (0, 8)
    pool.commit(8)
    assert pool.reserve(8) == (8, 2)
    pool.commit(2)
    assert pool.reserve(4) == (0, 4)


def test_a_window_has_at_least_one_row():
    assert PacketPool(3).reserve(0) == (0, 1)


def test_more_than_the_window_cannot_be_committed():
    pool = PacketPool(4)
    pool.commit(3)
    with pytest.raises(ValueError):
        pool.commit(2)


def test_an_overwritten_row_no_longer_holds_its_packet():
    pool = PacketPool(2)
    pool.commit(2)
    pool.assign(0, owner=7, ext_seq=65536, start=HEADROOM, payload=HEADROOM + 24, end=HEADROOM + 100)
    assert pool.holds(0, 7, 65536)
    pool.commit(1)
    assert not pool.holds(0, 7, 65536)
    assert pool.owner[0] == NO_OWNER


def test_a_row_is_the_same_bytes_in_both_views():
    pool = PacketPool(2)
    pool.rows[1][5] = 42
    assert pool.data[1, 5] == 42
    assert len(pool.rows[1]) == STRIDE


def test_the_packet_of_a_row_is_found_by_its_columns():
    pool = PacketPool(1)
    pool.rows[0][10:14] = b"abcd"
    pool.assign(0, owner=1, ext_seq=1, start=10, payload=12, end=14)
    assert bytes(pool.packet(0)) == b"abcd"


def test_stream_ids_are_never_given_twice():
    pool = PacketPool(1)
    assert pool.new_stream_id() != pool.new_stream_id()
