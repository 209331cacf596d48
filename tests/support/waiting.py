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


async def watch(counter: Callable[[], int], seconds: float) -> int:
    """How much a counter grows while `seconds` pass."""
    before = counter()
    await asyncio.sleep(seconds)
    return counter() - before


async def quiet(counter: Callable[[], int], what: str, *, for_s: float = 1.0, timeout: float = 20) -> None:
    """Wait until a counter has stood still for `for_s` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        grown = await watch(counter, for_s)
        if grown == 0:
            return
        if loop.time() > deadline:
            raise AssertionError(f"{what} did not stop: {grown} more in {for_s} s")
