"""The keys that tokens are verified with, and what a key has to be to be trusted with that.

A key decides the algorithm (RFC 8725, section 3.1), never the token: RSA keys verify RS256, P-256 keys ES256, the
configured secret HS256, and nothing else verifies anything.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic_core import from_json

MIN_RSA_BITS: Final = 2048
"""RFC 7518, section 3.3."""
MAX_RSA_BITS: Final = 8192
"""Verification takes the square of the length; larger keys exist to keep a server busy."""
MAX_EXPONENT_BITS: Final = 32
MAX_KEYS: Final = 64
MAX_KEY_FILE_BYTES: Final = 64 * 1024
MAX_KID_LENGTH: Final = 200
P256_BYTES: Final = 32

Algorithm = Literal["HS256", "RS256", "ES256"]


class KeySetupError(Exception):
    """The keys that were configured can't be used; the message is for the operator and names no secret."""


class KeysUnavailable(Exception):
    """The keys can't be had now. `retry_after_s`: when it may be worth trying again."""

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("the keys of the tokens' issuer can't be had now")


@dataclass(frozen=True)
class VerifyingKey:
    algorithm: Algorithm
    key: bytes | RSAPublicKey | EllipticCurvePublicKey = field(repr=False)


class KeySource(Protocol):
    """Where the keys of account tokens come from."""

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """Of the keys that it may have: tokens that claim others are refused before any key is looked for."""

    @property
    def requires_expiry(self) -> bool:
        """Whether tokens without `exp` are refused."""

    async def find(self, kid: str | None) -> VerifyingKey | None:
        """The key for a token whose header has this `kid`; None where there is none. Raises `KeysUnavailable`."""


class OneKey:
    """A `KeySource` with one key, whatever the token's `kid`: the secret, or the public key of a file."""

    def __init__(self, key: VerifyingKey) -> None:
        self._key = key
        self.algorithms = frozenset({key.algorithm})
        self.requires_expiry = key.algorithm != "HS256"

    async def find(self, kid: str | None) -> VerifyingKey:
        return self._key


def load_public_key(path: Path) -> VerifyingKey:
    """The RSA or P-256 public key of a PEM file. Raises `KeySetupError`."""
    try:
        with path.open("rb") as file:
            pem = file.read(MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise KeySetupError(f"the public key {path} can't be read: {error.strerror or error}") from error
    if b"PRIVATE KEY-----" in pem:
        raise KeySetupError(
            f"{path} holds a private key, which this server must not have: make a file with "
            "`openssl pkey -in private.pem -pubout`"
        )
    if b"BEGIN CERTIFICATE-----" in pem:
        raise KeySetupError(f"{path} holds a certificate: make a file with `openssl x509 -in file -noout -pubkey`")
    try:
        return verifying_key(load_pem_public_key(pem))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = error if isinstance(error, UnusableKey) else "it is no PEM file with a public key"
        raise KeySetupError(f"the public key {path} can't be used: {reason}") from None


class UnusableKey(ValueError):
    """A key that this server does not trust, or can't read; the message says why and quotes nothing of it."""


def verifying_key(key: object) -> VerifyingKey:
    """A public key of the `cryptography` package with its algorithm. Raises `UnusableKey`."""
    if isinstance(key, RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise UnusableKey(f"RSA keys need at least {MIN_RSA_BITS} bits")
        if key.key_size > MAX_RSA_BITS or key.public_numbers().e.bit_length() > MAX_EXPONENT_BITS:
            raise UnusableKey(f"RSA keys have at most {MAX_RSA_BITS} bits, and an exponent of {MAX_EXPONENT_BITS}")
        return VerifyingKey("RS256", key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return VerifyingKey("ES256", key)
    raise UnusableKey("it is neither an RSA key nor one on the curve P-256")


@dataclass(frozen=True)
class KeySet:
    """The usable keys of a JWKS (RFC 7517, section 5)."""

    by_kid: dict[str, VerifyingKey]
    without_kid: tuple[VerifyingKey, ...]
    refused: tuple[str, ...]
    """Why each of the others can't be used."""

    def find(self, kid: str | None) -> VerifyingKey | None:
        """A token without a `kid` may use the only key there is; where there are several, nothing is guessed."""
        if kid is not None:
            return self.by_kid.get(kid)
        keys = (*self.by_kid.values(), *self.without_kid)
        return keys[0] if len(keys) == 1 else None


def parse_jwks(body: bytes) -> KeySet:
    """Read a JWKS; keys that can't be used are left out. Raises `UnusableKey` where it is no JWKS or none is left."""
    try:
        document = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise UnusableKey("it is not JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UnusableKey("it is no object with a list of keys")
    if len(entries) > MAX_KEYS:
        raise UnusableKey(f"it has more than {MAX_KEYS} keys")
    by_kid: dict[str, VerifyingKey] = {}
    without_kid: list[VerifyingKey] = []
    refused = []
    for entry in entries:
        try:
            kid, key = _read_jwk(entry)
            if kid is None:
                without_kid.append(key)
            elif kid in by_kid:
                raise UnusableKey("another key has the same kid")
            else:
                by_kid[kid] = key
        except UnusableKey as reason:
            refused.append(str(reason))
    if not by_kid and not without_kid:
        raise UnusableKey(f"it has no usable key ({'; '.join(dict.fromkeys(refused)) or 'it is empty'})")
    return KeySet(by_kid, tuple(without_kid), tuple(refused))


def _read_jwk(jwk: Any) -> tuple[str | None, VerifyingKey]:
    if not isinstance(jwk, dict):
        raise UnusableKey("it is no JSON object")
    kty = jwk.get("kty")
    read = _READERS.get(kty) if isinstance(kty, str) else None
    if read is None:
        raise UnusableKey("its type is neither RSA nor EC")
    if "d" in jwk:
        raise UnusableKey("its private half is public")
    if jwk.get("use", "sig") != "sig" or "verify" not in _operations(jwk):
        raise UnusableKey("it is not for signatures")
    kid = jwk.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH):
        raise UnusableKey("its kid is no short text")
    try:
        key = verifying_key(read(jwk))
    except UnusableKey:
        raise
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        raise UnusableKey("its numbers are no key") from None
    if jwk.get("alg", key.algorithm) != key.algorithm:
        raise UnusableKey("it is for another algorithm than RS256 and ES256")
    return kid, key


def _operations(jwk: dict[str, Any]) -> list[Any]:
    operations = jwk.get("key_ops", ["verify"])
    return operations if isinstance(operations, list) else []


def _read_rsa(jwk: dict[str, Any]) -> RSAPublicKey:
    modulus = int.from_bytes(_decoded(jwk.get("n"), MAX_RSA_BITS // 8 + 1))
    exponent = int.from_bytes(_decoded(jwk.get("e"), MAX_EXPONENT_BITS // 8))
    return RSAPublicNumbers(exponent, modulus).public_key()


def _read_ec(jwk: dict[str, Any]) -> EllipticCurvePublicKey:
    if jwk.get("crv") != "P-256":
        raise UnusableKey("its curve is not P-256")
    x, y = (int.from_bytes(_decoded(jwk.get(name), P256_BYTES)) for name in ("x", "y"))
    return EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()


_READERS: Final[dict[str, Callable[[dict[str, Any]], RSAPublicKey | EllipticCurvePublicKey]]] = {
    "RSA": _read_rsa,
    "EC": _read_ec,
}


def _decoded(text: Any, max_bytes: int) -> bytes:
    """A Base64urlUInt (RFC 7518, section 2)."""
    if not isinstance(text, str) or not 0 < len(text) <= max_bytes * 4 // 3 + 4:
        raise UnusableKey("one of its numbers is missing or too long")
    data = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    if len(data) > max_bytes:
        raise UnusableKey("one of its numbers is too long")
    return data
