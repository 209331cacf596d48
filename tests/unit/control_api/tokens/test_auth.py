from __future__ import annotations

import base64
import hmac
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.tokens.auth import (
    Authenticator,
    AuthError,
    IssuerUnavailable,
    SecretFileError,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRules,
    load_or_create_secret,
)
from control_api.tokens.token_keys import Algorithm, KeysUnavailable, OneKey, VerifyingKey, parse_jwks, verifying_key
from signaling.ports import Identity
from tests.support.issuer import account, ec_key, forge, jwk, jwks, public_pem, rsa_key, sign

SECRET = b"k" * 32
AUTH = Authenticator(SECRET)
SESSION = "7e0e0b1c-6c36-4d2a-9f9b-8a1c3f1d2e4b"


class Published:
    """A `KeySource` with two keys, as of an issuer."""

    algorithms = frozenset[Algorithm]({"RS256", "ES256"})
    requires_expiry = True

    def __init__(self) -> None:
        self.keys = parse_jwks(jwks(jwk(rsa_key(), "r"), jwk(ec_key(), "e")))
        self.asked: list[str | None] = []
        self.away = False

    async def find(self, kid: str | None) -> VerifyingKey | None:
        self.asked.append(kid)
        if self.away:
            raise KeysUnavailable(7)
        return self.keys.find(kid)


def verified(token: str | None, authenticator: Authenticator = AUTH) -> Identity:
    """Without an event loop: with keys at hand nothing is waited for."""
    verifying = authenticator.verify(token)
    with pytest.raises(StopIteration) as done:
        verifying.send(None)
    identity = done.value.value
    assert isinstance(identity, Identity)
    return identity


def token(claims: Any, key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    return sign(claims, key, algorithm, **headers)


def unsigned(claims: dict[str, Any], algorithm: str) -> str:
    return forge({"alg": algorithm, "typ": "JWT"}, claims)


def test_what_is_issued_is_verified() -> None:
    identity = verified(AUTH.issue("  Ana  María ", "user-1"))
    assert (identity.user_id, identity.name) == ("user-1", "Ana María")


def test_issued_users_differ() -> None:
    assert verified(AUTH.issue("Ana")).user_id != verified(AUTH.issue("Ana")).user_id


@pytest.mark.parametrize(
    ("name", "user_id"), [("", None), (" \n ", None), ("Ana", ""), ("Ana", "a\0b"), ("Ana", "invited:b")]
)
def test_nothing_is_issued_that_would_not_be_verified(name: str, user_id: str | None) -> None:
    with pytest.raises(ValueError, match="printable"):
        AUTH.issue(name, user_id)


@pytest.mark.parametrize("missing", [None, ""])
def test_missing(missing: str | None) -> None:
    with pytest.raises(TokenMissing) as caught:
        verified(missing)
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
        token({"sub": "invited:bob"}),
        token({"sub": "ana", "name": 7}),
        forge({"alg": "HS256", "kid": 7}, {"sub": "ana"}),
        token({"sub": "ana"}, rsa_key(), "RS256"),
        token({"sub": "ana"}, SECRET + b"\n"),
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
        verified(bad)
    assert caught.value.code == "token_invalid"
    assert bad not in str(caught.value)


@given(st.text(max_size=300))
def test_garbage_is_never_more_than_refused(garbage: str) -> None:
    with pytest.raises(AuthError):
        verified(garbage)


def test_expired() -> None:
    with pytest.raises(TokenExpired) as caught:
        verified(token({"sub": "ana", "exp": time.time() - 60}))
    assert caught.value.code == "token_expired"


def test_clocks_may_differ_a_little() -> None:
    now = time.time()
    assert verified(token({"sub": "ana", "exp": now - 5, "nbf": now + 5, "iat": now + 5})).user_id == "ana"


def test_claims_for_others_do_no_harm() -> None:
    assert verified(token({"sub": "x" * 200, "aud": "somebody", "iss": "me", "role": "host"})).user_id == "x" * 200


def test_a_user_without_a_name_gets_one_that_does_not_tell_the_id() -> None:
    for claims in ({"sub": "ana@example.com"}, {"sub": "ana@example.com", "name": "\n\t"}):
        name = verified(token(claims)).name
        assert name.startswith("User ")
        assert "ana" not in name
    assert verified(token({"sub": "a"})).name != verified(token({"sub": "b"})).name


def published(keys: Published | None = None, **rules: Any) -> Authenticator:
    return Authenticator(SECRET, keys or Published(), TokenRules(**rules))


@pytest.mark.parametrize(("key", "kid"), [(rsa_key(), "r"), (ec_key(), "e")], ids=["RS256", "ES256"])
def test_tokens_of_an_issuer(key: Any, kid: str) -> None:
    token = sign(account("auth0|5f7c", name="Ana", scope="openid"), key, kid=kid)
    identity = verified(token, published())
    assert (identity.user_id, identity.name, identity.session_id) == ("auth0|5f7c", "Ana", None)


@pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["rsa", "p256"])
@pytest.mark.parametrize("kid", [None, "anything", "../../etc/passwd"])
def test_with_a_key_file_the_kid_counts_nothing(key: Any, kid: str | None) -> None:
    authenticator = Authenticator(SECRET, OneKey(verifying_key(key.public_key())))
    assert verified(sign(account(), key, kid=kid), authenticator).user_id == "ana"
    with pytest.raises(TokenInvalid):
        verified(sign(account(), rsa_key("another"), kid=kid), authenticator)


def attacks() -> dict[str, str]:
    """All signed with something that an attacker has, or not at all."""
    good = sign(account(), rsa_key(), kid="r")
    header, payload, signature = good.split(".")
    pem, modulus = public_pem(rsa_key()), jwk(rsa_key())["n"].encode()
    other, mine = account("victim"), rsa_key("attacker")
    return {
        "none": forge({"alg": "none", "kid": "r"}, other),
        "None": forge({"alg": "None", "kid": "r"}, other),
        "none with a signature": forge({"alg": "none", "kid": "r"}, other, b"x" * 256),
        "no alg": forge({"kid": "r"}, other),
        "alg is a list": forge({"alg": ["RS256"], "kid": "r"}, other),
        "alg is a number": forge({"alg": 1, "kid": "r"}, other),
        "HS256 with the public key": _hmac(other, pem, "r"),
        "HS256 with the public key, stripped": _hmac(other, pem.strip(), "r"),
        "HS256 with the modulus": _hmac(other, modulus, "r"),
        "HS256 with nothing": _hmac(other, b"", "r"),
        "HS256 with the server's secret": sign(other, SECRET, kid="r"),
        "HS256 without kid": sign(other, SECRET),
        "RS512 with the right key": sign(other, rsa_key(), "RS512", kid="r"),
        "PS256 with the right key": sign(other, rsa_key(), "PS256", kid="r"),
        "the other key's kid": sign(other, ec_key(), kid="r"),
        "ES256 on another curve": sign(other, ec_key(curve="P-384"), "ES384", kid="e"),
        "ES256 of zeros": forge({"alg": "ES256", "kid": "e"}, other, b"\0" * 64),
        "ES256 empty": forge({"alg": "ES256", "kid": "e"}, other),
        "ES256 as DER": forge({"alg": "ES256", "kid": "e"}, other, b"\x30\x06\x02\x01\x00\x02\x01\x00"),
        "another key": sign(other, mine, kid="r"),
        "a key of its own": sign(other, mine, kid="mine", jwk=jwk(mine, "mine")),
        "an address of its own": sign(other, mine, kid="r", jku="http://127.0.0.1:9/keys", x5u="file:///etc/passwd"),
        "a certificate of its own": sign(other, mine, kid="r", x5c=["AAAA"]),
        "kid is a path": sign(other, mine, kid="../../../../dev/null"),
        "kid is an address": sign(other, mine, kid="http://127.0.0.1/key"),
        "kid is SQL": sign(other, mine, kid="' union select 'x"),
        "kid with NUL": sign(other, mine, kid="r\0"),
        "kid is empty": sign(other, mine, kid=""),
        "kid is huge": sign(other, mine, kid="r" * 2000),
        "kid is an object": forge({"alg": "RS256", "kid": {"r": 1}}, other, b"x" * 256),
        "kid is a list": forge({"alg": "RS256", "kid": ["r"]}, other, b"x" * 256),
        "no kid where there are two": sign(other, rsa_key()),
        "crit": sign(other, rsa_key(), kid="r", crit=["exp"]),
        "b64": sign(other, rsa_key(), kid="r", crit=["b64"], b64=False),
        "other claims below the same signature": ".".join((header, forge({}, other).split(".")[1], signature)),
        "signature cut": f"{header}.{payload}.{signature[:-8]}",
        "no signature": f"{header}.{payload}.",
        "two signatures": f"{good}.{signature}",
        "no exp": sign({"sub": "victim"}, rsa_key(), kid="r"),
        "exp is null": sign({"sub": "victim", "exp": None}, rsa_key(), kid="r"),
        "exp is forever": sign({"sub": "victim", "exp": float("inf")}, rsa_key(), kid="r"),
        "from the future": sign({**other, "iat": time.time() + 3600}, rsa_key(), kid="r"),
        "not yet": sign({**other, "nbf": time.time() + 3600}, rsa_key(), kid="r"),
        "nobody": sign(account(""), rsa_key(), kid="r"),
        "of the server's own people": sign(account("invited:bob"), rsa_key(), kid="r"),
        "huge": sign({**other, "pad": "x" * 8192}, rsa_key(), kid="r"),
        "says it is a join token": sign({**other, "session": SESSION, "name": ""}, rsa_key(), typ="greenroom-join+jwt"),
        "join token with the secret": sign({**other, "session": SESSION, "name": ""}, SECRET, typ="greenroom-join+jwt"),
        "join token unsigned": forge({"alg": "none", "typ": "greenroom-join+jwt"}, {**other, "session": SESSION}),
    }


def _hmac(claims: Any, key: bytes, kid: str) -> str:
    """The library refuses to sign with what looks like a public key."""
    signed = ".".join(forge({"alg": "HS256", "typ": "JWT", "kid": kid}, claims).split(".")[:2])
    return f"{signed}.{base64.urlsafe_b64encode(hmac.digest(key, signed.encode(), 'sha256')).rstrip(b'=').decode()}"


@pytest.mark.parametrize("attack", attacks().values(), ids=list(attacks()))
def test_attacks(attack: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        verified(attack, published())
    assert attack not in str(caught.value)
    assert "victim" not in str(caught.value)


def test_algorithms_that_no_key_has_never_reach_the_keys() -> None:
    """So they can't make the server ask the issuer."""
    keys = Published()
    for forged in (forge({"alg": "none", "kid": "new"}, account()), sign(account(), SECRET, kid="new")):
        with pytest.raises(TokenInvalid):
            verified(forged, published(keys))
    assert keys.asked == []


def test_an_issuer_that_is_away_is_no_fault_of_the_token() -> None:
    keys = Published()
    keys.away = True
    with pytest.raises(IssuerUnavailable) as caught:
        verified(sign(account(), rsa_key(), kid="r"), published(keys))
    assert (caught.value.code, caught.value.retry_after_s) == ("issuer_unavailable", 7)


def test_an_expired_token_of_an_issuer() -> None:
    token = sign(account(exp=time.time() - 60), ec_key(), kid="e")
    with pytest.raises(TokenExpired):
        verified(token, published())
    assert verified(token, published(leeway_s=120)).user_id == "ana"


def test_without_leeway_a_second_counts() -> None:
    for claims in ({"exp": time.time() - 1}, {"nbf": time.time() + 30}):
        with pytest.raises(AuthError):
            verified(sign(account(**claims), ec_key(), kid="e"), published(leeway_s=0))


@pytest.mark.parametrize("source", ["secret", "issuer"])
@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"aud": "greenroom", "iss": "https://id.example/"}, True),
        ({"aud": ["other", "greenroom"], "iss": "https://id.example/"}, True),
        ({"aud": "other", "iss": "https://id.example/"}, False),
        ({"aud": "greenroom.evil", "iss": "https://id.example/"}, False),
        ({"aud": [], "iss": "https://id.example/"}, False),
        ({"aud": {"greenroom": 1}, "iss": "https://id.example/"}, False),
        ({"aud": None, "iss": "https://id.example/"}, False),
        ({"iss": "https://id.example/"}, False),
        ({"aud": "greenroom", "iss": "https://id.example"}, False),
        ({"aud": "greenroom", "iss": "https://id.example/evil"}, False),
        ({"aud": "greenroom", "iss": ["https://id.example/"]}, False),
        ({"aud": "greenroom"}, False),
    ],
)
def test_audience_and_issuer(source: str, claims: dict[str, Any], accepted: bool) -> None:
    rules = TokenRules(audience="greenroom", issuer="https://id.example/")
    authenticator = Authenticator(SECRET, Published() if source == "issuer" else None, rules)
    token = sign(account(**claims), ec_key() if source == "issuer" else SECRET, kid="e")
    if accepted:
        assert verified(token, authenticator).user_id == "ana"
    else:
        with pytest.raises(TokenInvalid):
            verified(token, authenticator)


def test_what_the_server_issues_passes_its_own_rules() -> None:
    authenticator = Authenticator(SECRET, rules=TokenRules(audience="greenroom", issuer="me"))
    assert verified(authenticator.issue("Ana", "user-1"), authenticator).user_id == "user-1"


def test_accounts_of_another_issuer_are_not_this_server_s_to_give() -> None:
    with pytest.raises(ValueError, match="issuer"):
        published().issue("Ana")


@pytest.mark.parametrize("authenticator", [AUTH, published(audience="a", issuer="b")], ids=["secret", "issuer"])
def test_join_tokens_are_verified_whoever_issues_accounts(authenticator: Authenticator) -> None:
    bearer = Identity(user_id="invited:bob", name="Bob", session_id=SESSION)
    token, _ = authenticator.issue_join_token(bearer)
    assert verified(token, authenticator) == bearer


def test_an_expired_join_token() -> None:
    past = Authenticator(SECRET, join_ttl_s=-60)
    token, _ = past.issue_join_token(Identity(user_id="ana", name="Ana", session_id=SESSION))
    with pytest.raises(TokenExpired):
        verified(token)


def test_a_join_token_of_another_server() -> None:
    token, _ = Authenticator(b"z" * 32).issue_join_token(Identity(user_id="ana", name="Ana", session_id=SESSION))
    with pytest.raises(TokenInvalid):
        verified(token)


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
