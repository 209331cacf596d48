from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from control_api.settings import Settings, is_loopback

SECRET = "s" * 32


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("GREENROOM_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)


def test_defaults() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.rtc_port) == ("127.0.0.1", 8080, 40000)
    assert settings.workers >= 1
    assert settings.data_dir.is_absolute()
    assert (settings.resume_grace_s, settings.first_connect_grace_s) == (30, 120)
    assert settings.dev_tokens
    assert settings.database_url is None


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GREENROOM_PORT": "0",
        "GREENROOM_RTC_BIND": "127.0.0.1, ::1,127.0.0.1",
        "GREENROOM_ALLOWED_ORIGINS": "https://Example.com/, http://localhost:3000",
        "GREENROOM_PUBLIC_IP": "203.0.113.7",
        "GREENROOM_RTC_OFFLOAD": "off",
        "GREENROOM_LOG_LEVEL": "debug",
        "GREENROOM_JWT_SECRET": SECRET,
        "GREENROOM_HOST": "0.0.0.0",
        "DATABASE_URL": "postgresql://user:password@db/live",
        "GREENROOM_WORKERS": "",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.port == 0
    assert settings.rtc_bind == ("127.0.0.1", "::1")
    assert settings.allowed_origins == ("https://example.com", "http://localhost:3000")
    assert settings.public_ip == "203.0.113.7"
    assert not settings.rtc_offload
    assert settings.log_level == "DEBUG"
    assert settings.database_url == "postgresql://user:password@db/live"
    assert not settings.dev_tokens
    assert SECRET not in repr(settings)
    assert "password" not in repr(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com"])
def test_without_a_secret_nobody_else_is_listened_to(host: str) -> None:
    with pytest.raises(ValidationError, match="set GREENROOM_JWT_SECRET, or listen on"):
        Settings(host=host)
    assert not Settings(host=host, jwt_secret=SECRET).dev_tokens


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host).dev_tokens


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ValidationError, match="at least 32 bytes") as caught:
        Settings(jwt_secret="hunter2" * 4)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"port": 65536},
        {"port": "http"},
        {"rtc_port": -1},
        {"rtc_port": 65535, "workers": 2},
        {"workers": 0},
        {"host": ""},
        {"rtc_bind": "eth0"},
        {"public_ip": "example.com"},
        {"allowed_origins": "example.com"},
        {"allowed_origins": "https://example.com/path"},
        {"allowed_origins": "*"},
        {"database_url": "mysql://user@db"},
        {"log_level": "loud"},
        {"trusted_proxies": "proxy.example.com"},
        {"trusted_proxies": "10.0.0.1/8"},
        {"rate_limits": "some"},
        {"max_connections": 0},
        {"max_connections_per_address": 0},
        {"tls_cert": "cert.pem"},
        {"tls_key": "key.pem"},
        {"turn_urls": "turn:turn.example"},
        {"turn_secret": "s"},
        {"turn_urls": "stun:turn.example", "turn_secret": "s"},
        {"turn_urls": "turn:turn.example:port", "turn_secret": "s"},
        {"turn_urls": "turn://turn.example", "turn_secret": "s"},
        {"turn_urls": "turn:user@turn.example", "turn_secret": "s"},
        {"resume_grace_s": -1},
        {"request_ttl_s": 0},
        {"request_cooldown_s": -1},
        {"webhook_url": "https://example.com/hook"},
        {"webhook_secret": SECRET},
        {"webhook_url": "https://example.com/hook", "webhook_secret": "short"},
        {"webhook_url": "http://example.com/hook", "webhook_secret": SECRET},
        {"webhook_url": "https://user:hunter2@example.com/", "webhook_secret": SECRET},
        {"webhook_events": "dance"},
        {"resume_grace_s": "nan"},
        {"jwt_audience": ""},
        {"jwt_leeway_s": -1},
        {"jwt_leeway_s": 301},
        {"join_token_ttl_s": 0},
        {"join_token_ttl_s": "inf"},
    ],
)
def test_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**values)  # type: ignore[arg-type]


def test_a_relative_data_folder_stays_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir="data")
    monkeypatch.chdir("/")
    assert settings.data_dir == tmp_path / "data"


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example/.well-known/jwks.json",
        "https://id.example:8443/jwks?tenant=a",
        "http://127.0.0.1:8080/realms/a/certs",
        "http://[::1]/jwks",
        "http://localhost/jwks",
    ],
)
def test_addresses_of_keys(url: str) -> None:
    assert Settings(jwt_jwks_url=url).jwt_jwks_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example/jwks",
        "http://127.0.0.1.example.com/jwks",
        "http://10.0.0.1/jwks",
        "ftp://127.0.0.1/jwks",
        "file:///etc/passwd",
        "id.example/jwks",
        "https://",
        "https:///jwks",
        "https://[::1/jwks",
        "https://id.example:port/jwks",
        "https://id.example:0/jwks",
        "https://id.example/jwks#fragment",
        "https://user:hunter2@id.example/jwks",
        "https://id.example/jw ks",
        "https://id.example/jwks\r\nX-Header: 1",
        "",
    ],
)
def test_keys_never_come_over_a_line_that_others_could_write_to(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(jwt_jwks_url=url)
    assert "hunter2" not in str(caught.value)


ISSUERS = {"jwt_secret": SECRET, "jwt_public_key_file": "key.pem", "jwt_jwks_url": "https://id.example/jwks"}


@pytest.mark.parametrize("name", ISSUERS)
def test_whoever_issues_tokens_there_are_none_for_trying_out(name: str) -> None:
    assert not Settings(host="0.0.0.0", **{name: ISSUERS[name]}).dev_tokens  # type: ignore[arg-type]


@pytest.mark.parametrize("left_out", ISSUERS)
def test_tokens_have_one_issuer(left_out: str) -> None:
    values = {name: value for name, value in ISSUERS.items() if name != left_out}
    named = " and ".join(f"GREENROOM_{name.upper()}" for name in values)
    with pytest.raises(ValidationError, match=f"set only one of {named}") as caught:
        Settings(**values)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


def test_a_relative_key_file_stays_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(jwt_public_key_file="key.pem").jwt_public_key_file == tmp_path / "key.pem"


def test_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GREENROOM_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8, 2001:db8::/32,127.0.0.1",
        "GREENROOM_RATE_LIMITS": "off",
        "GREENROOM_TURN_URLS": "turn:turn.example:3478?transport=udp, turns:[2001:db8::7]:5349?transport=tcp",
        "GREENROOM_TURN_SECRET": "north",
        "GREENROOM_TLS_CERT": "cert.pem",
        "GREENROOM_TLS_KEY": "key.pem",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32")
    assert not settings.limits_addresses
    assert settings.turn_urls == ("turn:turn.example:3478?transport=udp", "turns:[2001:db8::7]:5349?transport=tcp")
    assert "north" not in repr(settings)
    assert settings.tls_cert == Path.cwd() / "cert.pem"
    monkeypatch.delenv("GREENROOM_RATE_LIMITS")
    assert Settings().limits_addresses


def test_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    secret_url = "https://one.example/hook?key=hunter2"
    assert (Settings().webhook_url, Settings().webhook_events) == ((), ())
    for name, value in {
        "GREENROOM_WEBHOOK_URL": f"{secret_url}, http://backend:3000/hook,{secret_url}",
        "GREENROOM_WEBHOOK_SECRET": SECRET,
        "GREENROOM_WEBHOOK_EVENTS": "banned, unbanned,banned",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.webhook_url == (secret_url, "http://backend:3000/hook")
    assert settings.webhook_events == ("banned", "unbanned")
    assert SECRET not in repr(settings)
    assert "hunter2" not in repr(settings)
