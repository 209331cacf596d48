import re
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest

from control_api.http.rate_limits import LIMITS, REQUESTS, Limit, Rate, RateLimits
from signaling.errors import LiveError
from signaling.protocol import CLIENT_MESSAGES
from signaling.rates import RateClass

API = (Path(__file__).parents[4] / "docs" / "API.md").read_text()


class World:
    def __init__(self, **more):
        self.now = 100.0
        limits = {"chat": Limit(user=Rate(2, 4), address=Rate(10, 20)), "read": Limit(Rate(1, 1), Rate(1, 1))}
        self.limits = RateLimits(limits, requests=Rate(5, 8), clock=lambda: self.now, **more)

    def allowed(self, spend, *arguments, tries=50):
        count = 0
        for _ in range(tries):
            with suppress(LiveError):
                spend(*arguments)
                count += 1
        return count


@pytest.fixture
def world():
    return World()


def test_a_burst_and_then_the_rate(world):
    assert world.allowed(world.limits.spend_user, "chat", "vera") == 4
    world.now += 1
    assert world.allowed(world.limits.spend_user, "chat", "vera") == 2
    world.now += 1000
    assert world.allowed(world.limits.spend_user, "chat", "vera") == 4


def test_a_refusal_says_when_to_come_back_and_it_is_true(world):
    world.allowed(world.limits.spend_user, "chat", "vera")
    with pytest.raises(LiveError) as failure:
        world.limits.spend_user("chat", "vera")
    assert failure.value.code == "rate_limited"
    assert failure.value.retry_after_s == pytest.approx(0.5)
    world.now += failure.value.retry_after_s
    world.limits.spend_user("chat", "vera")


def test_users_classes_and_addresses_do_not_pay_for_each_other(world):
    world.allowed(world.limits.spend_user, "chat", "vera")
    assert world.allowed(world.limits.spend_user, "chat", "walt") == 4
    assert world.allowed(world.limits.spend_user, "read", "vera") == 1
    # Whoever calls themselves like an address is still no address.
    world.allowed(world.limits.spend_user, "chat", "192.0.2.1")
    assert world.allowed(world.limits.spend_address, "chat", "192.0.2.1") == 20
    assert world.allowed(world.limits.spend_request, "192.0.2.1") == 8


def test_an_ipv6_customer_has_one_bucket(world):
    spent = sum(world.allowed(world.limits.spend_address, "chat", f"2001:db8::{n:x}", tries=1) for n in range(100))
    assert spent == 20
    assert world.allowed(world.limits.spend_address, "chat", "2001:db8:0:1::1") == 20


def test_hostile_addresses_cost_no_memory():
    world = World(max_buckets=100)
    for number in range(5000):
        world.limits.spend_address("chat", f"198.51.{number >> 8}.{number & 255}")
        world.limits.spend_user("chat", f"user {number}")
    assert world.limits.buckets == 200


def test_who_is_active_is_not_forgotten_because_others_come():
    world = World(max_buckets=100)
    world.allowed(world.limits.spend_user, "chat", "flood")
    for number in range(5000):
        world.limits.spend_user("chat", f"user {number}")
        assert world.allowed(world.limits.spend_user, "chat", "flood", tries=1) == 0


def test_refusals_are_counted_by_class(world):
    world.allowed(world.limits.spend_user, "chat", "vera", tries=6)
    world.allowed(world.limits.spend_request, "192.0.2.1", tries=9)
    assert world.limits.refused == {("user", "chat"): 2, ("address", "request"): 1}


def test_every_class_has_a_limit_and_every_message_a_class():
    assert set(LIMITS) == set(get_args(RateClass))
    assert {model.rate for model in CLIENT_MESSAGES.values()} <= set(LIMITS)


def test_an_office_gets_in_at_once():
    """A thousand people behind one address: they join, read what there is and connect within the same second."""
    limits = RateLimits(clock=lambda: 0.0)
    for _ in range(1000):
        for rate in ("join", "read", "connect", "media", "media"):
            limits.spend_address(rate, "192.0.2.1")


def test_one_user_is_always_less_than_an_address():
    for rate, limit in LIMITS.items():
        assert limit.user.per_second < limit.address.per_second, rate
        assert limit.user.burst < limit.address.burst, rate


def test_the_document_has_every_number():
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([\d.]+)/s, (\d+) \| ([\d.]+)/s, (\d+) \|$", API, re.MULTILINE)
    documented = {name: tuple(map(float, numbers)) for name, *numbers in rows}
    assert documented == {name: (*limit.user, *limit.address) for name, limit in LIMITS.items()}
    assert f"an address has {REQUESTS.per_second} HTTP requests of any kind a second ({REQUESTS.burst} at once)" in API
