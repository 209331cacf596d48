"""How many connections there may be at once, in all and for each address."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from .proxy import limit_key

Refusal = Literal["total", "address", "flood"]
"""There were too many in all, or of one address; or one sent too much."""


class Seats:
    """`total` and `per_address` are the most that may be taken at once; None is no limit."""

    def __init__(self, total: int | None = None, per_address: int | None = None) -> None:
        self._total = total
        self._per_address = per_address
        self._of_address: Counter[str] = Counter()
        self.taken = 0
        self.refused: Counter[Refusal] = Counter()
        """How many got no seat, or lost it, by the limit that was reached."""

    def take(self, address: str | None) -> bool:
        """Take a seat, which has to be given back with `leave`. False where there is none. None counts in all only."""
        if self._total is not None and self.taken >= self._total:
            self.refused["total"] += 1
            return False
        if address is not None:
            key = limit_key(address)
            if self._per_address is not None and self._of_address[key] >= self._per_address:
                self.refused["address"] += 1
                return False
            self._of_address[key] += 1
        self.taken += 1
        return True

    def leave(self, address: str | None) -> None:
        self.taken -= 1
        if address is None:
            return
        key = limit_key(address)
        self._of_address[key] -= 1
        if not self._of_address[key]:
            # Addresses that are gone are forgotten: strangers can make up any number of them.
            del self._of_address[key]

    @property
    def addresses(self) -> int:
        """How many addresses have a seat."""
        return len(self._of_address)
