"""Who a token is about: the claims that are read, whoever issued it (docs/API.md, Tokens)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from signaling.join_tokens import INVITED
from signaling.ports import Identity

MAX_USER_ID_LENGTH: Final = 200
MAX_NAME_LENGTH: Final = 80

# Characters that change the direction of the text after them: a name made of them could pose as somebody else's.
_BIDI_CONTROLS: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MAIL_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def account_of(claims: Mapping[str, Any]) -> Identity:
    """The holder of an account. Raises `ValueError`, whose message quotes no claim."""
    user_id = claims.get("sub")
    if not is_account_id(user_id):
        raise ValueError("the token has no usable 'sub'")
    if not isinstance(claims.get("name"), str | None):
        raise ValueError("the token's 'name' is not a text")
    names = (clean_name(name) for name in _names(claims))
    # Some issuers put the address where a name belongs; it is nothing for a room of strangers.
    name = next((name for name in names if name and not _MAIL_ADDRESS.fullmatch(name)), None)
    return Identity(user_id=user_id, name=name or derived_name(user_id))


def _names(claims: Mapping[str, Any]) -> Iterator[str]:
    """Best first: OpenID Connect and Keycloak, Supabase, Auth0, Keycloak."""
    profile = claims.get("user_metadata")
    profile = profile if isinstance(profile, dict) else {}
    candidates = (
        claims.get("name"),
        profile.get("full_name"),
        profile.get("name"),
        claims.get("nickname"),
        claims.get("preferred_username"),
    )
    yield from (name for name in candidates if isinstance(name, str))


def is_user_id(value: object) -> TypeGuard[str]:
    """Whether it is 1 to 200 printable characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_USER_ID_LENGTH
        and not value.isspace()
        and not any(_is_control(character) for character in value)
    )


def is_account_id(value: object) -> TypeGuard[str]:
    """Whether it is a user id, and none of those that this server gives to people without an account."""
    return is_user_id(value) and not value.startswith(INVITED)


def clean_name(name: str) -> str:
    """A display name of at most 80 characters on one line, without controls; empty where nothing is left."""
    printable = "".join(" " if _is_control(character) else character for character in name[: 4 * MAX_NAME_LENGTH])
    return " ".join(printable.split())[:MAX_NAME_LENGTH].strip()


def derived_name(user_id: str) -> str:
    """A name for a user without one. Not the id itself, which may be an e-mail address."""
    return f"User {hashlib.sha256(user_id.encode()).hexdigest()[:4].upper()}"


def _is_control(character: str) -> bool:
    """Control characters, lone surrogates (which no UTF-8 can carry) and changes of direction."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI_CONTROLS
