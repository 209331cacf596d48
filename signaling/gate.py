"""Which verbs of a room may run at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Gate:
    """Verbs about one user run one after another, those about different users side by side, and `everybody` alone.

    Without it two writes about one user could reach the database in the wrong order, and a participant could be written
    into a session that is just being ended. Verbs must not nest.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._exclusive = asyncio.Lock()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def user(self, user_id: str) -> AsyncIterator[None]:
        lock = self._locks.get(user_id)
        if lock is None:
            lock = self._locks[user_id] = asyncio.Lock()
        async with lock:
            while self._exclusive.locked():
                async with self._exclusive:
                    pass
            self._running += 1
            self._idle.clear()
            try:
                yield
            finally:
                self._running -= 1
                if not self._running:
                    self._idle.set()

    @asynccontextmanager
    async def everybody(self) -> AsyncIterator[None]:
        async with self._exclusive:
            await self._idle.wait()
            yield
