"""Waiting for what a test expects, with a time limit that only a broken server reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

POLL_INTERVAL_S = 0.05


async def until(
    condition: Callable[[], Any],
    what: str,
    *,
    timeout: float = 20,
    interval: float = POLL_INTERVAL_S,
) -> Any:
    """The first truthy value of `condition`, which may be a coroutine function.

    Fails the test after `timeout`, naming `what` was waited for and the last value.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        value = condition()
        if isawaitable(value):
            value = await value
        if value:
            return value
        if loop.time() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout} s (last seen: {value!r})")
        await asyncio.sleep(interval)


async def grows(counter: Callable[[], int], what: str, *, by: int = 1) -> None:
    """Wait until a counter is `by` higher than it is now."""
    before = counter()
    await until(lambda: counter() >= before + by, what)


async def quiet(counter: Callable[[], int], what: str, *, for_s: float = 1.0, timeout: float = 20) -> None:
    """Wait until a counter has stood still for `for_s` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        before = counter()
        await asyncio.sleep(for_s)
        grown = counter() - before
        if grown == 0:
            return
        if loop.time() > deadline:
            raise AssertionError(f"{what} did not stop: {grown} more in {for_s} s")
