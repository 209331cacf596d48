"""A service of the operator's that decides whether gifts are paid for."""

from __future__ import annotations

import time
from typing import Final

import aiohttp
from pydantic_core import from_json, to_json

from signaling.gift_model import GiftRecord, PaymentUnknown

from .payments import payment_of
from .webhook_format import SIGNATURE_HEADER, signature

MAX_ANSWER_BYTES: Final = 16 * 1024


class ServicePayments:
    """A `Pay` that asks a service over HTTP. `url` is trusted as it is. `close` at the end."""

    def __init__(self, url: str, secret: bytes, timeout_s: float) -> None:
        self._url = url
        self._secret = secret
        self._timeout_s = timeout_s
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            headers={"User-Agent": "greenroom", "Accept": "application/json", "Accept-Encoding": "identity"},
            # What is not decompressed can't become larger than the limit.
            auto_decompress=False,
        )

    async def __call__(self, gift: GiftRecord) -> bool:
        body = to_json(payment_of(gift))
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: signature(self._secret, body, time.time()),
            "Idempotency-Key": gift.id,
        }
        try:
            # A redirect could lead to somebody who knows nothing of payments and says yes.
            async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                if response.status != 200:
                    raise PaymentUnknown(f"the answer was {response.status}")
                return _decision(await _bounded(response))
        except TimeoutError:
            raise PaymentUnknown(f"no answer within {self._timeout_s:g} seconds") from None
        except (aiohttp.ClientError, OSError) as error:
            raise PaymentUnknown(f"no answer ({type(error).__name__})") from None

    async def close(self) -> None:
        await self._http.close()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise PaymentUnknown("the answer is too long")
    return bytes(body)


def _decision(body: bytes) -> bool:
    try:
        answer = from_json(body)
    except ValueError:
        raise PaymentUnknown("the answer is not JSON") from None
    paid = answer.get("paid") if isinstance(answer, dict) else None
    if not isinstance(paid, bool):
        raise PaymentUnknown('the answer has no "paid" that is true or false')
    return paid
