"""`greenroom token`: a token for a user, signed as this server's users' tokens are."""

from __future__ import annotations

import argparse
import re
from typing import Final

from control_api.settings import Settings

from .options import EXIT_CONFIGURATION, CommandError, add_settings, paragraphs, wide_help

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MAX_TTL_S: Final = 3650 * 86_400


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "token",
        help="make a token for a user",
        description=paragraphs(
            "Make a token that lets a user in, and print nothing else.",
            "It is signed with the secret of the server: GREENROOM_JWT_SECRET, or the one that the server made in its "
            "data folder. So run this with the server's own settings. Where another issuer's keys are configured, "
            "tokens come from there.",
        ),
        epilog="example:\n  TOKEN=$(greenroom token --name Ana --ttl 1h)\n"
        '  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/live/active',
        formatter_class=wide_help,
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="what others see; up to 80 characters")
    parser.add_argument("--user-id", metavar="ID", help="whose token it is; default: a new random user")
    parser.add_argument(
        "--ttl",
        type=_seconds,
        default=12 * 3600,
        metavar="TIME",
        help="how long it is valid: 90s, 30m, 12h, 7d; default 12h",
    )
    add_settings(parser, ["data_dir"])
    parser.set_defaults(run=run)


async def run(settings: Settings, arguments: argparse.Namespace) -> int:
    from control_api.tokens.auth import Authenticator, TokenRules

    if settings.jwt_public_key_file is not None or settings.jwt_jwks_url is not None:
        raise CommandError("users' tokens come from the issuer whose keys are configured", EXIT_CONFIGURATION)
    rules = TokenRules(settings.jwt_audience, settings.jwt_issuer, settings.jwt_leeway_s)
    authenticator = Authenticator(own_secret(settings), None, rules)
    try:
        print(authenticator.issue(arguments.name, arguments.user_id, arguments.ttl))
    except ValueError as error:
        raise CommandError(str(error), EXIT_CONFIGURATION) from None
    return 0


def own_secret(settings: Settings) -> bytes:
    """The server's secret. Raises `CommandError` where there is none yet, `SecretFileError` for one of no use."""
    from control_api.tokens.auth import SECRET_FILE, load_or_create_secret

    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value().encode()
    # A new one would be of no use: the server that is meant has another.
    if not (settings.data_dir / SECRET_FILE).exists():
        raise CommandError(
            f"there is no server's secret in {settings.data_dir}: name the server's data folder with --data-dir, "
            "or set GREENROOM_JWT_SECRET as for the server",
            EXIT_CONFIGURATION,
        )
    return load_or_create_secret(settings.data_dir)


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    seconds = int(match[1]) * _UNITS_S[match[2] or "s"] if match else 0
    if not 0 < seconds <= MAX_TTL_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 30m, 12h or 7d")
    return seconds
