from sfu.media.cache import StreamCache
from sfu.media.pool import PacketPool


def stored(pool: PacketPool, cache: StreamCache, owner: int, ext_seq: int) -> int:
    slot, _ = pool.reserve(1)
    pool.commit(1)
    pool.assign(slot, owner, ext_seq, start=0, payload=12, end=20)
    cache.store(ext_seq, slot)
    return slot


def test_a_packet_is_found_until_its_row_is_overwritten():
    pool = PacketPool(4)
    cache = StreamCache(pool, stream_id=1, size=8)
    slot = stored(pool, cache, 1, 65536)
    assert cache.find(65536) == slot
    pool.commit(4 - 1)
    pool.commit(1)
    assert cache.find(65536) is None
    assert cache.received(65536)


def test_another_packet_in_the_row_is_not_taken_for_the_first():
    pool = PacketPool(1)
    cache, other = StreamCache(pool, 1, 8), StreamCache(pool, 2, 8)
    stored(pool, cache, 1, 65536)
    stored(pool, other, 2, 65536)
    assert cache.find(65536) is None
    assert other.find(65536) == 0


def test_only_the_last_numbers_are_remembered():
    pool = PacketPool(16)
    cache = StreamCache(pool, 1, size=4)
    for ext_seq in range(65536, 65536 + 5):
        stored(pool, cache, 1, ext_seq)
    assert not cache.received(65536)
    assert cache.received(65537)
    assert cache.find(65541) is None
