from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from control_api.tokens.join_tokens import JOIN_TYPE, JoinTokens
from signaling.ports import Identity

SECRET = b"k" * 32
SESSION = "7e0e0b1c-6c36-4d2a-9f9b-8a1c3f1d2e4b"
BOB = Identity(user_id="invited:bob", name="Bob", session_id=SESSION)


def claims_of(token: str, tokens: JoinTokens) -> dict[str, Any]:
    return jwt.decode(token, tokens.key.key, algorithms=["HS256"])


def test_what_is_in_it() -> None:
    tokens = JoinTokens(SECRET)
    token, expires_at = tokens.issue(BOB)
    claims = claims_of(token, tokens)
    assert claims.keys() == {"sub", "name", "session", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 300
    assert expires_at == datetime.fromtimestamp(claims["exp"], UTC)
    assert abs(claims["iat"] - time.time()) < 60
    assert jwt.get_unverified_header(token)["typ"] == JOIN_TYPE
    assert JoinTokens.bearer_of(claims) == BOB


def test_the_secret_itself_neither_makes_nor_verifies_them() -> None:
    token, _ = JoinTokens(SECRET).issue(BOB)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, SECRET, algorithms=["HS256"])
    assert SECRET.decode() not in repr(JoinTokens(SECRET).key)


def test_servers_with_the_same_secret_take_each_other_s() -> None:
    token, _ = JoinTokens(SECRET).issue(BOB)
    assert claims_of(token, JoinTokens(SECRET))["sub"] == "invited:bob"


def test_names_are_cleaned_and_never_empty() -> None:
    tokens = JoinTokens(SECRET)
    assert claims_of(tokens.issue(BOB.model_copy(update={"name": " B\u202eo\nb "}))[0], tokens)["name"] == "B o b"
    assert claims_of(tokens.issue(BOB.model_copy(update={"name": ""}))[0], tokens)["name"].startswith("User ")


@pytest.mark.parametrize(
    "change", [{"session_id": None}, {"user_id": ""}, {"user_id": "invited:a\0"}, {"user_id": "\ud800"}]
)
def test_what_could_not_be_read_again_is_not_issued(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needed"):
        JoinTokens(SECRET).issue(BOB.model_copy(update=change))


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "a", "name": "A"},
        {"sub": "a", "name": "A", "session": None},
        {"sub": "a", "name": "A", "session": "x"},
        {"sub": "a", "name": "A", "session": SESSION.upper()},
        {"sub": "a", "name": None, "session": SESSION},
        {"sub": "", "name": "A", "session": SESSION},
        {"sub": 7, "name": "A", "session": SESSION},
    ],
)
def test_claims_that_name_nobody(claims: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        JoinTokens.bearer_of(claims)
