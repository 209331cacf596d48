"""Who may have a join token: a pass to one session for a few minutes. How it is signed is not decided here."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from .errors import LiveError
from .permissions import STAGE, require
from .ports import Identity
from .registry import Registry

INVITED: Final = "invited:"
"""User ids of people without an account begin so, and those of no account do: nobody can be let in as somebody else."""


class JoinTokenVerbs(Registry):
    """Every one may raise `LiveError`."""

    async def join_grant(
        self, identity: Identity, session_id: str, user_id: str | None = None, name: str | None = None
    ) -> Identity:
        """Who the bearer of a new join token will be.

        For the caller, with their own `user_id` or neither it nor a name; the bearer of a join token has to be in the
        session for that, or a link that leaked would never grow old. Otherwise for somebody without an account, whom
        host and cohosts let in as a viewer: `invited:` and `user_id`, or a random id.
        """
        room = await self._room(identity, session_id)
        room.require_admitted(identity)
        if user_id == identity.user_id or (user_id is None and name is None):
            if name is not None:
                raise LiveError("invalid_request", "Your own name is that of your token.")
            if identity.session_id is not None:
                room.member(identity)
            return identity.model_copy(update={"session_id": room.id})
        require(room.member(identity).role, "moderate")
        invited = INVITED + (user_id or str(uuid4())).removeprefix(INVITED)
        room.require_not_kicked(invited)
        present = room.by_user.get(invited)
        if present is not None and present.role in STAGE:
            raise LiveError("wrong_role", "Who is on stage can't be joined as.")
        return Identity(user_id=invited, name=name or "", session_id=room.id)

    async def require_join_token_valid(self, identity: Identity) -> None:
        """A join token opens nothing, not even what is public, once its session has ended or its bearer was kicked."""
        if identity.session_id is not None:
            (await self._room(identity, identity.session_id)).require_admitted(identity)
