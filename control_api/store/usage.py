"""How the database is used: what is counted for metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from signaling.counters import Histogram

Failure = Literal["unavailable", "refused", "defect"]
"""The database is away or gave up; a policy or a constraint refused; a query that can't work."""

_WAIT_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


class DatabaseUsage:
    """Since the server began, unless it says `now`."""

    def __init__(self) -> None:
        self.waiting_now = 0
        self.wait_s = Histogram(_WAIT_S)
        """For a connection of the pool; those who gave up count as well."""
        self.failures: Counter[Failure] = Counter()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        began = time.perf_counter()
        self.waiting_now += 1
        try:
            yield
        finally:
            self.waiting_now -= 1
            self.wait_s.observe(time.perf_counter() - began)
