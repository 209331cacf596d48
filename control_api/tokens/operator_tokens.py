"""Tokens of the server's operator: whoever knows the server's secret. `greenroom sessions` makes them."""

from __future__ import annotations

import hmac
import time
from typing import Final

import jwt

from .token_keys import VerifyingKey

OPERATOR_TYPE: Final = "greenroom-operator+jwt"
"""`typ` of the header (RFC 8725, section 3.11)."""
TTL_S: Final = 60.0


class OperatorTokens:
    """Issues them. Their key is derived from the secret: nobody who may only issue tokens of accounts makes one."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"greenroom operator token", "sha256")
        self.key = VerifyingKey("HS256", self._secret)

    def issue(self) -> str:
        now = int(time.time())
        claims = {"iat": now, "exp": now + int(TTL_S)}
        return jwt.encode(claims, self._secret, algorithm="HS256", headers={"typ": OPERATOR_TYPE})
