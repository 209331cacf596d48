from __future__ import annotations

import asyncio
import os
import signal

import pytest

from control_api.shutdown import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_asks(number: signal.Signals) -> None:
    stop = stop_on_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(stop.wait(), 10)
    # The second one is Python's own again: it would interrupt.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
