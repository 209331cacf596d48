"""`signaling.ports.Store` in PostgreSQL, one transaction per method.

Every write about a session locks its row first, so that they happen one after another: the end of a session would
otherwise overlook, and then be refused because of, somebody who is joining in the same moment.

A connection that is lost during a commit leaves open whether it happened: `StoreUnavailable` is raised, and every
method but `create_session` may simply be called again. Rows that contradict the schema's constraints raise
`StoreRefused` where somebody else may have been faster, `asyncpg.IntegrityConstraintViolationError` otherwise, an
unknown session or participant `LookupError`: those two are defects of the caller, who holds the session's state.
"""

from __future__ import annotations

from .bans import Bans
from .chat import Chat
from .database import Database as Database
from .gifts import Gifts
from .listing import Listing
from .participants import Participants
from .reactions import Reactions
from .sessions import Sessions
from .sole_server import SoleServer as SoleServer
from .statistics import Statistics
from .webhooks import WebhookOutbox as WebhookOutbox


class PostgresStore(Sessions, Listing, Statistics, Participants, Bans, Chat, Gifts, Reactions):
    """All of it."""
