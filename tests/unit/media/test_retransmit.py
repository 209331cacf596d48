from sfu.media.retransmit import BURST, RATE, RetransmissionLimiter


def test_a_packet_is_not_sent_again_within_a_round_trip():
    limiter = RetransmissionLimiter()
    assert limiter.allow(5, 0.1, 1.0)
    assert not limiter.allow(5, 0.1, 1.09)
    assert limiter.allow(5, 0.1, 1.11)
    assert not limiter.allow(5, None, 1.12)


def test_a_flood_is_cut_to_the_rate():
    limiter = RetransmissionLimiter()
    allowed = sum(limiter.allow(number, None, number / 10_000) for number in range(10_000))
    assert abs(allowed - (BURST + RATE)) <= 1


def test_memory_is_bounded_and_the_oldest_is_forgotten():
    limiter = RetransmissionLimiter()
    for number in range(5000):
        limiter.allow(number, None, float(number))
    assert len(limiter._last_sent) <= 512
    assert not limiter.allow(4999, None, 4999.01)
