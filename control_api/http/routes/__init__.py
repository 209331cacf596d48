"""Every route of the REST API, documented in docs/API.md. route_table.py says how to add one."""

from __future__ import annotations

from typing import Final

from control_api.http.route_table import AnyRoute

from . import (
    chat,
    client_errors,
    document,
    gifts,
    health,
    moderation,
    operator,
    reactions,
    sessions,
    settings,
    stage,
    statistics,
    tokens,
)

ROUTES: Final[tuple[AnyRoute, ...]] = (
    *sessions.ROUTES,
    *stage.ROUTES,
    *moderation.ROUTES,
    *settings.ROUTES,
    *chat.ROUTES,
    *reactions.ROUTES,
    *gifts.ROUTES,
    *statistics.ROUTES,
    *tokens.ROUTES,
    *operator.ROUTES,
    *health.ROUTES,
    *client_errors.ROUTES,
    *document.ROUTES,
)
DEV_ROUTES: Final[tuple[AnyRoute, ...]] = tokens.DEV_ROUTES
"""Only for servers without a configured secret."""
