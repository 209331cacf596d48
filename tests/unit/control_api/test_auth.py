from __future__ import annotations

import base64
import json
import stat
import time
import warnings
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.auth import (
    MAX_NAME_LENGTH,
    Authenticator,
    AuthError,
    SecretFileError,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    clean_name,
    load_or_create_secret,
)

SECRET = b"k" * 32
AUTH = Authenticator(SECRET)


def token(claims: Any, key: bytes = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    """Signed by hand, so that nothing of the library's own checks stands in the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm=algorithm, headers=headers or None)


def unsigned(claims: dict[str, Any], algorithm: str) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def test_what_is_issued_is_verified() -> None:
    identity = AUTH.verify(AUTH.issue("  Ana  María ", "user-1"))
    assert (identity.user_id, identity.name) == ("user-1", "Ana María")


def test_issued_users_differ() -> None:
    assert AUTH.verify(AUTH.issue("Ana")).user_id != AUTH.verify(AUTH.issue("Ana")).user_id


@pytest.mark.parametrize(("name", "user_id"), [("", None), (" \n ", None), ("Ana", ""), ("Ana", "a\0b")])
def test_nothing_is_issued_that_would_not_be_verified(name: str, user_id: str | None) -> None:
    with pytest.raises(ValueError, match="printable"):
        AUTH.issue(name, user_id)


@pytest.mark.parametrize("missing", [None, ""])
def test_missing(missing: str | None) -> None:
    with pytest.raises(TokenMissing) as caught:
        AUTH.verify(missing)
    assert caught.value.code == "token_missing"


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        "a.b.c",
        "\ud800.\ud800.\ud800",
        "é" * 40,
        "." * 100,
        token({"sub": "ana"}, b"z" * 32),
        token({"sub": "ana"}, algorithm="HS512"),
        token({"sub": "ana"})[:-4],
        token({"sub": "ana"}) + "A",
        unsigned({"sub": "ana"}, "none"),
        unsigned({"sub": "ana"}, "None"),
        unsigned({"sub": "ana"}, "HS256"),
        token({"sub": "ana"}, crit=["x"], x=1),
        token({}),
        token([]),
        token("sub"),
        token(None),
        token({"sub": ""}),
        token({"sub": "  "}),
        token({"sub": None}),
        token({"sub": 7}),
        token({"sub": ["ana"]}),
        token({"sub": "x" * 201}),
        token({"sub": "a\nb"}),
        token({"sub": "a\0b"}),
        token({"sub": "\ud800"}),
        token({"sub": "ana\u202egnp"}),
        token({"sub": "ana", "name": 7}),
        token({"sub": "ana", "exp": "soon"}),
        token({"sub": "ana", "exp": float("inf")}),
        token({"sub": "ana", "exp": float("nan")}),
        token({"sub": "ana", "exp": [1]}),
        token({"sub": "ana", "nbf": int(time.time()) + 3600}),
        token({"sub": "ana", "pad": "x" * 8192}),
        jwt.api_jws.encode(b'{"sub": "ana", "x": ' + b"[" * 5000 + b"}", SECRET, algorithm="HS256"),
        base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5000).decode() + ".e30.e30",
    ],
)
def test_invalid(bad: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        AUTH.verify(bad)
    assert caught.value.code == "token_invalid"
    assert bad not in str(caught.value)


@given(st.text(max_size=300))
def test_garbage_is_never_more_than_refused(garbage: str) -> None:
    with pytest.raises(AuthError):
        AUTH.verify(garbage)


def test_expired() -> None:
    with pytest.raises(TokenExpired) as caught:
        AUTH.verify(token({"sub": "ana", "exp": time.time() - 60}))
    assert caught.value.code == "token_expired"


def test_clocks_may_differ_a_little() -> None:
    now = time.time()
    assert AUTH.verify(token({"sub": "ana", "exp": now - 5, "nbf": now + 5, "iat": now + 5})).user_id == "ana"


def test_claims_for_others_do_no_harm() -> None:
    assert AUTH.verify(token({"sub": "x" * 200, "aud": "somebody", "iss": "me", "role": "host"})).user_id == "x" * 200


def test_a_user_without_a_name_gets_one_that_does_not_tell_the_id() -> None:
    for claims in ({"sub": "ana@example.com"}, {"sub": "ana@example.com", "name": "\n\t"}):
        name = AUTH.verify(token(claims)).name
        assert name.startswith("User ")
        assert "ana" not in name
    assert AUTH.verify(token({"sub": "a"})).name != AUTH.verify(token({"sub": "b"})).name


@given(st.text(alphabet=st.characters(), max_size=200))
def test_names_are_one_short_printable_line(name: str) -> None:
    cleaned = clean_name(name)
    assert len(cleaned) <= MAX_NAME_LENGTH
    assert cleaned == cleaned.strip()
    assert not set(cleaned) & set("\0\n\r\t\u2028\u202e")
    cleaned.encode()


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Authenticator(b"k" * 31)


def test_the_own_secret_is_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    secret = load_or_create_secret(folder)
    assert len(secret) >= 32
    assert load_or_create_secret(folder) == secret
    assert stat.S_IMODE((folder / "jwt_secret").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["jwt_secret"]
    assert load_or_create_secret(tmp_path / "other") != secret


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_or_create_secret(tmp_path)
    (tmp_path / "jwt_secret").chmod(0o644)
    with pytest.raises(SecretFileError, match="others can read"):
        load_or_create_secret(tmp_path)


def test_a_damaged_secret_is_refused(tmp_path: Path) -> None:
    load_or_create_secret(tmp_path)
    (tmp_path / "jwt_secret").write_text("short")
    with pytest.raises(SecretFileError, match="too short"):
        load_or_create_secret(tmp_path)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x" * 64)
    (tmp_path / "target").chmod(0o600)
    (tmp_path / "jwt_secret").symlink_to(tmp_path / "target")
    with pytest.raises(SecretFileError, match="can't be used"):
        load_or_create_secret(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretFileError, match="can't be used"):
        load_or_create_secret(tmp_path / "file" / "data")
