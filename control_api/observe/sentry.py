"""Reporting errors to Sentry, where an operator wants that: `greenroom[sentry]` and `GREENROOM_SENTRY_DSN`.

What is logged as an error is reported, with its traceback. Nothing about requests is: no addresses, headers, bodies,
users or variables; and what exceptions say is scrubbed as the log is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from control_api.version import version

from .scrubbing import QUOTE_THEIR_INPUT, scrub

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

logger = logging.getLogger(__name__)

_WITHHELD = "[withheld]"
_NEVER_SENT = ("request", "user", "breadcrumbs", "extra", "server_name", "modules")


def start(dsn: str | None, transport: Any = None) -> Callable[[], None]:
    """Begin to report; nothing happens without a DSN, or without the package. Returns what ends it.

    `transport` is one of `sentry_sdk`'s, for tests.
    """
    if dsn is None:
        return _nothing
    try:
        import sentry_sdk
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration
        from sentry_sdk.utils import BadDsn
    except ImportError:
        logger.warning("GREENROOM_SENTRY_DSN is set, but the package is missing: pip install 'greenroom[sentry]'")
        return _nothing
    try:
        sentry_sdk.init(
            dsn=dsn,
            transport=transport,
            release=f"greenroom@{version()}",
            before_send=_scrubbed,
            # Only these two: the others look into requests, or patch what they find.
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[LoggingIntegration(level=None, event_level=logging.ERROR), ExcepthookIntegration()],
            include_local_variables=False,
            include_source_context=False,
            max_breadcrumbs=0,
            max_request_body_size="never",
            auto_session_tracking=False,
        )
    except BadDsn:
        logger.warning("GREENROOM_SENTRY_DSN is no DSN: errors are not reported")
        return _nothing

    def stop() -> None:
        sentry_sdk.get_client().close(timeout=2.0)

    return stop


def _scrubbed(event: Event, hint: Hint) -> Event:
    for name in _NEVER_SENT:
        event.pop(name, None)  # type: ignore[misc]
    for value in event.get("exception", {}).get("values", []):
        quotes = str(value.get("module", "")).partition(".")[0] in QUOTE_THEIR_INPUT
        value["value"] = _WITHHELD if quotes else scrub(str(value.get("value", "")))
    if "message" in event:
        event["message"] = scrub(str(event["message"]))
    entry = event.get("logentry")
    if entry:
        # The template says as much, and the parameters were meant for the log.
        event["logentry"] = {"message": scrub(str(entry.get("message", "")))}
    return event


def _nothing() -> None:
    """Ends what never began."""
