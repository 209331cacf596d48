import pytest

from sfu.cc.aimd import BETA, AimdController


def controller() -> AimdController:
    return AimdController(1_000_000, 50_000, 20_000_000)


def test_overuse_falls_below_what_arrives_once_per_round_trip():
    aimd = controller()
    aimd.update("overuse", 800_000, 0.1, 0.0)
    assert aimd.rate_bps == pytest.approx(BETA * 800_000)
    aimd.update("overuse", 400_000, 0.1, 0.05)
    assert aimd.rate_bps == pytest.approx(BETA * 800_000)
    aimd.update("overuse", 400_000, 0.1, 0.15)
    assert aimd.rate_bps == pytest.approx(BETA * 400_000)


def test_overuse_never_raises_the_rate():
    aimd = controller()
    aimd.update("overuse", 9_000_000, 0.1, 0.0)
    assert aimd.rate_bps <= 1_000_000


def test_it_does_not_run_ahead_of_what_arrives():
    aimd = controller()
    for step in range(1000):
        aimd.update("normal", 700_000, 0.1, step * 0.1)
    assert aimd.rate_bps <= 1.5 * 700_000 + 10_000


def test_a_quiet_sender_does_not_lower_the_rate():
    aimd = controller()
    aimd.update("normal", 1000, 0.1, 0.0)
    aimd.update("normal", 1000, 0.1, 1.0)
    assert aimd.rate_bps == 1_000_000


def test_underuse_waits_for_the_queue_to_drain():
    aimd = controller()
    for step in range(10):
        aimd.update("underuse", 1_000_000, 0.1, step * 0.1)
    assert aimd.rate_bps == 1_000_000


def test_growth_is_slow_near_the_rate_of_the_last_overuse_and_free_beyond():
    near, fresh = controller(), controller()
    near.update("overuse", 1_000_000, 0.1, 0.0)
    near.update("normal", 1_000_000, 0.1, 0.1)
    start = near.rate_bps
    near.update("normal", 1_000_000, 0.1, 1.1)
    fresh.update("normal", 1_000_000, 0.1, 0.1)
    fresh.update("normal", 1_000_000, 0.1, 1.1)
    assert start < near.rate_bps < start * 1.2
    assert fresh.rate_bps > 1_400_000


@pytest.mark.parametrize(("loss", "factor"), [(0.0, 1.0), (0.05, 1.0), (0.2, 0.9), (1.0, 0.5)])
def test_heavy_loss_lowers_the_rate(loss, factor):
    aimd = controller()
    aimd.note_loss(loss)
    assert aimd.rate_bps == pytest.approx(factor * 1_000_000)


def test_moderate_loss_holds_it():
    aimd = controller()
    aimd.note_loss(0.05)
    aimd.update("normal", 1_000_000, 0.1, 0.0)
    aimd.update("normal", 1_000_000, 0.1, 1.0)
    assert aimd.rate_bps == 1_000_000


def test_the_rate_stays_within_its_bounds():
    aimd = controller()
    for _ in range(100):
        aimd.note_loss(1.0)
    assert aimd.rate_bps == 50_000
