from sfu.worker.budget import TimeBudget


def spend_all(budget: TimeBudget, seconds: float, begin: float = 0.0, step: float = 0.001) -> float:
    """Seconds that somebody gets who always wants more."""
    spent, now = 0.0, begin
    while now < begin + seconds:
        if not budget.is_spent(now):
            budget.spend(step)
            spent += step
        now += step
    return spent


def test_who_wants_all_of_the_time_gets_a_share_and_what_was_saved_up():
    assert abs(spend_all(TimeBudget(0.25, 0.05, 0.0), 10.0) - (2.5 + 0.05)) < 0.01


def test_no_more_is_saved_up_than_a_burst():
    budget = TimeBudget(0.25, 0.05, 0.0)
    spend_all(budget, 1.0)
    assert abs(spend_all(budget, 0.1, begin=1000.0) - (0.025 + 0.05)) < 0.01


def test_one_long_piece_of_work_is_paid_for_afterwards():
    budget = TimeBudget(0.25, 0.05, 0.0)
    budget.spend(0.3)
    assert budget.is_spent(0.9)
    assert not budget.is_spent(1.1)
