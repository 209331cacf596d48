"""What the operator of the server may do with anybody's session. Who that is, is not decided here."""

from __future__ import annotations

from .errors import LiveError
from .model import SessionRecord
from .registry import is_uuid, stored
from .upkeep import Upkeep

ENDED_BY_OPERATOR = "ended_by_operator"


class OperatorVerbs(Upkeep):
    """Every one may raise `LiveError`."""

    def operator_sessions(self) -> list[SessionRecord]:
        """All live sessions, the oldest first."""
        return sorted((room.session for room in self._rooms.values()), key=lambda session: session.started_at)

    async def operator_end(self, session_id: str) -> SessionRecord:
        """End a session for everybody, as its host would."""
        room = self._rooms.get(session_id)
        if room is not None:
            return (await self._finish(room, ENDED_BY_OPERATOR, None)).session
        record = await stored(self._store.get_session(session_id)) if is_uuid(session_id) else None
        raise LiveError("session_not_found" if record is None else "session_ended")
