"""How often a user and an address may do what: token buckets in memory, one for each class of cost."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from aiohttp import web

from signaling.errors import LiveError
from signaling.outbox import TokenBucket
from signaling.rates import RateClass

from .errors import Handler
from .proxy import client_of, limit_key

Scope = Literal["user", "address"]
LimitName = RateClass | Literal["request"]
"""`request`: any HTTP request at all, on top of what its route counts as."""


class Rate(NamedTuple):
    per_second: float
    burst: float
    """How many may come at once after a pause."""


class Limit(NamedTuple):
    user: Rate
    address: Rate


# An address is not a person: an office, a school or a mobile network has hundreds of viewers behind one. They open the
# page together, join together and answer an offer together, so addresses get bursts for a thousand people. What is left
# for an address to do is bounded by what a server can bear from one, not by what one person would do.
LIMITS: Final[Mapping[RateClass, Limit]] = {
    "start": Limit(user=Rate(0.2, 10), address=Rate(5, 100)),
    "join": Limit(user=Rate(2, 20), address=Rate(60, 1_500)),
    "token": Limit(user=Rate(1, 30), address=Rate(60, 1_500)),
    "ask": Limit(user=Rate(0.5, 10), address=Rate(20, 300)),
    "manage": Limit(user=Rate(10, 100), address=Rate(50, 500)),
    "chat": Limit(user=Rate(2, 10), address=Rate(100, 500)),
    "react": Limit(user=Rate(10, 50), address=Rate(500, 5_000)),
    "gift": Limit(user=Rate(1, 10), address=Rate(20, 200)),
    "read": Limit(user=Rate(10, 60), address=Rate(200, 4_000)),
    "report": Limit(user=Rate(0.5, 10), address=Rate(5, 200)),
    "connect": Limit(user=Rate(1, 20), address=Rate(100, 2_000)),
    "media": Limit(user=Rate(20, 200), address=Rate(2_000, 20_000)),
}

REQUESTS: Final = Rate(500, 20_000)
"""Of an address, for whatever there is: a page is about forty of them."""

MAX_BUCKETS: Final = 50_000
"""Of users, and as many of addresses: about 15 MB each. The one that was used longest ago makes room, so that callers
with endless addresses cost themselves their limits, but nobody memory."""


class RateLimits:
    """Counts requests. Refuses none where it is not `enabled`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        limits: Mapping[RateClass, Limit] = LIMITS,
        requests: Rate = REQUESTS,
        max_buckets: int = MAX_BUCKETS,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._requests = requests
        self._max_buckets = max_buckets
        self._enabled = enabled
        self._clock = clock
        self._users: OrderedDict[tuple[LimitName, str], TokenBucket] = OrderedDict()
        self._addresses: OrderedDict[tuple[LimitName, str], TokenBucket] = OrderedDict()
        self.refused: Counter[tuple[Scope, LimitName]] = Counter()
        """How many were refused, for metrics."""

    def spend_request(self, address: str) -> None:
        """Count an HTTP request from an address, whatever it is for. Raises `LiveError` `rate_limited`."""
        self._spend("address", self._addresses, "request", limit_key(address), self._requests)

    def spend_address(self, rate: RateClass, address: str) -> None:
        """Count a verb called from an address. Raises `LiveError` `rate_limited`."""
        self._spend("address", self._addresses, rate, limit_key(address), self._limits[rate].address)

    def spend_user(self, rate: RateClass, user_id: str) -> None:
        """Count a verb of a user. Raises `LiveError` `rate_limited`."""
        self._spend("user", self._users, rate, user_id, self._limits[rate].user)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count every request, whatever it is for, by its address."""
        self.spend_request(client_of(request).address)
        return await handler(request)

    @property
    def buckets(self) -> int:
        """Buckets that are remembered."""
        return len(self._users) + len(self._addresses)

    def _spend(
        self,
        scope: Scope,
        buckets: OrderedDict[tuple[LimitName, str], TokenBucket],
        name: LimitName,
        who: str,
        rate: Rate,
    ) -> None:
        if not self._enabled:
            return
        now, key = self._clock(), (name, who)
        bucket = buckets.get(key)
        if bucket is None:
            if len(buckets) >= self._max_buckets:
                buckets.popitem(last=False)
            bucket = buckets[key] = TokenBucket(rate.per_second, rate.burst, now)
        else:
            buckets.move_to_end(key)
        if not bucket.take(now):
            self.refused[scope, name] += 1
            raise LiveError("rate_limited", retry_after_s=bucket.wait_s)


RATE_LIMITS: Final = web.AppKey("rate_limits", RateLimits)
