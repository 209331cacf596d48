"""What a host changes about a session that is live."""

from __future__ import annotations

from .model import SessionRecord, SettingsChange
from .permissions import require
from .ports import Identity
from .registry import stored
from .requests import RequestVerbs, closed


class SettingsVerbs(RequestVerbs):
    """Every one may raise `LiveError`."""

    async def update_settings(self, identity: Identity, session_id: str, change: SettingsChange) -> SessionRecord:
        """Change what is given, leave the rest. Nobody is thrown out, whatever becomes smaller or shut.

        Once guests are not allowed any more nobody can come up: requests and invitations are taken back.
        """
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "configure")
        async with room.gate.everybody():
            require(room.member(identity).role, "configure")
            settings = change.applied_to(room.session.settings)
            if settings == room.session.settings:
                return room.session
            open_requests = () if settings.allow_guests else tuple(room.requests.values())
            withdrawn = [closed(request, "cancelled") for request in open_requests]
            await stored(self._store_as(identity).save_settings(room.id, settings, withdrawn))
            room.change_settings(settings)
            for request in withdrawn:
                self._apply_close(room, request)
            return room.session
