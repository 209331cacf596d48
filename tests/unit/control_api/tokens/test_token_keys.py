from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from control_api.tokens.token_keys import MAX_KEYS, KeySetupError, UnusableKey, load_public_key, parse_jwks
from tests.support.issuer import b64, b64_number, ec_key, jwk, jwks, private_pem, public_pem, rsa_key

RSA, EC = jwk(rsa_key(), "r"), jwk(ec_key(), "e")


def test_the_keys_of_a_set_have_the_algorithm_of_their_type() -> None:
    keys = parse_jwks(jwks(RSA, EC))
    assert {kid: key.algorithm for kid, key in keys.by_kid.items()} == {"r": "RS256", "e": "ES256"}
    assert keys.refused == ()


def test_only_the_public_half_is_kept_and_never_shown() -> None:
    assert RSA["n"] not in repr(parse_jwks(jwks(RSA)))
    assert str(rsa_key().public_key().public_numbers().n) not in repr(parse_jwks(jwks(RSA)))


def test_members_that_may_be_missing() -> None:
    keys = parse_jwks(jwks(jwk(rsa_key(), "r", alg=None, use=None), jwk(ec_key(), "e", alg=None, key_ops=["verify"])))
    assert set(keys.by_kid) == {"r", "e"}


def test_a_token_without_kid_may_use_the_only_key() -> None:
    assert parse_jwks(jwks(RSA)).find(None) is not None
    assert parse_jwks(jwks(jwk(rsa_key()))).find(None) is not None
    assert parse_jwks(jwks(RSA, EC)).find(None) is None
    assert parse_jwks(jwks(jwk(rsa_key()), EC)).find(None) is None


@pytest.mark.parametrize("kid", ["", "R", "r ", "../r", "r\0", "missing"])
def test_kids_are_compared_as_they_are(kid: str) -> None:
    assert parse_jwks(jwks(RSA, EC)).find(kid) is None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "HS256"},
        {"kty": ["RSA"]},
        jwk(rsa_key(), "x", kty="EC"),
        jwk(ec_key(), "x", kty="RSA"),
        jwk(rsa_key(), "x", kty="rsa"),
        jwk(rsa_key(bits=1024), "x"),
        jwk(rsa_key(), "x", d="AQAB"),
        jwk(rsa_key(), "x", use="enc"),
        jwk(rsa_key(), "x", use=None, key_ops=["encrypt"]),
        jwk(rsa_key(), "x", key_ops="verify"),
        jwk(rsa_key(), "x", alg="HS256"),
        jwk(rsa_key(), "x", alg="RS512"),
        jwk(rsa_key(), "x", alg="ES256"),
        jwk(rsa_key(), "x", alg="none"),
        jwk(rsa_key(), "x", alg=["RS256"]),
        jwk(rsa_key(), "x" * 201),
        jwk(rsa_key(), ""),
        {**RSA, "kid": 7},
        jwk(rsa_key(), "x", n=None),
        jwk(rsa_key(), "x", n=""),
        jwk(rsa_key(), "x", n=7),
        jwk(rsa_key(), "x", n="*" * 342),
        jwk(rsa_key(), "x", n="é" * 342),
        jwk(rsa_key(), "x", n="A"),
        jwk(rsa_key(), "x", n=RSA["n"][:9] + "!!!!" + RSA["n"][9:]),
        jwk(rsa_key(), "x", n=b64(b"\xff" * 1025)),
        jwk(rsa_key(), "x", n=b64(b"\xff" * 2000)),
        jwk(rsa_key(), "x", n="A" * 1_000_000),
        jwk(rsa_key(), "x", e=b64_number(1)),
        jwk(rsa_key(), "x", e=b64_number(2)),
        jwk(rsa_key(), "x", e=b64_number(2**64 + 1)),
        jwk(ec_key(), "x", crv="P-384"),
        jwk(ec_key(), "x", crv=None),
        jwk(ec_key(curve="P-384"), "x"),
        jwk(ec_key(), "x", x=EC["y"]),
        jwk(ec_key(), "x", y=b64(b"\x00" * 32)),
        jwk(ec_key(), "x", y=b64(b"\xff" * 33)),
        {"kty": "OKP", "crv": "Ed25519", "x": b64(b"\x01" * 32), "kid": "x"},
    ],
)
def test_keys_that_are_not_trusted(bad: Any) -> None:
    """They are left out, and the others are used."""
    keys = parse_jwks(json.dumps({"keys": [bad, RSA]}).encode())
    assert set(keys.by_kid) == {"r"}
    assert keys.without_kid == ()
    assert len(keys.refused) == 1
    with pytest.raises(UnusableKey, match="no usable key"):
        parse_jwks(json.dumps({"keys": [bad]}).encode())


def test_of_two_keys_with_one_kid_the_first_counts() -> None:
    keys = parse_jwks(jwks(RSA, jwk(ec_key(), "r")))
    assert keys.by_kid["r"].algorithm == "RS256"
    assert keys.refused == ("another key has the same kid",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": null}',
        b"<html>welcome</html>",
        b"\xff\xfe",
        b'{"keys": ' + b"[" * 5000,
        jwks(jwk(rsa_key(), "\ud800")),
        jwks(*[jwk(rsa_key(), f"k{index}") for index in range(MAX_KEYS + 1)]),
    ],
)
def test_what_is_no_jwks(body: bytes) -> None:
    with pytest.raises(UnusableKey):
        parse_jwks(body)


@given(st.binary(max_size=300))
def test_garbage_is_only_refused(garbage: bytes) -> None:
    with pytest.raises(UnusableKey):
        parse_jwks(garbage)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([RSA, EC]), st.sampled_from(["kty", "n", "e", "crv", "x", "y", "alg", "use", "key_ops"]), _JSON)
def test_a_key_with_any_other_member_never_breaks_the_rest(key: dict[str, Any], member: str, value: Any) -> None:
    other = jwk(ec_key("other"), "other")
    assert "other" in parse_jwks(json.dumps({"keys": [{**key, member: value}, other]}).encode()).by_kid


@pytest.mark.parametrize(("key", "algorithm"), [(rsa_key(), "RS256"), (ec_key(), "ES256")], ids=["rsa", "p256"])
def test_a_key_file(tmp_path: Path, key: Any, algorithm: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(public_pem(key))
    assert load_public_key(path).algorithm == algorithm


def _ed25519() -> bytes:
    return public_pem(ed25519.Ed25519PrivateKey.generate())  # type: ignore[arg-type]


def _with_exponent(exponent: int) -> bytes:
    numbers = RSAPublicNumbers(exponent, rsa_key().public_key().public_numbers().n)
    return numbers.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no PEM file"),
        (b"ssh-rsa AAAAB3NzaC1yc2E", "no PEM file"),
        (b"\x00\xff" * 100, "no PEM file"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no PEM file"),
        (private_pem(rsa_key()), "openssl pkey"),
        (private_pem(ec_key()), "holds a private key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "openssl x509"),
        (public_pem(rsa_key(bits=1024)), "at least 2048 bits"),
        (public_pem(ec_key(curve="P-384")), "P-256"),
        (_ed25519(), "neither an RSA key"),
        (_with_exponent(2**33 + 1), "exponent of 32"),
    ],
)
def test_key_files_that_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(KeySetupError, match=reason) as caught:
        load_public_key(path)
    assert str(path) in str(caught.value)
    assert not set(content.splitlines()[1:]) & set(str(caught.value).encode().splitlines())


def test_a_key_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.pem", tmp_path):
        with pytest.raises(KeySetupError, match="can't be read"):
            load_public_key(path)
