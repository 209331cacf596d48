"""Tokens: who may call. JSON Web Tokens (RFC 7519) of accounts and of sessions, and the secret of this server."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jwt

from control_api.data_dir import make_data_dir
from control_api.settings import MIN_SECRET_BYTES
from signaling.errors import ErrorCode
from signaling.ports import Identity

from .join_tokens import DEFAULT_TTL_S, JOIN_TYPE, JoinTokens
from .operator_tokens import OPERATOR_TYPE, OperatorTokens
from .token_claims import account_of, clean_name, is_account_id
from .token_keys import MAX_KID_LENGTH, KeySetupError, KeySource, KeysUnavailable, OneKey, VerifyingKey

MAX_TOKEN_LENGTH: Final = 8192
SECRET_FILE: Final = "jwt_secret"

# PyJWT lets a few of Python's own errors through: infinite dates, nesting without end, lone surrogates.
_UNREADABLE: Final = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class AuthError(Exception):
    """The caller is not known. `code` is stable; the message names neither the token nor a key."""

    code: ErrorCode = "token_invalid"
    retry_after_s: float | None = None


class TokenMissing(AuthError):
    code: ErrorCode = "token_missing"


class TokenInvalid(AuthError):
    """Not a token, signed with another key or algorithm, for others, not valid yet, or without a usable `sub`."""


class TokenExpired(AuthError):
    code: ErrorCode = "token_expired"


class IssuerUnavailable(AuthError):
    """The token may be good, but the keys of its issuer can't be had now."""

    code: ErrorCode = "issuer_unavailable"

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("the keys of the tokens' issuer can't be had now")


class SecretFileError(KeySetupError):
    """The file with the server's own secret can't be used; the message is for the operator."""


@dataclass(frozen=True)
class TokenRules:
    """What account tokens have to say, beyond being signed."""

    audience: str | None = None
    """Has to be in `aud`; None: it is not looked at."""
    issuer: str | None = None
    """Has to be `iss`; None: it is not looked at."""
    leeway_s: float = 10.0
    """Difference that is allowed between the clocks of the token's issuer and of this server."""


class Authenticator:
    """Verifies and issues tokens.

    `secret` is the server's own, at least 32 bytes; a shorter one raises `ValueError`. It signs join tokens and, where
    `keys` is None, the tokens of accounts, too.
    """

    def __init__(
        self,
        secret: bytes,
        keys: KeySource | None = None,
        rules: TokenRules | None = None,
        join_ttl_s: float = DEFAULT_TTL_S,
    ) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret has to have at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret if keys is None else None
        self._keys: KeySource = keys or OneKey(VerifyingKey("HS256", secret))
        self._rules = rules or TokenRules()
        self._join = JoinTokens(secret, join_ttl_s)
        self._operator = OperatorTokens(secret)

    async def verify(self, token: str | None) -> Identity:
        """Tell whose token this is; waits only where the issuer's keys have to be fetched.

        Raises `TokenMissing`, `TokenExpired`, `TokenInvalid` or `IssuerUnavailable`.
        """
        if not token:
            raise TokenMissing("a token is needed")
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenInvalid("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except _UNREADABLE:
            raise TokenInvalid("the token is not valid here") from None
        # The header only says which of two kinds the token claims to be; each kind has keys of its own.
        is_join_token = header.get("typ") == JOIN_TYPE
        try:
            if is_join_token:
                return self._join.bearer_of(self._claims(token, self._join.key))
            return account_of(await self._account_claims(token, header))
        except ValueError as error:
            raise TokenInvalid(str(error)) from None

    def verify_operator(self, token: str | None) -> None:
        """Raises `TokenMissing`, `TokenExpired` or `TokenInvalid` unless this is a token of the server's operator."""
        if not token:
            raise TokenMissing("a token is needed")
        try:
            kind = jwt.get_unverified_header(token).get("typ") if len(token) <= MAX_TOKEN_LENGTH else None
        except _UNREADABLE:
            kind = None
        if kind != OPERATOR_TYPE:
            raise TokenInvalid("the token is not an operator's")
        self._claims(token, self._operator.key, required=("exp",))

    def issue(self, name: str, user_id: str | None = None, ttl_s: float = 12 * 3600) -> str:
        """Make a token that is valid for `ttl_s` seconds, for a new random user unless `user_id` is given.

        Raises `ValueError` where the name or the user id could not be verified again, and where accounts and their
        tokens are another issuer's.
        """
        if self._secret is None:
            raise ValueError("the tokens of accounts come from their issuer, not from this server")
        subject = str(uuid.uuid4()) if user_id is None else user_id
        cleaned = clean_name(name)
        if not cleaned or not is_account_id(subject):
            raise ValueError("a name and a user id of printable characters are needed")
        now = int(time.time())
        claims: dict[str, Any] = {"sub": subject, "name": cleaned, "iat": now, "exp": now + int(ttl_s)}
        if self._rules.audience is not None:
            claims["aud"] = self._rules.audience
        if self._rules.issuer is not None:
            claims["iss"] = self._rules.issuer
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def issue_join_token(self, bearer: Identity) -> tuple[str, datetime]:
        """A token for one session (`bearer.session_id`), and when it expires. Raises `ValueError`."""
        return self._join.issue(bearer)

    async def _account_claims(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        kid, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._keys.algorithms or not _usable_kid(kid):
            raise TokenInvalid("the token is not valid here")
        try:
            key = await self._keys.find(kid)
        except KeysUnavailable as failure:
            raise IssuerUnavailable(failure.retry_after_s) from None
        if key is None:
            raise TokenInvalid("the token is not valid here")
        return self._claims(
            token,
            key,
            audience=self._rules.audience,
            issuer=self._rules.issuer,
            required=("exp",) if self._keys.requires_expiry else (),
        )

    def _claims(
        self,
        token: str,
        key: VerifyingKey,
        audience: str | None = None,
        issuer: str | None = None,
        required: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                leeway=self._rules.leeway_s,
                audience=audience,
                issuer=issuer,
                options={"verify_aud": audience is not None, "require": list(required)},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired("the token has expired") from None
        except _UNREADABLE:
            raise TokenInvalid("the token is not valid here") from None


def _usable_kid(kid: object) -> bool:
    return kid is None or (isinstance(kid, str) and len(kid) <= MAX_KID_LENGTH)


def load_or_create_secret(data_dir: Path) -> bytes:
    """The server's own secret: made once from 32 random bytes, kept in `data_dir` readable by its owner only.

    Raises `SecretFileError` where the file can't be read or written, or is open to others.
    """
    path = data_dir / SECRET_FILE
    try:
        if not path.exists():
            _create_secret(path)
        return _read_secret(path)
    except OSError as error:
        raise SecretFileError(f"the signing secret {path} can't be used: {error.strerror or error}") from error


def _create_secret(path: Path) -> None:
    make_data_dir(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{SECRET_FILE}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(MIN_SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces a secret that another process has made in the meantime.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)


def _read_secret(path: Path) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        secret = file.read(4096).strip()
    if stat.S_IMODE(mode) & 0o077:
        raise SecretFileError(f"others can read the signing secret {path}: delete it, or set its mode to 0600")
    if len(secret) < MIN_SECRET_BYTES:
        raise SecretFileError(f"the signing secret {path} is too short: delete it, and a new one is made")
    return secret
