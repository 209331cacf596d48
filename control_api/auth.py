"""Tokens: who may call. HS256 JSON Web Tokens (RFC 7519), and the secret that signs them."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tempfile
import time
import unicodedata
import uuid
from pathlib import Path
from typing import Any

import jwt

from signaling.ports import Identity

from .data_dir import make_data_dir
from .settings import MIN_SECRET_BYTES

ALGORITHM = "HS256"
LEEWAY_S = 10
"""Difference that is allowed between the clocks of the token's issuer and of this server."""
MAX_TOKEN_LENGTH = 8192
MAX_USER_ID_LENGTH = 200
MAX_NAME_LENGTH = 80
SECRET_FILE = "jwt_secret"

# Characters that change the direction of the text after them: a name made of them could pose as somebody else's.
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class AuthError(Exception):
    """The caller is not known. `code` is stable; the message names neither the token nor the secret."""

    code = "token_invalid"


class TokenMissing(AuthError):
    code = "token_missing"


class TokenInvalid(AuthError):
    """Not a token, signed with another key or algorithm, not valid yet, or without a usable `sub`."""


class TokenExpired(AuthError):
    code = "token_expired"


class SecretFileError(Exception):
    """The file with the server's own secret can't be used; the message is for the operator."""


class Authenticator:
    """Verifies and issues tokens.

    `secret` is the HMAC key, at least 32 bytes; a shorter one raises `ValueError`.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret has to have at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret

    def verify(self, token: str | None) -> Identity:
        """Tell whose token this is. Raises `TokenMissing`, `TokenExpired` or `TokenInvalid`."""
        if not token:
            raise TokenMissing("a token is needed")
        claims = self._claims(token)
        user_id = claims.get("sub")
        if not isinstance(user_id, str) or not _usable_user_id(user_id):
            raise TokenInvalid("the token has no usable 'sub'")
        name = claims.get("name")
        if name is not None and not isinstance(name, str):
            raise TokenInvalid("the token's 'name' is not a text")
        return Identity(user_id=user_id, name=clean_name(name or "") or _derived_name(user_id))

    def issue(self, name: str, user_id: str | None = None, ttl_s: float = 12 * 3600) -> str:
        """Make a token that is valid for `ttl_s` seconds, for a new random user unless `user_id` is given.

        Raises `ValueError` where the name or the user id could not be verified again.
        """
        subject = str(uuid.uuid4()) if user_id is None else user_id
        cleaned = clean_name(name)
        if not cleaned or not _usable_user_id(subject):
            raise ValueError("a name and a user id of printable characters are needed")
        now = int(time.time())
        claims = {"sub": subject, "name": cleaned, "iat": now, "exp": now + int(ttl_s)}
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenInvalid("the token is too long")
        try:
            return jwt.decode(
                token, self._secret, algorithms=[ALGORITHM], leeway=LEEWAY_S, options={"verify_aud": False}
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired("the token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            # PyJWT lets a few of Python's own errors through: infinite dates, nesting without end, lone surrogates.
            raise TokenInvalid("the token is not valid here") from None


def clean_name(name: str) -> str:
    """A display name of at most 80 characters on one line, without controls; empty where nothing is left."""
    printable = "".join(" " if _is_control(character) else character for character in name[: 4 * MAX_NAME_LENGTH])
    return " ".join(printable.split())[:MAX_NAME_LENGTH].strip()


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


def _usable_user_id(user_id: str) -> bool:
    return (
        0 < len(user_id) <= MAX_USER_ID_LENGTH
        and not user_id.isspace()
        and not any(_is_control(character) for character in user_id)
    )


def _is_control(character: str) -> bool:
    """Control characters, lone surrogates (which no UTF-8 can carry) and changes of direction."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI_CONTROLS


def _derived_name(user_id: str) -> str:
    """A name for a user without one. Not the id itself, which may be an e-mail address."""
    return f"User {hashlib.sha256(user_id.encode()).hexdigest()[:4].upper()}"
