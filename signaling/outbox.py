"""What waits to be sent on a socket, and how fast a client may send."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple


class Closing(NamedTuple):
    """The last entry of an outbox."""

    code: int
    reason: str


class Outbox:
    """A bounded queue of frames. After `finish` nothing more is taken in."""

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._entries: deque[bytes | Closing] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self.finished_with: int | None = None
        """The close code, once it is decided that the socket closes."""

    @property
    def finished(self) -> bool:
        return self.finished_with is not None

    @property
    def empty(self) -> bool:
        """Whether nothing is queued, and nothing is being sent."""
        return not self._entries

    def put(self, frame: bytes) -> bool:
        """False where the frame does not fit any more: the reader is too slow."""
        if self.finished:
            return True
        if len(self._entries) >= self._max_messages or self._bytes + len(frame) > self._max_bytes:
            return False
        self._entries.append(frame)
        self._bytes += len(frame)
        self._filled.set()
        return True

    def finish(self, code: int, reason: str) -> None:
        """Close after what is queued. Only the first call counts."""
        if not self.finished:
            self.finished_with = code
            self._entries.append(Closing(code, reason))
            self._filled.set()

    def clear(self) -> None:
        """Forget what is queued."""
        self._entries.clear()
        self._bytes = 0

    async def first(self) -> bytes | Closing:
        """The oldest entry. It counts as queued until `done`."""
        while not self._entries:
            self._filled.clear()
            await self._filled.wait()
        return self._entries[0]

    def done(self) -> None:
        """The oldest entry was sent."""
        if self._entries:
            entry = self._entries.popleft()
            if isinstance(entry, bytes):
                self._bytes -= len(entry)


class TokenBucket:
    """`rate` a second on average, `burst` at once. `now` in seconds, monotonic."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    @property
    def wait_s(self) -> float:
        """Seconds from the last `take` to the next one that succeeds."""
        return max(0.0, 1.0 - self._tokens) / self._rate
