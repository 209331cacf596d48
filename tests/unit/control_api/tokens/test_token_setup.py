from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from control_api.settings import Settings
from control_api.tokens.auth import Authenticator, SecretFileError, TokenExpired, TokenInvalid
from control_api.tokens.token_keys import KeySetupError
from control_api.tokens.token_setup import open_authenticator
from signaling.ports import Identity
from tests.support.issuer import Issuer, account, ec_key, jwk, public_pem, rsa_key, sign

SECRET = "s" * 40
SESSION = "7e0e0b1c-6c36-4d2a-9f9b-8a1c3f1d2e4b"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("GREENROOM_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)


@pytest.fixture
async def stack() -> Any:
    async with AsyncExitStack() as stack:
        yield stack


async def user_of(authenticator: Authenticator, token: str) -> str:
    return (await authenticator.verify(token)).user_id


async def test_a_configured_secret(tmp_path: Path, stack: AsyncExitStack) -> None:
    authenticator = await open_authenticator(Settings(data_dir=tmp_path, jwt_secret=SECRET), stack)
    assert await user_of(authenticator, sign(account(), SECRET.encode())) == "ana"
    assert not os.listdir(tmp_path)


async def test_without_anything_the_server_makes_a_secret(tmp_path: Path, stack: AsyncExitStack) -> None:
    authenticator = await open_authenticator(Settings(data_dir=tmp_path), stack)
    again = await open_authenticator(Settings(data_dir=tmp_path), stack)
    assert await user_of(again, authenticator.issue("Ana", "ana")) == "ana"


async def test_a_key_file(tmp_path: Path, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture) -> None:
    pem = tmp_path / "key.pem"
    pem.write_bytes(public_pem(ec_key()))
    settings = Settings(data_dir=tmp_path / "data", jwt_public_key_file=pem, jwt_issuer="me", host="0.0.0.0")
    authenticator = await open_authenticator(settings, stack)
    assert await user_of(authenticator, sign(account(iss="me"), ec_key())) == "ana"
    own_secret = (tmp_path / "data" / "jwt_secret").read_bytes()
    for bad in (sign(account(), ec_key()), sign(account(iss="me"), own_secret), Authenticator(own_secret).issue("A")):
        with pytest.raises(TokenInvalid):
            await authenticator.verify(bad)
    assert "GREENROOM_JWT_AUDIENCE" in caplog.text


async def test_a_jwks(tmp_path: Path, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture) -> None:
    async with Issuer(jwk(rsa_key(), "r")) as issuer:
        settings = Settings(data_dir=tmp_path, jwt_jwks_url=issuer.url, jwt_audience="live", jwt_leeway_s=0)
        authenticator = await open_authenticator(settings, stack)
        assert await user_of(authenticator, sign(account(aud="live"), rsa_key(), kid="r")) == "ana"
        with pytest.raises(TokenInvalid):
            await authenticator.verify(sign(account(aud="other"), rsa_key(), kid="r"))
        await stack.aclose()
    assert caplog.text == ""


async def test_join_tokens_outlive_a_restart_and_last_as_configured(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with Issuer(jwk(rsa_key(), "r")) as issuer:
        settings = Settings(data_dir=tmp_path, jwt_jwks_url=issuer.url, join_token_ttl_s=60)
        first, second = await open_authenticator(settings, stack), await open_authenticator(settings, stack)
        bearer = Identity(user_id="invited:bob", name="Bob", session_id=SESSION)
        token, expires_at = first.issue_join_token(bearer)
        assert await second.verify(token) == bearer
        assert expires_at.timestamp() == pytest.approx(time.time() + 60, abs=5)
        await stack.aclose()


async def test_what_can_not_be_used_is_told(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with Issuer() as issuer:
        for settings in (
            Settings(data_dir=tmp_path, jwt_jwks_url=issuer.url),
            Settings(data_dir=tmp_path, jwt_public_key_file=tmp_path / "missing.pem"),
        ):
            with pytest.raises(KeySetupError):
                await open_authenticator(settings, stack)
    (tmp_path / "jwt_secret").write_text("x")
    with pytest.raises(SecretFileError):
        await open_authenticator(Settings(data_dir=tmp_path), stack)


async def test_leeway(tmp_path: Path, stack: AsyncExitStack) -> None:
    token = sign(account(exp=time.time() - 5), SECRET.encode())
    lenient = await open_authenticator(Settings(data_dir=tmp_path, jwt_secret=SECRET), stack)
    assert await user_of(lenient, token) == "ana"
    strict = await open_authenticator(Settings(data_dir=tmp_path, jwt_secret=SECRET, jwt_leeway_s=0), stack)
    with pytest.raises(TokenExpired):
        await strict.verify(token)
