"""`greenroom config check`: whether the server could run as configured."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationError

from control_api.settings import Settings, names_function

from .options import (
    EXIT_CANNOT_RUN,
    EXIT_CONFIGURATION,
    add_settings,
    is_secret,
    paragraphs,
    problems,
    secrets_help,
    variable,
    wide_help,
    without_effect,
)
from .own_server import is_running
from .tables import table

MIN_POSTGRES: Final = 15


_EXIT_CODES: Final = """exit codes:
  0  the server can run, or is running
  1  the settings are sound, but something that they need is not there: the database, a port
  2  the settings are wrong, or keys and certificates can't be used"""


class Finding(NamedTuple):
    good: bool
    text: str
    code: int = EXIT_CANNOT_RUN
    """The exit code where it is not good."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("config", help="look at the configuration")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="tell whether the server could run as configured",
        description=paragraphs(
            "Show every setting, where it comes from, and whether the server could run so. It takes the same options "
            "and environment variables as `greenroom serve`. Secrets are not shown, and nothing is changed."
        ),
        epilog=f"{_EXIT_CODES}\n\n{secrets_help()}",
        formatter_class=wide_help,
    )
    add_settings(check, Settings.model_fields)
    check.set_defaults(run=run, refused=refused)


def refused(error: ValidationError) -> int:
    """What is wrong with the settings, all of it at once."""
    print(table(("SETTING", "PROBLEM"), [(name or "(together)", text) for name, text in problems(error)]))
    return EXIT_CONFIGURATION


async def run(settings: Settings, arguments: argparse.Namespace) -> int:
    print(table(("SETTING", "VALUE", "FROM"), _settings_rows(settings, arguments)), end="\n\n")
    findings = [(name, await check(settings)) for name, check in CHECKS.items()]
    rows = [(name, "ok" if finding.good else "WRONG", finding.text) for name, finding in findings]
    print(table(("CHECK", "RESULT", ""), rows))
    if remarks := without_effect():
        print("", *remarks, sep="\n")
    return max((finding.code for _, finding in findings if not finding.good), default=0)


def _settings_rows(settings: Settings, arguments: argparse.Namespace) -> list[tuple[str, str, str]]:
    rows = []
    for name in Settings.model_fields:
        given = getattr(arguments, name, None) is not None
        source = "option" if given else "environment" if name in settings.model_fields_set else "default"
        rows.append((variable(name), _shown(settings, name), source))
    return rows


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if value is None or value == ():
        return "-"
    if name == "database_url":
        parts = urlsplit(value)
        # Not the user, the password or the query, which may hold one as well.
        return f"postgresql://...@{parts.hostname or ''}{parts.path}"
    if is_secret(name):
        return "(set)"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


async def _tokens(settings: Settings) -> Finding:
    from control_api.tokens.auth import SECRET_FILE
    from control_api.tokens.token_keys import KeySetupError
    from control_api.tokens.token_setup import open_authenticator, open_keys

    to_be_made = settings.jwt_secret is None and not (settings.data_dir / SECRET_FILE).exists()
    try:
        async with AsyncExitStack() as stack:
            # A check changes nothing, and to open it all would make the secret.
            await (open_keys if to_be_made else open_authenticator)(settings, stack)
    except KeySetupError as error:
        return Finding(False, str(error), EXIT_CONFIGURATION)
    if to_be_made:
        return Finding(True, f"the server will make a secret in {settings.data_dir}")
    if settings.dev_tokens:
        return Finding(True, "anybody on this machine may have a token: for trying out")
    return Finding(True, "tokens can be verified")


async def _payments(settings: Settings) -> Finding:
    from control_api.outside.payments import PaymentSetupError, load

    hook = settings.payment_hook
    if hook is None:
        return Finding(True, "gifts are free")
    if not names_function(hook):
        return Finding(True, "a service is asked (not tried here: it could charge somebody)")
    try:
        load(hook)
    except PaymentSetupError as error:
        return Finding(False, str(error), EXIT_CONFIGURATION)
    return Finding(True, f"{hook} is asked")


async def _tls(settings: Settings) -> Finding:
    from control_api.http.tls import TlsError, TlsFiles

    if settings.tls_cert is None or settings.tls_key is None:
        return Finding(True, "off: for this machine alone, or behind a proxy that has it")
    try:
        TlsFiles(settings.tls_cert, settings.tls_key)
    except TlsError as error:
        return Finding(False, str(error), EXIT_CONFIGURATION)
    return Finding(True, f"the certificate {settings.tls_cert} can be used")


async def _database(settings: Settings) -> Finding:
    from asyncpg import PostgresError as QueryError

    from control_api.embedded.postgres import running_url
    from control_api.store import Database
    from signaling.ports import StoreUnavailable

    from .database import status

    url = settings.database_url
    if url is None:
        if not (settings.data_dir / "postgres" / "socket").exists():
            return _embedded(settings)
        url = running_url(settings.data_dir)
    try:
        async with Database(url).owner() as connection:
            version = (await connection.fetchval("show server_version")).split()[0]
            missing = [name for _, name, state in await status(connection) if not state.startswith("applied")]
    except (StoreUnavailable, QueryError) as error:
        return Finding(False, str(error)) if settings.database_url is not None else _embedded(settings)
    if int(version.partition(".")[0]) < MIN_POSTGRES:
        return Finding(False, f"PostgreSQL {version} is too old: {MIN_POSTGRES} or newer is needed")
    state = f"the server will apply {', '.join(missing)}" if missing else "at this version"
    return Finding(True, f"PostgreSQL {version}, {state}")


def _embedded(settings: Settings) -> Finding:
    folder = settings.data_dir / "postgres"
    if folder.exists():
        return Finding(True, f"embedded, in {folder}")
    there = next(path for path in (settings.data_dir, *settings.data_dir.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(False, f"embedded, but {there} can't be written to by this user")
    return Finding(True, f"embedded; it will be made in {folder}")


async def _web_port(settings: Settings) -> Finding:
    problem = _bind(settings.host, settings.port, socket.SOCK_STREAM)
    if problem is None:
        return Finding(True, f"{settings.host} port {settings.port} is free")
    if await is_running(settings):
        return Finding(True, f"a Greenroom is running on {settings.host} port {settings.port}")
    return Finding(False, f"{settings.host} port {settings.port} can't be had: {problem}")


async def _media_ports(settings: Settings) -> Finding:
    if settings.rtc_port == 0:
        return Finding(True, "free ones will be taken")
    ports = range(settings.rtc_port, settings.rtc_port + settings.workers)
    shown = f"UDP {ports[0]}" if len(ports) == 1 else f"UDP {ports[0]} to {ports[-1]}"
    if await is_running(settings):
        return Finding(True, f"{shown}: those of the Greenroom that is running")
    for port in ports:
        for address in settings.rtc_bind or ("0.0.0.0",):
            if (problem := _bind(address, port, socket.SOCK_DGRAM)) is not None:
                return Finding(False, f"{address} UDP {port} can't be had: {problem}")
    return Finding(True, f"{shown}: free; let them through the firewall")


CHECKS: Final[dict[str, Callable[[Settings], Awaitable[Finding]]]] = {
    "tokens": _tokens,
    "TLS": _tls,
    "payments": _payments,
    "database": _database,
    "web port": _web_port,
    "media ports": _media_ports,
}


def _bind(host: str, port: int, kind: socket.SocketKind) -> str | None:
    """Why the port can't be had; None where it can."""
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
        for family, _, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                if kind is socket.SOCK_STREAM:
                    # As the server does: the connections of a former one don't count.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None
