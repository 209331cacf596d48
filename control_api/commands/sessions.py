"""`greenroom sessions`: what is live on a running server, and the end of it.

The running server is asked, over its API: only it can tell the people in a session that it has ended, and close their
connections. The request carries a token of the operator, made from the server's secret and valid for a minute.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from control_api.settings import Settings, is_loopback

from .options import EXIT_CONFIGURATION, CommandError, add_settings, paragraphs, wide_help
from .own_server import own_tls, own_url
from .tables import printable, table
from .token import own_secret

TIMEOUT_S = 15.0

_HOW = (
    "The running server is asked, so this works from wherever its address can be reached and its secret is known: run "
    "it with the server's own settings, or with GREENROOM_JWT_SECRET and --url."
)
_EXIT_CODES = """exit codes:
  0  done
  1  no server answers, or there is no such live session
  2  the settings are not those of the server"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("sessions", help="list the live sessions of a running server, or end one")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser(
        "list",
        help="list the live sessions",
        description=paragraphs("List the live sessions, the oldest first.", _HOW),
        epilog=_EXIT_CODES,
        formatter_class=wide_help,
    )
    _add_address(listing)
    listing.set_defaults(run=run_list)
    ending = actions.add_parser(
        "end",
        help="end a session for everybody in it",
        description=paragraphs(
            "End a session as its host would: everybody is told (ended_by_operator) and disconnected.", _HOW
        ),
        epilog=_EXIT_CODES,
        formatter_class=wide_help,
    )
    ending.add_argument("session_id", metavar="ID", help="of the session, as `greenroom sessions list` shows it")
    _add_address(ending)
    ending.set_defaults(run=run_end)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="address of the server, such as https://live.example.com; default: this machine")
    add_settings(parser, ["host", "port", "data_dir", "tls_cert", "tls_key"])


async def run_list(settings: Settings, arguments: argparse.Namespace) -> int:
    answer = await _ask(settings, arguments.url, "GET", "/operator/sessions")
    if not answer["sessions"]:
        print("nothing is live")
        return 0
    rows = [
        (
            session["id"],
            f"{datetime.fromisoformat(session['started_at']):%Y-%m-%d %H:%M %Z}",
            str(session["viewer_count"]),
            str(session["guest_count"]),
            session["host_name"],
            session["title"],
        )
        for session in answer["sessions"]
    ]
    print(table(("ID", "STARTED", "VIEWERS", "GUESTS", "HOST", "TITLE"), rows))
    return 0


async def run_end(settings: Settings, arguments: argparse.Namespace) -> int:
    body = {"session_id": arguments.session_id}
    answer = await _ask(settings, arguments.url, "POST", "/operator/end-session", body)
    print(printable(f"ended {answer['session']['id']}: {answer['session']['title']}"))
    return 0


async def _ask(settings: Settings, url: str | None, method: str, path: str, body: object = None) -> dict[str, Any]:
    """The answer of the running server. Raises `CommandError`."""
    import aiohttp

    from control_api.tokens.operator_tokens import OperatorTokens

    if url is None and settings.port == 0:
        raise CommandError("the server takes a free port: say with --url where it runs", EXIT_CONFIGURATION)
    base = _checked(url) if url is not None else own_url(settings)
    headers = {"Authorization": f"Bearer {OperatorTokens(own_secret(settings)).issue()}"}
    tls = own_tls(settings) if url is None else True
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as http,
            http.request(method, base + path, json=body, ssl=tls, allow_redirects=False) as response,
        ):
            answer = await response.json()
    except aiohttp.ContentTypeError:
        raise CommandError(_no_greenroom(base)) from None
    # Before ValueError, of which the error about a certificate is one, too.
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or "it does not answer in time"
        raise CommandError(f"no Greenroom can be reached at {base} ({reason}): --url says where it runs") from None
    except ValueError:
        raise CommandError(_no_greenroom(base)) from None
    return _content(answer, response.status, base)


def _content(answer: Any, status: int, base: str) -> dict[str, Any]:
    if status < 400 and isinstance(answer, dict):
        return answer
    try:
        code, message = str(answer["error"]["code"]), printable(str(answer["error"]["message"]))
    except (KeyError, TypeError):
        raise CommandError(_no_greenroom(base)) from None
    if code == "token_invalid":
        raise CommandError(
            f"the Greenroom at {base} has another secret: run this with its own GREENROOM_JWT_SECRET or --data-dir",
            EXIT_CONFIGURATION,
        )
    raise CommandError(message)


def _no_greenroom(base: str) -> str:
    return f"what answers at {base} is no Greenroom of this version"


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError(f"{url!r} is no address such as https://live.example.com", EXIT_CONFIGURATION)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise CommandError("an operator's token is sent to other machines under https:// only", EXIT_CONFIGURATION)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
