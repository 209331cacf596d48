-- Chat, reactions, gifts, invitations, bans, events and statistics (migration 2).

alter table live_sessions
  add column peak_viewer_count integer not null default 0;
update live_sessions set peak_viewer_count = viewer_count;
alter table live_sessions
  add constraint live_sessions_peak_is_a_peak check (peak_viewer_count >= viewer_count);

comment on column live_sessions.peak_viewer_count is 'The highest viewer_count that there was. Kept by triggers.';

alter table live_session_settings
  add column slow_mode_s integer not null default 0 check (slow_mode_s between 0 and 3600),
  add column locked      boolean not null default false;

comment on column live_session_settings.slow_mode_s is 'Seconds between two chat messages of one viewer or guest; 0: no limit.';
comment on column live_session_settings.locked is 'Nobody new comes in; who was in before may come back.';

alter table live_participants
  add column chat_silenced boolean not null default false;

comment on column live_participants.chat_silenced is 'May not write in the chat; survives leaving and a restart.';

alter table live_guest_requests
  add column kind       text not null default 'request' check (kind in ('request', 'invitation')),
  add column invited_by text check (char_length(invited_by) between 1 and 200),
  add constraint live_guest_requests_invitation_has_an_author check ((kind = 'invitation') = (invited_by is not null));

comment on table live_guest_requests is 'Viewers who asked to come on stage or were asked up, and what was answered.';
comment on column live_guest_requests.kind is 'request: the viewer asks, a host or cohost answers. invitation: the other way round.';
comment on column live_guest_requests.answered_by is 'User id of who answered; null where no approval was needed.';
comment on column live_guest_requests.status is 'cancelled: withdrawn by who asked. expired: nobody answered in time, or the session ended.';


create table live_chat_messages (
  id             uuid primary key default gen_random_uuid(),
  position       bigint not null generated always as identity,
  session_id     uuid not null references live_sessions on delete cascade,
  participant_id uuid,
  user_id        text check (char_length(user_id) between 1 and 200),
  name           text check (char_length(name) between 1 and 80),
  kind           text not null default 'message' check (kind in ('message', 'system', 'gift')),
  body           text not null default '' check (char_length(body) <= 500),
  data           jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
  client_id      text check (char_length(client_id) between 1 and 64),
  created_at     timestamptz not null default clock_timestamp(),
  deleted_at     timestamptz,
  deleted_by     text check (char_length(deleted_by) between 1 and 200),
  foreign key (session_id, participant_id) references live_participants (session_id, id) on delete cascade,
  constraint live_chat_messages_one_per_client_id unique (session_id, user_id, client_id),
  constraint live_chat_messages_has_an_author check (kind = 'system' or (participant_id is not null and user_id is not null)),
  constraint live_chat_messages_says_something check (kind <> 'message' or deleted_at is not null or body <> ''),
  constraint live_chat_messages_deleted_is_gone check (deleted_at is null or (body = '' and deleted_by is not null))
);

comment on table live_chat_messages is 'The chat of all sessions.';
comment on column live_chat_messages.position is 'The order within a session, and what pages begin after.';
comment on column live_chat_messages.data is 'system: what happened ({"event", "user_id", "name"}). gift: {"gift_id", "quantity", "value", ...}.';
comment on column live_chat_messages.client_id is 'Chosen by the sender: the same message sent again is the same row.';
comment on column live_chat_messages.deleted_at is 'Deleted by its author or a moderator: the text is gone, the row stays.';

-- A page of a session's chat, in both directions.
create unique index live_chat_messages_page on live_chat_messages (session_id, position);

-- The cascade when a participant is deleted.
create index live_chat_messages_by_participant on live_chat_messages (session_id, participant_id);


create table live_reactions (
  session_id uuid not null references live_sessions on delete cascade,
  user_id    text not null check (char_length(user_id) between 1 and 200),
  type       text not null check (type ~ '^[a-z0-9_]{1,32}$'),
  count      bigint not null check (count > 0),
  first_at   timestamptz not null default now(),
  last_at    timestamptz not null default now(),
  primary key (session_id, user_id, type)
);

comment on table live_reactions is 'How often each user reacted in which way.';


create table live_gift_catalogue (
  id       text primary key check (id ~ '^[a-z0-9_]{1,32}$'),
  name     text not null check (char_length(name) between 1 and 80),
  icon     text not null check (char_length(icon) between 1 and 200),
  value    integer not null check (value between 1 and 1000000),
  active   boolean not null default true
);

comment on table live_gift_catalogue is 'What can be given. Rows are changed by the operator, with SQL.';
comment on column live_gift_catalogue.icon is 'An emoji, or the path of a picture.';
comment on column live_gift_catalogue.value is 'In the operator''s own unit: coins, cents, points.';

insert into live_gift_catalogue (id, name, icon, value) values
  ('rose', 'Rose', '🌹', 1),
  ('coffee', 'Coffee', '☕', 5),
  ('cake', 'Cake', '🎂', 20),
  ('crown', 'Crown', '👑', 100),
  ('rocket', 'Rocket', '🚀', 500);


create table live_gifts (
  id             uuid primary key default gen_random_uuid(),
  session_id     uuid not null references live_sessions on delete cascade,
  participant_id uuid not null,
  user_id        text not null check (char_length(user_id) between 1 and 200),
  name           text not null check (char_length(name) between 1 and 80),
  gift_id        text not null references live_gift_catalogue,
  quantity       integer not null default 1 check (quantity between 1 and 1000),
  value          bigint not null check (value > 0),
  key            text not null check (char_length(key) between 1 and 64),
  status         text not null default 'pending' check (status in ('pending', 'paid', 'refused')),
  created_at     timestamptz not null default now(),
  settled_at     timestamptz,
  foreign key (session_id, participant_id) references live_participants (session_id, id) on delete cascade,
  constraint live_gifts_once_per_key unique (session_id, user_id, key),
  constraint live_gifts_settled_has_a_time check ((status = 'pending') = (settled_at is null))
);

comment on table live_gifts is 'Gifts, and whether they were paid for: only paid ones count.';
comment on column live_gifts.value is 'Of all of them together, at the catalogue''s price of that moment.';
comment on column live_gifts.key is 'Chosen by the giver: the same gift sent again is the same row.';

create index live_gifts_by_participant on live_gifts (session_id, participant_id);

-- What was not settled before the server stopped.
create index live_gifts_pending on live_gifts (created_at) where status = 'pending';


create table live_bans (
  host_user_id text not null check (char_length(host_user_id) between 1 and 200),
  user_id      text not null check (char_length(user_id) between 1 and 200),
  session_id   uuid not null references live_sessions on delete cascade,
  name         text not null check (char_length(name) between 1 and 80),
  reason       text not null default '' check (char_length(reason) <= 500),
  banned_by    text not null check (char_length(banned_by) between 1 and 200),
  created_at   timestamptz not null default now(),
  primary key (host_user_id, user_id),
  constraint live_bans_not_the_host check (host_user_id <> user_id)
);

comment on table live_bans is 'Who may not come into any session of a host, until unbanned.';
comment on column live_bans.session_id is 'Where it happened.';

create index live_bans_by_session on live_bans (session_id);


create table live_events (
  id             bigint primary key generated always as identity,
  session_id     uuid not null references live_sessions on delete cascade,
  at             timestamptz not null default clock_timestamp(),
  type           text not null check (type ~ '^[a-z_]{1,40}$'),
  actor_user_id  text,
  target_user_id text,
  data           jsonb not null default '{}'
);

comment on table live_events is 'What happened in a session, in order; written by triggers only, and never changed. Moderation is audited here.';
comment on column live_events.actor_user_id is 'Who did it; null: the server itself.';
comment on column live_events.target_user_id is 'Whom it concerns.';

create index live_events_by_session on live_events (session_id, id);


create table live_visits (
  id             bigint primary key generated always as identity,
  session_id     uuid not null references live_sessions on delete cascade,
  participant_id uuid not null,
  user_id        text not null,
  as_viewer      boolean not null,
  joined_at      timestamptz not null,
  left_at        timestamptz,
  foreign key (session_id, participant_id) references live_participants (session_id, id) on delete cascade
);

comment on table live_visits is 'From when to when each participant was there; kept by triggers, for the statistics.';
comment on column live_visits.as_viewer is 'Whether they were a viewer at any moment of it.';

create index live_visits_by_participant on live_visits (session_id, participant_id);
create unique index live_visits_one_open on live_visits (participant_id) where left_at is null;


create table live_session_stats (
  session_id           uuid primary key references live_sessions on delete cascade,
  duration_s           double precision not null check (duration_s >= 0),
  peak_viewers         integer not null,
  total_viewers        integer not null,
  unique_viewers       integer not null,
  guests               integer not null,
  participation_rate   double precision not null check (participation_rate between 0 and 1),
  messages             integer not null,
  reactions            jsonb not null,
  gifts                integer not null,
  gift_value           bigint not null,
  average_watch_time_s double precision not null check (average_watch_time_s >= 0)
);

comment on table live_session_stats is 'What an ended session was; written when it ends.';
comment on column live_session_stats.total_viewers is 'Visits as a viewer: who came twice counts twice.';
comment on column live_session_stats.participation_rate is 'Share of the unique viewers who wrote, reacted, gave or asked to come up.';
comment on column live_session_stats.reactions is 'Number by type.';
comment on column live_session_stats.average_watch_time_s is 'Mean over the unique viewers of the time that each was there.';


create table live_webhooks (
  url         text primary key check (char_length(url) between 1 and 2000),
  event_types text[]
);

comment on table live_webhooks is 'Where events are sent; filled from the configuration when the server starts.';
comment on column live_webhooks.event_types is 'Null: all of them but message_sent and reactions.';


create table live_webhook_outbox (
  id              bigint primary key generated always as identity,
  url             text not null references live_webhooks on delete cascade,
  session_id      uuid not null references live_sessions on delete cascade,
  event_id        bigint not null references live_events on delete cascade,
  attempts        integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  last_error      text
);

comment on table live_webhook_outbox is 'Events that still have to be delivered; rows go when they were.';

-- The oldest undelivered event of each session and address.
create index live_webhook_outbox_order on live_webhook_outbox (url, session_id, id);
create index live_webhook_outbox_by_event on live_webhook_outbox (event_id);
create index live_webhook_outbox_by_session on live_webhook_outbox (session_id);

-- Who is in a session while the database is brought forward has been there since they joined.
insert into live_visits (session_id, participant_id, user_id, as_viewer, joined_at)
select session_id, id, user_id, role = 'viewer', joined_at from live_participants where status = 'joined';
