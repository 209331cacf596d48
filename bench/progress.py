"""What is going on, on the standard error stream: in place on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final, TextIO, TypeVar

from .fleet import Fleet, FleetError

_POLL_S: Final = 0.5
_CLEAR: Final = "\r\x1b[K"

Result = TypeVar("Result")


class Progress:
    """Shows steps while they are worked on. Silent where `stream` is None."""

    def __init__(self, stream: TextIO | None = sys.stderr) -> None:
        self._stream = stream
        self._in_place = stream is not None and stream.isatty()

    def line(self, text: str) -> None:
        """Something that stays."""
        if self._stream is not None:
            print(f"{_CLEAR if self._in_place else ''}{text}", file=self._stream, flush=True)

    async def watch(self, work: Coroutine[Any, Any, Result], what: str, fleet: Fleet) -> Result:
        """Carry the work out and show what the clients see meanwhile."""
        if not self._in_place:
            self.line(what)
            return await work
        task = asyncio.ensure_future(work)
        try:
            await self._show_while(task, what, fleet)
            return await task
        except asyncio.CancelledError:
            task.cancel()
            raise

    def done(self) -> None:
        """Leave the terminal clean."""
        if self._in_place:
            self._show("")

    def _show(self, text: str) -> None:
        assert self._stream is not None
        print(f"{_CLEAR}{text}", end="", file=self._stream, flush=True)

    async def _show_while(self, task: asyncio.Future[Any], what: str, fleet: Fleet) -> None:
        clock = asyncio.get_running_loop().time
        started = last_poll = clock()
        received: int | None = None
        while not task.done():
            await asyncio.wait((task,), timeout=_POLL_S)
            try:
                traffic = await fleet.traffic()
            except FleetError:
                # The task itself tells it better.
                return
            now = clock()
            since = traffic.received if received is None else received
            rate = max(0, traffic.received - since) / max(now - last_poll, 1e-6)
            received, last_poll = traffic.received, now
            people = f"{traffic.participants} participants"
            self._show(f"{what} · {now - started:3.0f} s · {people} · {rate / 1000:.1f} k packets/s")
