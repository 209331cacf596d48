"""What a host changes while the session is live."""

from __future__ import annotations

from typing import Final

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import SessionAnswer
from signaling.model import SettingsChange


async def update_settings(call: Call[SettingsChange, None]) -> SessionAnswer:
    return SessionAnswer(session=await call.service.update_settings(call.caller, call.path("id"), call.body))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "PATCH",
        "/live/sessions/{id}/settings",
        update_settings,
        "Change settings of a live session",
        description="For its host. What is not given stays. Nobody is thrown out; without `allow_guests` the requests "
        "and invitations that wait are taken back.",
        body=SettingsChange,
        answer=SessionAnswer,
        errors=("session_not_found", "session_ended", "not_joined", "forbidden", "database_unavailable"),
    ),
)
