"""Nobody but the operator passes for the operator."""

import time

import jwt
import pytest

from control_api.tokens.auth import Authenticator, TokenExpired, TokenInvalid, TokenMissing
from control_api.tokens.operator_tokens import OPERATOR_TYPE, OperatorTokens
from signaling.ports import Identity

SECRET = b"a secret of the tests, 32 bytes and more"


@pytest.fixture
def authenticator():
    return Authenticator(SECRET)


def test_a_token_made_with_the_servers_secret_is_taken(authenticator):
    authenticator.verify_operator(OperatorTokens(SECRET).issue())


def test_it_is_short_lived(authenticator):
    claims = jwt.decode(OperatorTokens(SECRET).issue(), options={"verify_signature": False})
    assert 0 < claims["exp"] - time.time() <= 60


async def test_no_other_token_is_taken(authenticator):
    bearer = Identity(user_id="u", name="U", session_id="7b1c0a52-3f0e-4a5e-9f0a-111111111111")
    exp = int(time.time()) + 60
    derived = OperatorTokens(SECRET).key.key
    for token in (
        authenticator.issue("Ana"),
        authenticator.issue_join_token(bearer)[0],
        OperatorTokens(b"another secret that is long enough, really").issue(),
        jwt.encode({"exp": exp}, SECRET, headers={"typ": OPERATOR_TYPE}),
        jwt.encode({"exp": exp}, None, algorithm="none", headers={"typ": OPERATOR_TYPE}),
        jwt.encode({"exp": exp}, derived),
        jwt.encode({}, derived, headers={"typ": OPERATOR_TYPE}),
        OperatorTokens(SECRET).issue()[:-3],
        "x" * 9000,
        "a.b.c",
    ):
        with pytest.raises(TokenInvalid):
            authenticator.verify_operator(token)
    with pytest.raises(TokenMissing):
        authenticator.verify_operator(None)
    expired = jwt.encode({"exp": 1}, derived, headers={"typ": OPERATOR_TYPE})
    with pytest.raises(TokenExpired):
        authenticator.verify_operator(expired)


async def test_an_operators_token_is_nobodys_account(authenticator):
    with pytest.raises(TokenInvalid):
        await authenticator.verify(OperatorTokens(SECRET).issue())
