import asyncio

import jwt
import pytest

from control_api.cli import main
from control_api.commands.options import variable
from control_api.settings import Settings
from control_api.tokens.auth import Authenticator, load_or_create_secret

SECRET = "a secret of the tests, 32 bytes and more"


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("GREENROOM_DATA_DIR", str(tmp_path))
    return monkeypatch


def printed(capsys):
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    return out.strip()


def test_the_token_and_nothing_else_is_printed(environment, capsys):
    environment.setenv("GREENROOM_JWT_SECRET", SECRET)
    assert main(["token", "--name", "Ana", "--user-id", "u-7", "--ttl", "30m"]) == 0
    token = printed(capsys)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["name"], claims["exp"] - claims["iat"]) == ("u-7", "Ana", 1800)


def test_the_secret_that_the_server_made_is_used(capsys, tmp_path):
    secret = load_or_create_secret(tmp_path)
    assert main(["token", "--name", "Ana"]) == 0
    identity = asyncio.run(Authenticator(secret).verify(printed(capsys)))
    assert identity.name == "Ana"


def test_it_says_what_the_server_asks_for(environment, capsys):
    environment.setenv("GREENROOM_JWT_SECRET", SECRET)
    environment.setenv("GREENROOM_JWT_AUDIENCE", "live")
    environment.setenv("GREENROOM_JWT_ISSUER", "me")
    assert main(["token", "--name", "Ana"]) == 0
    claims = jwt.decode(printed(capsys), SECRET, algorithms=["HS256"], audience="live", issuer="me")
    assert claims["name"] == "Ana"


def test_no_secret_is_made_for_it(capsys, tmp_path):
    assert main(["token", "--name", "Ana"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--data-dir" in err
    assert list(tmp_path.iterdir()) == []


def test_tokens_of_another_issuer_can_not_be_made(environment, capsys):
    environment.setenv("GREENROOM_JWT_JWKS_URL", "https://issuer.example/jwks.json")
    assert main(["token", "--name", "Ana"]) == 2
    assert "issuer" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--name", "Ana", "--ttl", "0"], ["--name", "Ana", "--ttl", "1y"]])
def test_what_is_missing_or_no_time_is_a_mistake(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["token", *arguments])
    assert caught.value.code == 2


def test_a_name_without_a_printable_character(environment, capsys):
    environment.setenv("GREENROOM_JWT_SECRET", SECRET)
    assert main(["token", "--name", " \t"]) == 2
    assert "printable" in capsys.readouterr().err
