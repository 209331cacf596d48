"""What an operator configures: command-line options and `GREENROOM_*` environment variables."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from signaling.counters import MAX_REACTION_TYPES
from signaling.model import DEFAULT_REACTIONS

from .outside.webhook_format import event_type, receiver_url

ENV_PREFIX = "GREENROOM_"

MIN_SECRET_BYTES = 32
"""An HMAC-SHA256 key shorter than its output weakens the signature (RFC 7518, section 3.2)."""

MIN_METRICS_TOKEN_LENGTH = 16

_TURN_URL = re.compile(r"turns?:([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(\?transport=(udp|tcp))?")

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Every option with its default. Raises `pydantic.ValidationError` for values that can't work together."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    host: str = Field(default="127.0.0.1", min_length=1, description="address of the web page, API and WebSocket")
    port: int = Field(default=8080, ge=0, le=65535, description="TCP port of the same; 0 takes a free one")
    rtc_port: int = Field(
        default=40000,
        ge=0,
        le=65535,
        description="UDP port of the first media worker, the others take the next ones; 0 takes free ones",
    )
    rtc_bind: CommaSeparated = Field(
        default=(), description="local addresses for media, comma-separated (default: all of the machine's)"
    )
    public_ip: str | None = Field(
        default=None, description="address under which clients reach a machine behind one-to-one NAT"
    )
    rtc_offload: bool = Field(
        default=True,
        description="let the kernel or the network card cut runs of packets (UDP segmentation offload); off for "
        "drivers that get it wrong",
    )
    workers: int = Field(
        default_factory=lambda: max(1, usable_cores() - 1),
        ge=1,
        le=256,
        description="media worker processes (default: one per core but one)",
    )
    data_dir: Path = Field(
        default_factory=lambda: default_data_dir(), description="folder of the embedded database and the signing secret"
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        validation_alias=AliasChoices("DATABASE_URL", "GREENROOM_DATABASE_URL"),
        description="postgresql:// address of a database to use instead of the embedded one",
    )
    jwt_secret: SecretStr | None = Field(
        default=None,
        description="HS256 key of the tokens, at least 32 bytes; without it, or another issuer's keys, the server "
        "makes one, listens on loopback only and hands out tokens for trying it out",
    )
    jwt_public_key_file: Path | None = Field(
        default=None, description="PEM file with the RSA or P-256 public key of the tokens (RS256, ES256)"
    )
    jwt_jwks_url: str | None = Field(
        default=None, description="https:// address of the JWKS with the public keys of the tokens (RS256, ES256)"
    )
    jwt_audience: str | None = Field(
        default=None, min_length=1, description="what a token's aud has to contain (default: anything)"
    )
    jwt_issuer: str | None = Field(
        default=None, min_length=1, description="what a token's iss has to be (default: anything)"
    )
    jwt_leeway_s: float = Field(
        default=10, ge=0, le=300, description="seconds that the clock of the tokens' issuer may differ"
    )
    join_token_ttl_s: float = Field(
        default=300, ge=10, le=86_400, description="seconds within which a join token has to be used"
    )
    resume_grace_s: float = Field(
        default=30, ge=0, le=3600, description="seconds that a participant who lost the connection has to come back"
    )
    first_connect_grace_s: float = Field(
        default=120, ge=1, le=3600, description="seconds after joining within which a participant has to connect"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least severity that is logged: DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="console for people, json for programs: one object a line"
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=MIN_METRICS_TOKEN_LENGTH,
        description="bearer token of GET /metrics, at least 16 characters; without it this machine alone may read them",
    )
    sentry_dsn: SecretStr | None = Field(
        default=None, description="where errors are reported, with greenroom[sentry] installed (default: nowhere)"
    )
    allowed_origins: CommaSeparated = Field(
        default=(),
        description="other web origins whose pages may use this server, comma-separated (default: its own only)",
    )
    trusted_proxies: CommaSeparated = Field(
        default=(),
        description="addresses or networks of reverse proxies whose X-Forwarded-For, -Proto and -Host are believed, "
        "comma-separated (default: nobody's)",
    )
    rate_limits: Literal["on", "off"] = Field(
        default="on",
        description="off: no limits on how often users and addresses do what, and on connections of one address; "
        "for load tests",
    )
    max_connections: int = Field(
        default=10_000, ge=1, le=1_000_000, description="connections (HTTP and WebSocket) at the same time, in all"
    )
    max_connections_per_address: int = Field(
        default=5_000, ge=1, le=1_000_000, description="the same, of one IPv4 address or one IPv6 /64"
    )
    tls_cert: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain: https instead of http; read anew when it changes",
    )
    tls_key: Path | None = Field(default=None, description="PEM file with the certificate's key, not encrypted")
    turn_urls: CommaSeparated = Field(
        default=(), description="turn: and turns: addresses of a TURN server that clients may use, comma-separated"
    )
    turn_secret: SecretStr | None = Field(
        default=None, description="secret shared with the TURN server (coturn: static-auth-secret)"
    )

    request_ttl_s: float = Field(
        default=900,
        ge=10,
        le=86_400,
        description="seconds that a request or invitation waits for its answer",
    )
    request_cooldown_s: float = Field(
        default=60, ge=0, le=86_400, description="seconds that a user waits after a rejection before asking again"
    )
    webhook_url: CommaSeparated = Field(
        default=(),
        repr=False,
        description="https:// addresses that events are sent to, comma-separated (http:// within your own network)",
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="key that signs what is sent there, at least 32 bytes"
    )
    webhook_events: CommaSeparated = Field(
        default=(),
        description="events that are sent, comma-separated (default: all but message_sent and reactions)",
    )

    reactions: CommaSeparated = Field(default=DEFAULT_REACTIONS, description="types of reactions, comma-separated")
    payment_hook: str | None = Field(
        default=None,
        repr=False,
        description="what decides whether a gift is paid for: module:function, or an address (default: gifts are free)",
    )
    payment_secret: SecretStr | None = Field(
        default=None, description="key that signs what is sent to such an address, at least 32 bytes"
    )
    payment_timeout_s: float = Field(default=10, gt=0, le=60, description="seconds that it may take to decide")

    @field_validator(
        *("rtc_bind", "allowed_origins", "trusted_proxies", "turn_urls", "webhook_url", "webhook_events", "reactions"),
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("rtc_bind")
    @classmethod
    def _bind_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_ip_address(address) for address in value))

    @field_validator("public_ip")
    @classmethod
    def _public_address(cls, value: str | None) -> str | None:
        return None if value is None else _ip_address(value)

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_origin(origin) for origin in value))

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_ip_network(network) for network in value))

    @field_validator("turn_urls")
    @classmethod
    def _turn_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_turn_url(url) for url in value))

    @field_validator("webhook_url")
    @classmethod
    def _receivers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(receiver_url(url) for url in value))

    @field_validator("webhook_events")
    @classmethod
    def _events(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(event_type(name) for name in value))

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("data_dir", "jwt_public_key_file", "tls_cert", "tls_key")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.abspath(value.expanduser()))

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("it has to begin with postgresql://")
        return value

    @field_validator("reactions")
    @classmethod
    def _reaction_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(value))
        sound = all(re.fullmatch("[a-z0-9_]{1,32}", name) for name in names)
        if not sound or not 1 <= len(names) <= MAX_REACTION_TYPES:
            raise ValueError(f"1 to {MAX_REACTION_TYPES} names of lower case letters, digits and _ are needed")
        return names

    @field_validator("payment_hook")
    @classmethod
    def _hook(cls, value: str | None) -> str | None:
        return value if value is None or names_function(value) else receiver_url(value)

    @field_validator("jwt_secret", "webhook_secret", "payment_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret has to have at least {MIN_SECRET_BYTES} bytes")
        return value

    @field_validator("jwt_jwks_url")
    @classmethod
    def _safe_url(cls, value: str | None) -> str | None:
        return None if value is None else _jwks_url(value)

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if len(self._token_keys()) > 1:
            raise ValueError(f"tokens have one issuer: set only one of {' and '.join(self._token_keys())}")
        if self.dev_tokens and not is_loopback(self.host):
            raise ValueError(
                f"the server listens on {self.host} only with keys of its own for tokens: "
                "set GREENROOM_JWT_SECRET, or listen on 127.0.0.1"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("GREENROOM_TLS_CERT and GREENROOM_TLS_KEY go together: set both or none")
        if bool(self.turn_urls) != (self.turn_secret is not None):
            raise ValueError("GREENROOM_TURN_URLS and GREENROOM_TURN_SECRET go together: set both or none")
        if bool(self.webhook_url) != (self.webhook_secret is not None):
            raise ValueError("GREENROOM_WEBHOOK_URL and GREENROOM_WEBHOOK_SECRET go together: set both or none")
        by_service = self.payment_hook is not None and not names_function(self.payment_hook)
        if by_service != (self.payment_secret is not None):
            raise ValueError("an address as GREENROOM_PAYMENT_HOOK and GREENROOM_PAYMENT_SECRET go together")
        if self.rtc_port and self.rtc_port + self.workers - 1 > 65535:
            raise ValueError(f"{self.workers} workers do not fit above the UDP port {self.rtc_port}")
        return self

    @property
    def limits_addresses(self) -> bool:
        """Whether there are limits on what one user and one address may do."""
        return self.rate_limits == "on"

    @property
    def dev_tokens(self) -> bool:
        """Whether anybody who reaches the server may have a token: only without configured keys, on loopback."""
        return not self._token_keys()

    def _token_keys(self) -> list[str]:
        """The variables that say what verifies tokens, as far as they are set."""
        names = ("jwt_secret", "jwt_public_key_file", "jwt_jwks_url")
        return [f"{ENV_PREFIX}{name.upper()}" for name in names if getattr(self, name) is not None]


def names_function(hook: str) -> bool:
    """Whether a payment hook is `module:function`, and not an address."""
    return re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", hook, re.ASCII) is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host` (a name or an address)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine's where affinity was restricted."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_data_dir() -> Path:
    """Where the platform keeps data. Root's is not in its home, which the database's user could not enter."""
    if os.geteuid() == 0:
        return Path("/var/lib/greenroom")
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/greenroom"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "greenroom"


def _ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None


def _jwks_url(value: str) -> str:
    """Who could change what comes from there could sign tokens; so it is https, or does not leave this machine."""
    try:
        parts = urlsplit(value)
        host, sound = parts.hostname or "", parts.port != 0 and value.isprintable()
    except ValueError:
        host, sound = "", False
    if not sound or not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise ValueError("it has to begin with https:// (or http:// and an address of this machine)")
    if parts.username is not None or parts.password is not None or parts.fragment or " " in value:
        raise ValueError("it has to be an address without user, password and fragment")
    return value


def _ip_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(f"{value!r} is neither an IP address nor a network such as 10.0.0.0/8") from None


def _turn_url(value: str) -> str:
    """RFC 7065. Browsers refuse a whole connection because of one address that they can't read."""
    if not _TURN_URL.fullmatch(value):
        raise ValueError(f"{value!r} is not a TURN address such as turn:turn.example.com:3478?transport=udp")
    return value


def _origin(value: str) -> str:
    """The origin as browsers write it (RFC 6454, section 6.1): lower case, no path."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/") or parts.query:
        raise ValueError(f"{value!r} is not an origin such as https://example.com")
    return f"{parts.scheme}://{parts.netloc}".lower()
