import pytest

from sfu.cc.arrivals import ArrivalGroups
from sfu.rtp.ntp import abs_send_time


def variations(packets: list[tuple[float, float]]) -> list[float]:
    groups = ArrivalGroups()
    results = [groups.note(abs_send_time(sent), arrived) for sent, arrived in packets]
    return [result[0] for result in results if result is not None]


def test_equal_spacing_has_no_variation_also_across_the_wrap():
    packets = [(63.5 + index * 0.02, 100 + index * 0.02) for index in range(100)]
    assert variations(packets) == pytest.approx([0.0] * 98, abs=1e-5)


def test_packets_of_a_burst_are_one_group():
    packets = [(1.0 + frame * 0.033 + index * 0.001, 1.1 + frame * 0.033) for frame in range(10) for index in range(4)]
    assert len(variations(packets)) == 8


def test_a_delayed_group_varies_by_its_delay():
    found = variations([(0.0, 0.0), (0.02, 0.02), (0.04, 0.05), (0.06, 0.06)])
    assert found == pytest.approx([0.0, 0.01], abs=1e-5)


def test_a_packet_out_of_order_says_nothing():
    assert variations([(0.0, 0.0), (0.02, 0.02), (0.01, 0.021), (0.04, 0.04)]) == pytest.approx([0.0], abs=1e-5)


def test_a_long_silence_begins_anew():
    assert variations([(0.0, 0.0), (0.02, 0.02), (10.0, 15.0), (10.02, 15.02)]) == pytest.approx([0.0], abs=1e-5)
