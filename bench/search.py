"""Finding the highest load that a server carries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Found(Generic[Outcome]):
    """The highest load that passed with what was measured there; the lowest that failed, if any did."""

    load: int
    outcome: Outcome | None
    failed_load: int | None
    failed_outcome: Outcome | None


async def find_max(
    attempt: Callable[[int], Awaitable[tuple[bool, Outcome]]],
    *,
    first: int,
    limit: int,
    resolution: float = 0.05,
    step: int = 1,
) -> Found[Outcome]:
    """Double from `first` until an attempt fails or `limit` has passed, then halve the interval.

    Ends when the interval is no wider than `resolution` of the load that passed, or than `step`. Loads are multiples of
    `step` but for `first` and `limit`. A first attempt that fails is halved down to 1.
    """
    passed, best = 0, None
    failed: int | None = None
    failed_outcome: Outcome | None = None
    load = min(max(first, 1), limit)
    while True:
        ok, outcome = await attempt(load)
        if ok:
            passed, best = load, outcome
        else:
            failed, failed_outcome = load, outcome
        if failed is None:
            if passed >= limit:
                break
            load = min(2 * passed, limit)
            continue
        if failed - passed <= max(step, resolution * passed):
            break
        middle = (passed + failed) // 2
        rounded = middle // step * step
        load = rounded if passed < rounded < failed else middle
    return Found(passed, best, failed, failed_outcome)
