"""The keys of an issuer of tokens, fetched from its JWKS address (RFC 7517) and kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from signaling.outbox import TokenBucket

from .token_keys import Algorithm, KeySet, KeySetupError, KeysUnavailable, UnusableKey, VerifyingKey, parse_jwks

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 256 * 1024
"""A key with its certificates takes about 4 KiB."""
_PASSING: Final = frozenset({408, 425, 429})
"""Statuses below 500 that go away by themselves."""


@dataclass(frozen=True)
class JwksTimings:
    """All in seconds, on a monotonic clock."""

    timeout_s: float = 5.0
    """For a whole fetch."""
    refresh_after_s: float = 300.0
    """From this age on, keys are fetched anew while tokens are still verified with those that are here."""
    max_age_s: float = 900.0
    """From this age on, a token waits for the fetch: so long may a key that its issuer withdrew be honoured."""
    keep_s: float = 24 * 3600.0
    """For so long the last keys are used while the issuer can't be reached."""
    retry_s: float = 10.0
    """Between attempts while the issuer can't be reached."""
    unknown_kid_interval_s: float = 15.0
    """Fetches because of unknown kids: one in this time on average, and a few at once."""
    unknown_kid_burst: int = 4


class FetchFailed(Exception):
    """The message names neither the address nor what came. `lasting`: waiting will not help."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        self.lasting = lasting
        super().__init__(message)


class JwksSource:
    """A `KeySource` that follows an issuer's JWKS. `open` first, `close` at the end.

    Keys are fetched when a token needs them, one fetch at a time for everybody who waits. A `kid` that is not known
    may be that of a new key: it causes a fetch, but invented ones can't cause more than `JwksTimings` allows.
    """

    algorithms: Final[frozenset[Algorithm]] = frozenset({"RS256", "ES256"})
    requires_expiry: Final = True

    def __init__(
        self, url: str, timings: JwksTimings | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`url` is trusted as it is; `Settings` takes only https, and http on loopback."""
        self._url = url
        self._timings = timings or JwksTimings()
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._failure: FetchFailed | None = None
        """Of the last fetch."""
        self._retry_at = clock()
        interval_s = self._timings.unknown_kid_interval_s
        self._for_unknown = TokenBucket(1 / interval_s, self._timings.unknown_kid_burst, clock())

    async def open(self) -> None:
        """Fetch the keys. An issuer that is away is only logged; raises `KeySetupError` for an address without keys."""
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timings.timeout_s),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "greenroom"},
            # What is not decompressed can't become larger than the limit.
            auto_decompress=False,
        )
        await self._fetched()
        if self._failure is not None and self._failure.lasting:
            await self.close()
            raise KeySetupError(f"GREENROOM_JWT_JWKS_URL can't be used: {self._failure}")

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def find(self, kid: str | None) -> VerifyingKey | None:
        """Implements `KeySource`."""
        await self._keep_fresh()
        key = self._usable().find(kid)
        if key is not None or kid is None:
            return key
        if self._under_way() or self._for_unknown.take(self._clock()):
            await self._fetched()
        key = self._usable().find(kid)
        if key is None and self._failure is not None:
            # It may well be a good key that nobody could fetch.
            raise KeysUnavailable(self._timings.retry_s)
        return key

    def _usable(self) -> KeySet:
        if self._keys is None or self._clock() - self._fetched_at > self._timings.keep_s:
            raise KeysUnavailable(max(1.0, self._retry_at - self._clock()))
        return self._keys

    async def _keep_fresh(self) -> None:
        now = self._clock()
        age_s = now - self._fetched_at if self._keys is not None else float("inf")
        if age_s < self._timings.refresh_after_s or (now < self._retry_at and not self._under_way()):
            return
        if age_s < self._timings.max_age_s:
            self._fetch_soon()
        else:
            await self._fetched()

    def _under_way(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _fetch_soon(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())
        return self._fetching

    async def _fetched(self) -> None:
        """Wait for the fetch that is under way, or begin one. A caller that is cancelled does not end it."""
        await asyncio.wait({self._fetch_soon()})

    async def _fetch(self) -> None:
        try:
            keys = await self._load()
        except FetchFailed as failure:
            self._retry_at = self._clock() + self._timings.retry_s
            if self._failure is None:
                logger.warning("the keys of the tokens' issuer can't be fetched: %s", failure)
            self._failure = failure
            return
        if self._failure is not None:
            logger.info("the keys of the tokens' issuer could be fetched again")
        if keys.refused and (self._keys is None or self._keys.refused != keys.refused):
            logger.info("%d keys of the tokens' issuer are not used: %s", len(keys.refused), "; ".join(keys.refused))
        self._keys, self._fetched_at, self._failure = keys, self._clock(), None

    async def _load(self) -> KeySet:
        if self._http is None:
            raise FetchFailed("the server is stopping", lasting=False)
        try:
            # A redirect could lead away from https, and to addresses that only this machine reaches.
            async with self._http.get(self._url, allow_redirects=False) as response:
                if response.status != 200:
                    lasting = response.status < 500 and response.status not in _PASSING
                    raise FetchFailed(f"the answer was {response.status}", lasting=lasting)
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise FetchFailed("the answer is compressed", lasting=True)
                body = await _bounded(response)
            return parse_jwks(body)
        except UnusableKey as error:
            raise FetchFailed(f"the answer is no JWKS: {error}", lasting=True) from None
        except TimeoutError:
            raise FetchFailed(f"no answer within {self._timings.timeout_s:g} seconds", lasting=False) from None
        except aiohttp.ClientConnectorCertificateError:
            raise FetchFailed("its TLS certificate is not trusted", lasting=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchFailed(f"no answer ({type(error).__name__})", lasting=False) from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise FetchFailed(f"the answer has more than {MAX_BODY_BYTES // 1024} KiB", lasting=True)
    return bytes(body)
