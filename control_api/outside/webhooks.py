"""Delivers events to the configured addresses: at least once, and in order for each session and address."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import aiohttp

from signaling.ports import StoreUnavailable

from .webhook_format import Delivery, headers_of

logger = logging.getLogger(__name__)

GONE: Final = 410
Outcome = Literal["delivered", "failed", "dropped"]


@dataclass(frozen=True)
class WebhookTimings:
    """All in seconds."""

    request_s: float = 10.0
    """For a whole request."""
    poll_s: float = 1.0
    """How often the outbox is looked at while nothing is under way."""
    lease_s: float = 60.0
    """For how long a claimed event is nobody else's; much longer than a request."""
    first_retry_s: float = 1.0
    max_retry_s: float = 3600.0
    keep_s: float = 24 * 3600.0
    """An event of that age that still can't be delivered is dropped, so that those after it come through."""
    database_retry_s: float = 2.0
    close_s: float = 3.0
    """How long `close` waits for requests under way."""


class Outbox(Protocol):
    """See `control_api.store.webhooks.WebhookOutbox`."""

    async def subscribe(self, urls: Sequence[str], event_types: Sequence[str] | None) -> None: ...
    async def unsubscribe(self, url: str) -> None: ...
    async def claim(self, url: str, limit: int, lease_s: float) -> list[Delivery]: ...
    async def delivered(self, delivery: Delivery) -> None: ...
    async def failed(self, delivery: Delivery, error: str, retry_s: float, keep_s: float) -> bool: ...
    async def release(self, deliveries: Sequence[Delivery]) -> None: ...


class Webhooks:
    """All addresses. `open` first, before the first event; `close` at the end."""

    def __init__(
        self,
        outbox: Outbox,
        urls: Sequence[str],
        secret: bytes,
        event_types: Sequence[str] | None = None,
        *,
        timings: WebhookTimings | None = None,
        parallel: int = 8,
    ) -> None:
        """`event_types`: None for all but `message_sent` and `reactions`. `parallel`: requests at once per address."""
        self.outcomes: Counter[Outcome] = Counter()
        self._outbox = outbox
        self._urls = tuple(urls)
        self._secret = secret
        self._event_types = event_types
        self._timings = timings or WebhookTimings()
        self._parallel = parallel
        self._http: aiohttp.ClientSession | None = None
        self._receivers: list[_Receiver] = []

    async def open(self) -> None:
        """Raises `StoreUnavailable`."""
        await self._outbox.subscribe(self._urls, self._event_types)
        if not self._urls:
            return
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timings.request_s),
            headers={"User-Agent": "greenroom", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        self._receivers = [
            _Receiver(url, self._outbox, self._http, self._secret, self._timings, self._parallel, self.outcomes)
            for url in self._urls
        ]
        for receiver in self._receivers:
            receiver.start()

    async def close(self) -> None:
        await asyncio.gather(*(receiver.close() for receiver in self._receivers))
        if self._http is not None:
            await self._http.close()


class _Receiver:
    """One address."""

    def __init__(
        self,
        url: str,
        outbox: Outbox,
        http: aiohttp.ClientSession,
        secret: bytes,
        timings: WebhookTimings,
        parallel: int,
        outcomes: Counter[Outcome],
    ) -> None:
        parts = urlsplit(url)
        self._name = f"{parts.scheme}://{parts.hostname}"
        """For logs: the rest of an address may be a secret."""
        self._url = url
        self._outbox = outbox
        self._http = http
        self._secret = secret
        self._timings = timings
        self._parallel = parallel
        self._outcomes = outcomes
        self._under_way: dict[asyncio.Task[None], Delivery] = {}
        self._wake = asyncio.Event()
        self._gone = False
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._timings.close_s)
        cut_off = dict(self._under_way)
        for task in cut_off:
            task.cancel()
        if cut_off:
            await asyncio.wait(cut_off)
            with suppress(StoreUnavailable):
                await self._outbox.release(list(cut_off.values()))

    async def _run(self) -> None:
        while not self._gone:
            self._wake.clear()
            pause_s: float | None = self._timings.poll_s
            try:
                await self._start_what_is_due()
            except StoreUnavailable:
                pause_s = self._timings.database_retry_s
            except Exception:
                logger.exception("looking for events for %s failed; it will be tried again", self._name)
            if len(self._under_way) >= self._parallel:
                pause_s = None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _start_what_is_due(self) -> None:
        free = self._parallel - len(self._under_way)
        if free < 1:
            return
        for delivery in await self._outbox.claim(self._url, free, self._timings.lease_s):
            task = asyncio.get_running_loop().create_task(self._deliver(delivery))
            self._under_way[task] = delivery
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        # The session's next event can go, and a place is free.
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            logger.error("delivering an event to %s failed", self._name, exc_info=task.exception())

    async def _deliver(self, delivery: Delivery) -> None:
        settle_until = time.monotonic() + self._timings.lease_s
        problem = await self._post(delivery)
        if problem is None:
            self._outcomes["delivered"] += 1
            self._note_recovery()
            await self._settled(lambda: self._outbox.delivered(delivery), settle_until)
        elif problem == f"status {GONE}":
            await self._switch_off()
        else:
            self._outcomes["failed"] += 1
            self._note_failure(problem)
            await self._settled(lambda: self._put_back(delivery, problem), settle_until)

    async def _post(self, delivery: Delivery) -> str | None:
        """None when the receiver has it, else what went wrong, in few words that quote nothing of its answer."""
        body = delivery.body()
        headers = headers_of(delivery, body, self._secret, time.time())
        try:
            # Who may be told is configured, not decided by whoever answers there.
            async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                return None if 200 <= response.status < 300 else f"status {response.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return type(error).__name__

    async def _put_back(self, delivery: Delivery, problem: str) -> None:
        timings = self._timings
        longest_s = min(timings.max_retry_s, timings.first_retry_s * 2.0 ** min(delivery.attempts - 1, 30))
        # Receivers that come back are not met by all sessions in the same moment.
        retry_s = longest_s * random.uniform(0.5, 1.0)
        if await self._outbox.failed(delivery, problem, retry_s, timings.keep_s):
            self._outcomes["dropped"] += 1
            logger.warning("event %d could not be delivered to %s for too long: dropped", delivery.event_id, self._name)

    async def _settled(self, write: Callable[[], Awaitable[None]], until: float) -> None:
        """While the lease lasts, a database that is away is waited for: otherwise the event would be sent again."""
        while True:
            try:
                return await write()
            except StoreUnavailable:
                if time.monotonic() + self._timings.database_retry_s >= until:
                    return None
                await asyncio.sleep(self._timings.database_retry_s)

    async def _switch_off(self) -> None:
        if self._gone:
            return
        self._gone = True
        logger.error("%s wants no more events (status 410): none are sent there until the next start", self._name)
        await self._settled(lambda: self._outbox.unsubscribe(self._url), time.monotonic() + self._timings.lease_s)

    def _note_failure(self, problem: str) -> None:
        if not self._failing:
            self._failing = True
            logger.warning("events can't be delivered to %s (%s); they will be tried again", self._name, problem)

    def _note_recovery(self) -> None:
        if self._failing:
            self._failing = False
            logger.info("events are delivered to %s again", self._name)
