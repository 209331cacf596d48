"""What is called loss."""

import pytest

from bench.fleet import Joins, Traffic
from bench.measure import Span, Usage, evaluate, loss


def traffic(**members):
    return Traffic(seconds=10.0, **members)


def test_holes_in_the_numbers_are_loss():
    assert loss(traffic(expected=1000, received=999, sent_packets=100), 10) == pytest.approx(0.001)


def test_a_server_that_goes_silent_loses_although_no_number_is_missing():
    assert loss(traffic(expected=500, received=500, sent_packets=100), 10) == pytest.approx(0.5)


def test_the_edges_of_the_window_are_no_loss():
    assert loss(traffic(expected=995, received=995, sent_packets=100), 10) == 0
    assert loss(traffic(expected=74, received=74, sent_packets=76), 1) == 0


def test_nothing_sent_is_nothing_lost():
    assert loss(traffic(), 0) == 0


def test_packets_that_came_before_the_window_are_no_negative_loss():
    assert loss(traffic(expected=1000, received=1001, sent_packets=100), 10) == 0


def test_of_a_server_that_encodes_anew_the_frames_are_compared():
    fewer_packets = {"expected": 400, "received": 400, "sent_packets": 1000, "sent_frames": 800}
    assert loss(traffic(frames=800, **fewer_packets), 1, reencodes=True) == 0
    assert loss(traffic(frames=600, **fewer_packets), 1, reencodes=True) == pytest.approx(0.25)
    assert loss(traffic(frames=800, **fewer_packets), 1) == pytest.approx(0.6)


def measured(joins=None, span=None, **members):
    return evaluate(("webinar", "viewers"), 10, 11, traffic(**members), 10, joins or Joins(), span, 1_000_000)


def test_costs_are_per_packet_that_was_forwarded():
    span = Span(Usage(100.0, 5.0, 1.0, 0), Usage(110.0, 7.0, 1.5, 12_000_000), {"a": 1}, {"a": 1, "b": 4})
    result = measured(span=span, expected=1_000_000, received=1_000_000, sent_packets=100_000)
    assert result.worker_us_per_packet == pytest.approx(2.0)
    assert result.control_us_per_packet == pytest.approx(0.5)
    assert result.worker_cpu == pytest.approx(0.2)
    assert result.memory_per_participant_bytes == pytest.approx(1_000_000)
    assert result.server_drops == {"b": 4}
    assert result.packets_out_per_s == pytest.approx(100_000)


def test_a_server_elsewhere_has_no_costs():
    result = measured(expected=10, received=10)
    assert result.worker_us_per_packet is None
    assert result.to_json()["memory_per_participant_bytes"] is None


@pytest.mark.parametrize(
    ("members", "joins", "passed"),
    [
        ({"expected": 100_000, "received": 99_901}, Joins(), True),
        ({"expected": 100_000, "received": 99_900}, Joins(), False),
        ({"expected": 100_000, "received": 100_000}, Joins(failures={"refused": 1}), False),
        ({"expected": 100_000, "received": 100_000, "srtp_failures": 1}, Joins(), False),
    ],
)
def test_what_passes(members, joins, passed):
    assert measured(joins=joins, **members).passed is passed


def test_repaired_packets_are_lost_but_not_for_good():
    result = measured(expected=1000, received=990, repaired=9)
    assert result.loss == pytest.approx(0.01)
    assert result.unrepaired_loss == pytest.approx(0.001)


def test_a_server_that_throws_participants_out_does_not_carry_the_load():
    result = evaluate(("webinar", "viewers"), 10, 11, traffic(expected=9, received=9), 10, Joins(), None, 0, 1)
    assert not result.passed


def test_figures_of_clients_at_their_end_are_marked():
    assert measured(expected=10, received=10, receive_drops=1).client_limited
    assert measured(expected=10, received=10, busiest_client=0.99).client_limited
    assert not measured(expected=10, received=10, busiest_client=0.5).client_limited
