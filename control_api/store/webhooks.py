"""The outbox of webhooks, as the server itself works on it. Triggers fill it; see `live_record` in schema.sql."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from control_api.outside.webhook_format import Delivery

from .database import Database

# The oldest event of each session, by skipping from one session to the next in the index (url, session_id, id): what it
# costs depends on the sessions with something to deliver, not on how much that is.
CLAIM: Final = """
with recursive heads as (
  (select session_id, id from live_webhook_outbox where url = $1 order by session_id, id limit 1)
  union all
  select next.session_id, next.id
    from heads, lateral (select session_id, id from live_webhook_outbox
                          where url = $1 and session_id > heads.session_id order by session_id, id limit 1) as next
), due as (
  select id from live_webhook_outbox o
   where id = any(array(select id from heads)) and next_attempt_at <= clock_timestamp()
   order by next_attempt_at, id limit $2 for update of o skip locked
)
update live_webhook_outbox o
   set attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $3)
  from due, live_events e
 where o.id = due.id and e.id = o.event_id
returning o.id, o.attempts, e.id as event_id, e.type, e.session_id::text as session_id, e.at, e.actor_user_id,
          e.target_user_id, e.data::text as data
"""


class WebhookOutbox:
    """Every method is one transaction and may raise `StoreUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def subscribe(self, urls: Sequence[str], event_types: Sequence[str] | None) -> None:
        """These addresses get events from now on, and no others; what the others still had to get is dropped."""
        async with self._database.transaction() as connection:
            await connection.execute("delete from live_webhooks where url <> all($1::text[])", urls)
            await connection.executemany(
                """
                insert into live_webhooks (url, event_types) values ($1, $2)
                on conflict (url) do update set event_types = excluded.event_types
                """,
                [(url, event_types) for url in urls],
            )

    async def unsubscribe(self, url: str) -> None:
        async with self._database.transaction() as connection:
            await connection.execute("delete from live_webhooks where url = $1", url)

    async def claim(self, url: str, limit: int, lease_s: float) -> list[Delivery]:
        """The next events of up to `limit` sessions, at most one of each.

        Nobody else gets them, or later ones of these sessions, before they are `delivered` or the lease is over.
        """
        async with self._database.transaction() as connection:
            rows = await connection.fetch(CLAIM, url, limit, lease_s)
        return [Delivery(**row) for row in rows]

    async def delivered(self, delivery: Delivery) -> None:
        async with self._database.transaction() as connection:
            await connection.execute("delete from live_webhook_outbox where id = $1", delivery.id)

    async def failed(self, delivery: Delivery, error: str, retry_s: float, keep_s: float) -> bool:
        """Try again in `retry_s`. An event that is older than `keep_s` is dropped instead: True."""
        async with self._database.transaction() as connection:
            dropped = await connection.execute(
                """
                delete from live_webhook_outbox o using live_events e
                 where o.id = $1 and e.id = o.event_id and e.at < clock_timestamp() - make_interval(secs => $2)
                """,
                delivery.id,
                keep_s,
            )
            # Not where the lease was over and somebody else has it now.
            await connection.execute(
                """
                update live_webhook_outbox
                   set next_attempt_at = clock_timestamp() + make_interval(secs => $3), last_error = $4
                 where id = $1 and attempts = $2
                """,
                delivery.id,
                delivery.attempts,
                retry_s,
                error,
            )
        return bool(dropped == "DELETE 1")

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give back what was claimed and not tried to the end."""
        async with self._database.transaction() as connection:
            await connection.executemany(
                "update live_webhook_outbox set next_attempt_at = clock_timestamp() where id = $1 and attempts = $2",
                [(delivery.id, delivery.attempts) for delivery in deliveries],
            )
