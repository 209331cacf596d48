from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.tokens.token_claims import MAX_NAME_LENGTH, account_of, clean_name, is_account_id, is_user_id

SUPABASE = {
    "sub": "7e0e0b1c-6c36-4d2a-9f9b-8a1c3f1d2e4b",
    "aud": "authenticated",
    "role": "authenticated",
    "email": "ana@example.com",
    "app_metadata": {"provider": "google"},
    "user_metadata": {"full_name": "Ana María", "email": "ana@example.com", "avatar_url": "https://example.com/a.png"},
    "session_id": "0d1f",
}
AUTH0 = {"sub": "auth0|5f7c", "nickname": "ana", "name": "ana@example.com", "aud": ["api"], "azp": "client"}
KEYCLOAK = {"sub": "f3a1", "preferred_username": "ana", "typ": "Bearer", "realm_access": {"roles": ["admin"]}}


@pytest.mark.parametrize(
    ("claims", "user_id", "name"),
    [
        ({"sub": "1", "name": "Ana", "nickname": "a", "preferred_username": "b"}, "1", "Ana"),
        (SUPABASE, SUPABASE["sub"], "Ana María"),
        ({"sub": "1", "user_metadata": {"name": "Ana"}}, "1", "Ana"),
        (AUTH0, "auth0|5f7c", "ana"),
        (KEYCLOAK, "f3a1", "ana"),
        ({**KEYCLOAK, "name": "Ana María"}, "f3a1", "Ana María"),
        ({"sub": "1", "name": " \n", "nickname": "ana"}, "1", "ana"),
        ({"sub": "1", "user_metadata": "no object", "nickname": 7, "preferred_username": "ana"}, "1", "ana"),
    ],
)
def test_the_tokens_of_well_known_issuers(claims: dict[str, Any], user_id: str, name: str) -> None:
    identity = account_of(claims)
    assert (identity.user_id, identity.name, identity.session_id) == (user_id, name, None)


def test_the_name_that_is_shown_is_no_mail_address_and_not_the_id() -> None:
    for claims in (
        {"name": "ana@example.com"},
        {"preferred_username": "ana@example.co.uk"},
        {"email": "ana@x.org"},
        {},
    ):
        name = account_of({"sub": "ana-1", **claims}).name
        assert name.startswith("User ")
        assert "ana" not in name
    assert account_of({"sub": "a", "name": "me @ home"}).name == "me @ home"


def test_a_claim_of_an_account_never_confines_or_promotes() -> None:
    identity = account_of({"sub": "a", "session": "7e0e0b1c-6c36-4d2a-9f9b-8a1c3f1d2e4b", "role": "host"})
    assert identity.session_id is None
    assert set(identity.model_dump()) == {"user_id", "name", "session_id"}


@pytest.mark.parametrize(
    "sub", [None, 7, "", " ", "x" * 201, "a\nb", "a\0", "\ud800", "a\u202eb", ["a"], "invited:bob", "invited:"]
)
def test_user_ids_that_no_account_has(sub: Any) -> None:
    with pytest.raises(ValueError, match="'sub'"):
        account_of({"sub": sub})


def test_ids_of_people_without_an_account() -> None:
    assert is_user_id("invited:bob")
    assert not is_account_id("invited:bob")
    assert is_account_id("Invited:bob")


def test_a_name_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="'name'"):
        account_of({"sub": "a", "name": ["Ana"]})


@given(st.text(alphabet=st.characters(), max_size=200))
def test_names_are_one_short_printable_line(name: str) -> None:
    cleaned = clean_name(name)
    assert len(cleaned) <= MAX_NAME_LENGTH
    assert cleaned == cleaned.strip()
    assert not set(cleaned) & set("\0\n\r\t\u2028\u202e")
    cleaned.encode()
