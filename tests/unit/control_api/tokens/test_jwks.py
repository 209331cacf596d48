"""Against a real server on loopback; only the clock is the test's."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_api.tokens.jwks import MAX_BODY_BYTES, JwksSource, JwksTimings
from control_api.tokens.token_keys import MAX_KEYS, KeySetupError, KeysUnavailable
from tests.support.issuer import Issuer, certificate, ec_key, jwk, jwks, private_pem, rsa_key

OLD, NEW = jwk(rsa_key(), "old"), jwk(ec_key(), "new")
TIMINGS = JwksTimings(timeout_s=0.3)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer(OLD) as issuer:
        yield issuer


@pytest.fixture
async def source(issuer: Issuer, clock: Clock) -> AsyncIterator[JwksSource]:
    source = JwksSource(issuer.url, TIMINGS, clock)
    await source.open()
    yield source
    await source.close()


async def known(source: JwksSource, kid: str | None) -> bool:
    return await source.find(kid) is not None


async def settled(source: JwksSource) -> None:
    """Wait for a fetch in the background."""
    if source._fetching is not None:
        await asyncio.wait({source._fetching})


async def test_keys_are_fetched_once_and_kept(issuer: Issuer, source: JwksSource, clock: Clock) -> None:
    for _ in range(50):
        assert await known(source, "old")
        clock.now += 5
    assert issuer.requests == 1


async def test_a_new_key_counts_at_once(issuer: Issuer, source: JwksSource) -> None:
    issuer.publish(OLD, NEW)
    assert await known(source, "new")
    assert await known(source, "old")
    assert issuer.requests == 2


async def test_everybody_with_a_new_kid_waits_for_one_fetch(issuer: Issuer, source: JwksSource) -> None:
    issuer.publish(NEW)
    issuer.hold = asyncio.Event()
    waiting = [asyncio.create_task(known(source, "new")) for _ in range(100)]
    while issuer.requests < 2:
        await asyncio.sleep(0)
    issuer.hold.set()
    assert all(await asyncio.gather(*waiting))
    assert issuer.requests == 2


async def test_a_caller_who_goes_away_does_not_end_the_fetch_of_the_others(issuer: Issuer, source: JwksSource) -> None:
    issuer.publish(NEW)
    issuer.hold = asyncio.Event()
    first, second = (asyncio.create_task(known(source, "new")) for _ in range(2))
    while issuer.requests < 2:
        await asyncio.sleep(0)
    first.cancel()
    issuer.hold.set()
    assert await second
    assert issuer.requests == 2


async def test_invented_kids_do_not_hammer_the_issuer(issuer: Issuer, source: JwksSource, clock: Clock) -> None:
    """A thousand a second for two minutes: the burst, and then one in 15 seconds."""
    for second in range(120):
        clock.now += 1
        for number in range(10):
            assert not await known(source, f"invented {second} {number}")
    assert 8 <= issuer.requests - 1 <= TIMINGS.unknown_kid_burst + 120 / TIMINGS.unknown_kid_interval_s
    assert await known(source, "old")


async def test_under_that_attack_a_new_key_counts_within_the_interval(
    issuer: Issuer, source: JwksSource, clock: Clock
) -> None:
    for number in range(100):
        await source.find(f"invented {number}")
    issuer.publish(NEW)
    clock.now += TIMINGS.unknown_kid_interval_s
    await source.find("one more invention")
    assert await known(source, "new")


async def test_tokens_do_not_wait_while_keys_are_renewed(issuer: Issuer, source: JwksSource, clock: Clock) -> None:
    clock.now += TIMINGS.refresh_after_s + 1
    issuer.publish(NEW)
    issuer.hold = asyncio.Event()
    assert await known(source, "old")
    issuer.hold.set()
    await settled(source)
    assert issuer.requests == 2
    assert await known(source, "new")
    assert issuer.requests == 2


async def test_a_key_that_was_withdrawn_is_honoured_for_a_quarter_of_an_hour_at_most(
    issuer: Issuer, source: JwksSource, clock: Clock
) -> None:
    issuer.publish(NEW)
    clock.now += TIMINGS.max_age_s + 1
    assert not await known(source, "old")
    assert TIMINGS.max_age_s == 900


@pytest.mark.parametrize("how", ["gone", "500", "404", "slow", "garbage", "empty", "huge", "redirect"])
async def test_while_the_issuer_is_away_the_last_keys_are_used_for_a_day(
    issuer: Issuer, source: JwksSource, clock: Clock, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    await _spoil(issuer, how)
    started = clock.now
    clock.now += TIMINGS.max_age_s + 1
    for _ in range(3):
        assert await known(source, "old")
        clock.now += 3600
    assert caplog.text.count("can't be fetched") == 1
    if how == "slow":
        return  # each attempt takes real time; the others show the rest
    clock.now = started + TIMINGS.keep_s - 1
    assert await known(source, "old")
    clock.now = started + TIMINGS.keep_s + 1
    with pytest.raises(KeysUnavailable) as caught:
        await source.find("old")
    assert 1 <= caught.value.retry_after_s <= TIMINGS.retry_s
    await _mend(issuer)
    clock.now += TIMINGS.retry_s
    assert await known(source, "old")


async def _spoil(issuer: Issuer, how: str) -> None:
    if how == "gone":
        await issuer.leave()
    elif how == "slow":
        issuer.hold = asyncio.Event()
    elif how == "redirect":
        issuer.status, issuer.headers = 302, {"Location": issuer.url}
    elif how.isdigit():
        issuer.status = int(how)
    else:
        bodies = {"garbage": b"<html>", "empty": jwks(), "huge": jwks(OLD) + b" " * MAX_BODY_BYTES}
        issuer.body = bodies[how]


async def _mend(issuer: Issuer) -> None:
    issuer.status, issuer.headers = 200, {}
    issuer.publish(OLD)
    if issuer._runner is None:
        await issuer.come_back()


async def test_an_issuer_that_is_away_is_asked_now_and_then(issuer: Issuer, source: JwksSource, clock: Clock) -> None:
    issuer.status = 503
    clock.now += TIMINGS.max_age_s
    for _ in range(100):
        assert await known(source, "old")
        clock.now += 1
    assert issuer.requests - 1 == 100 / TIMINGS.retry_s


async def test_an_unknown_kid_while_the_issuer_is_away_may_be_a_good_one(
    issuer: Issuer, source: JwksSource, clock: Clock
) -> None:
    issuer.status = 503
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await source.find("new")
    assert issuer.requests - 1 == TIMINGS.unknown_kid_burst
    assert await known(source, "old")
    issuer.status = 200
    clock.now += TIMINGS.unknown_kid_interval_s
    for _ in range(3):
        assert not await known(source, "new")


async def test_without_kid_the_only_key_counts_and_nothing_is_fetched(issuer: Issuer, source: JwksSource) -> None:
    assert await known(source, None)
    issuer.publish(OLD, NEW)
    await source.find("new")
    assert not await known(source, None)
    assert issuer.requests == 2


async def test_a_start_while_the_issuer_is_away(issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    url = issuer.url
    await issuer.leave()
    source = JwksSource(url, TIMINGS, clock)
    await source.open()
    try:
        with pytest.raises(KeysUnavailable) as caught:
            await source.find("old")
        assert caught.value.retry_after_s <= TIMINGS.retry_s
        await issuer.come_back()
        assert issuer.requests == 0
        clock.now += TIMINGS.retry_s
        assert await known(source, "old")
    finally:
        await source.close()
    assert "can't be fetched" in caplog.text
    assert "fetched again" in caplog.text


async def test_a_slow_issuer_holds_nobody_longer_than_the_timeout(issuer: Issuer, clock: Clock) -> None:
    issuer.hold = asyncio.Event()
    source = JwksSource(issuer.url, TIMINGS, clock)
    async with asyncio.timeout(5):
        await source.open()
        with pytest.raises(KeysUnavailable):
            await source.find("old")
    await source.close()


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason"),
    [
        (404, {}, b"", "the answer was 404"),
        (401, {}, b"", "the answer was 401"),
        (301, {"Location": "http://127.0.0.1:1/"}, b"", "the answer was 301"),
        (204, {}, b"", "the answer was 204"),
        (200, {}, b"<html>hello</html>", "not JSON"),
        (200, {}, b'{"issuer": "https://id.example"}', "no object with a list of keys"),
        (200, {}, jwks(), "it is empty"),
        (200, {}, jwks({"kty": "oct", "k": "c2VjcmV0"}), "neither RSA nor EC"),
        (200, {}, jwks(jwk(rsa_key(bits=1024), "weak")), "at least 2048 bits"),
        (200, {}, jwks(*[OLD] * (MAX_KEYS + 1)), "more than 64 keys"),
        (200, {}, jwks(OLD) + b" " * MAX_BODY_BYTES, "more than 256 KiB"),
        (200, {"Content-Encoding": "gzip"}, jwks(OLD), "compressed"),
    ],
)
async def test_an_address_without_keys_is_a_mistake_that_is_told_at_the_start(
    issuer: Issuer, status: int, headers: dict[str, str], body: bytes, reason: str
) -> None:
    issuer.status, issuer.headers, issuer.body = status, headers, body
    with pytest.raises(KeySetupError, match=reason) as caught:
        await JwksSource(issuer.url, TIMINGS).open()
    assert "GREENROOM_JWT_JWKS_URL" in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)
    assert issuer.requests == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_failure_that_passes_is_no_reason_not_to_start(issuer: Issuer, status: int) -> None:
    issuer.status = status
    source = JwksSource(issuer.url, TIMINGS)
    await source.open()
    await source.close()


async def test_what_speaks_no_http(clock: Clock) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x16\x03\x01\x00" * 50)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for scheme in ("http", "https"):
            source = JwksSource(f"{scheme}://127.0.0.1:{port}/", TIMINGS, clock)
            await source.open()
            with pytest.raises(KeysUnavailable):
                await source.find("old")
            await source.close()


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """Who sits between the server and the issuer could otherwise hand out keys of their own."""
    pem = tmp_path / "issuer.pem"
    pem.write_bytes(private_pem(ec_key()) + certificate(ec_key(), "127.0.0.1"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    async with Issuer(OLD, tls=context) as issuer:
        with pytest.raises(KeySetupError, match="certificate is not trusted"):
            await JwksSource(issuer.url, TIMINGS).open()
        assert issuer.requests == 0


async def test_keys_that_are_not_used_are_told_once_and_not_shown(
    issuer: Issuer, source: JwksSource, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    issuer.publish(OLD, jwk(rsa_key(bits=1024), "weak"))
    for _ in range(3):
        clock.now += TIMINGS.max_age_s
        assert await known(source, "old")
    assert caplog.text.count("at least 2048 bits") == 1
    assert OLD["n"] not in caplog.text


async def test_closing_while_keys_are_fetched(issuer: Issuer, clock: Clock) -> None:
    source = JwksSource(issuer.url, TIMINGS, clock)
    await source.open()
    issuer.hold = asyncio.Event()
    waiting = asyncio.create_task(known(source, "new"))
    while issuer.requests < 2:
        await asyncio.sleep(0)
    await source.close()
    assert not await waiting
