"""Join tokens: signed by the server itself, good for one session (docs/API.md, Tokens)."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from signaling.ports import Identity
from signaling.registry import is_uuid

from .token_claims import clean_name, derived_name, is_user_id
from .token_keys import VerifyingKey

JOIN_TYPE: Final = "greenroom-join+jwt"
"""`typ` of the header (RFC 8725, section 3.11)."""
DEFAULT_TTL_S: Final = 300.0


class JoinTokens:
    """Issues and reads them. `secret`: the server's own, or the one that it shares with the issuer of the tokens.

    Their key is derived from the secret. So no service that knows the same secret takes a join token for one of an
    account, and nobody who may only issue tokens of accounts makes one of these by accident.
    """

    def __init__(self, secret: bytes, ttl_s: float = DEFAULT_TTL_S) -> None:
        self.key = VerifyingKey("HS256", hmac.digest(secret, b"greenroom join token", "sha256"))
        self.ttl_s = ttl_s

    def issue(self, bearer: Identity) -> tuple[str, datetime]:
        """A token for `bearer.session_id`, and when it expires.

        Raises `ValueError` for a user id that would not be taken, or without a session.
        """
        if bearer.session_id is None or not is_user_id(bearer.user_id):
            raise ValueError("a session and a user id of printable characters are needed")
        now = int(time.time())
        expires = now + int(self.ttl_s)
        claims = {
            "sub": bearer.user_id,
            "name": clean_name(bearer.name) or derived_name(bearer.user_id),
            "session": bearer.session_id,
            "iat": now,
            "exp": expires,
        }
        assert isinstance(self.key.key, bytes)
        token = jwt.encode(claims, self.key.key, algorithm=self.key.algorithm, headers={"typ": JOIN_TYPE})
        return token, datetime.fromtimestamp(expires, UTC)

    @staticmethod
    def bearer_of(claims: Mapping[str, Any]) -> Identity:
        """Raises `ValueError`."""
        user_id, name, session_id = claims.get("sub"), claims.get("name"), claims.get("session")
        if not is_user_id(user_id) or not isinstance(name, str):
            raise ValueError("the token has no usable 'sub'")
        if not isinstance(session_id, str) or not is_uuid(session_id):
            raise ValueError("the token names no session")
        return Identity(user_id=user_id, name=name, session_id=session_id)
