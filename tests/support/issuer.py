"""An issuer of tokens as Supabase, Auth0 or Keycloak is one: keys, a JWKS address on loopback, and tokens."""

from __future__ import annotations

import asyncio
import base64
import datetime
import functools
import ipaddress
import json
import ssl
import time
import warnings
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@functools.cache
def rsa_key(name: str = "", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Each name has its own; made once, because it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@functools.cache
def ec_key(name: str = "", curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[curve])


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64_number(number: int) -> str:
    return b64(number.to_bytes((number.bit_length() + 7) // 8))


def jwk(key: PrivateKey, kid: str | None = None, **members: Any) -> dict[str, Any]:
    """The public half as issuers publish it; a member that is None is left out."""
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        entry = {"kty": "RSA", "alg": "RS256", "n": b64_number(rsa_numbers.n), "e": b64_number(rsa_numbers.e)}
    else:
        ec_numbers = key.public_key().public_numbers()
        size = (key.curve.key_size + 7) // 8
        entry = {"kty": "EC", "alg": "ES256", "crv": "P-256" if size == 32 else "P-384"}
        entry |= {"x": b64(ec_numbers.x.to_bytes(size)), "y": b64(ec_numbers.y.to_bytes(size))}
    entry |= {"use": "sig", "kid": kid, **members}
    return {name: value for name, value in entry.items() if value is not None}


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate(key: PrivateKey, address: str) -> bytes:
    """Self-signed, for an IP address, valid now."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    now = datetime.datetime.now(datetime.UTC)
    unsigned = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
    )
    return unsigned.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def sign(claims: Any, key: Any, algorithm: str | None = None, **headers: Any) -> str:
    """Signed by hand, so that nothing of the library's own checks stands in the way. A `kid` of None is left out."""
    if algorithm is None:
        algorithm = "HS256" if isinstance(key, bytes) else "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.api_jws.encode(
            json.dumps(claims).encode(),
            key,
            algorithm=algorithm,
            headers={name: value for name, value in headers.items() if value is not None} or None,
        )


def forge(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Any three parts, for headers and signatures that no library would make."""
    return ".".join((b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), b64(signature)))


def account(subject: str = "ana", **claims: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": subject, "iat": now, "exp": now + 3600, **claims}


class Issuer:
    """Serves `body` on loopback. Use it as a context manager; `leave` makes it unreachable, `come_back` undoes that."""

    def __init__(self, *keys: dict[str, Any], tls: ssl.SSLContext | None = None) -> None:
        self.body = jwks(*keys)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.hold: asyncio.Event | None = None
        """Answers wait for it."""
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._tls = tls

    def publish(self, *keys: Any) -> None:
        self.body = jwks(*keys)

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._port}/.well-known/jwks.json"

    async def come_back(self) -> None:
        app = web.Application()
        app.router.add_get("/.well-known/jwks.json", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def leave(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.hold is not None:
            self.hold.set()
        await self.leave()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.hold is not None:
            await self.hold.wait()
        return web.Response(body=self.body, status=self.status, headers=self.headers, content_type="application/json")
