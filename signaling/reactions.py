"""The verbs about reactions."""

from __future__ import annotations

import asyncio
from functools import partial

from .errors import LiveError
from .ports import Identity, NewReaction
from .registry import Registry, stored
from .room import Room


class ReactionVerbs(Registry):
    """Every one may raise `LiveError`."""

    async def react(self, identity: Identity, session_id: str, kind: str, count: int) -> None:
        """React `count` times. Returns when it is written; everybody is told together with the others' reactions.

        Raises `LiveError`: `unknown_reaction`.
        """
        if kind not in self.config.reactions:
            raise LiveError("unknown_reaction", details={"types": list(self.config.reactions)})
        room = await self._room(identity, session_id)
        # Until it is written: who ends the session waits for it, so that its statistics have everything.
        async with room.gate.user(identity.user_id):
            room.member(identity)
            written = self._reactions.submit(room.id, NewReaction(room.id, identity, kind, count))
            written.add_done_callback(partial(room.reactions.written, kind, count))
            await asyncio.shield(written)

    async def reaction_totals(self, identity: Identity, session_id: str) -> dict[str, int]:
        """By type. For those who are or were in the session, and its host."""
        room = self._live_room(session_id)
        if room is not None and identity.user_id in room.by_user:
            return room.reactions.totals(self.config.reactions)
        totals = await stored(self._store_as(identity).reaction_totals(session_id))
        if totals is None:
            raise LiveError("session_not_found")
        return dict.fromkeys(self.config.reactions, 0) | totals

    async def _reload_reactions(self, room: Room) -> None:
        """Count anew what the database has, where it is not known what came there."""
        if room.reactions.in_doubt:
            async with room.gate.everybody():
                totals = await stored(self._store.reaction_totals(room.id))
                room.reactions.load(totals or {})
