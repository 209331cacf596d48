-- The whole database of Greenroom. PostgreSQL 15 or newer, Supabase included; no extensions. Nothing names a schema: the
-- first one of the connection's search_path is used.
--
-- The server is the authority while a session is live; these tables are what it starts from after a restart, and what
-- everybody else may query. They guard themselves: constraints refuse what must never be true, triggers keep counts,
-- events and statistics, and row-level security lets a caller do what their part in a session allows, whichever program
-- asks. The server runs the queries of each request with the role and the identity of its caller.
--
-- This file makes a new database. The files of control_api/schema_changes/ change the tables of an old one; everything below
-- the line "Rules" replaces what is there and is run again whenever it has changed.

create table live_sessions (
  id                uuid primary key default gen_random_uuid(),
  host_user_id      text not null check (char_length(host_user_id) between 1 and 200),
  host_name         text not null check (char_length(host_name) between 1 and 80),
  title             text not null check (char_length(title) between 1 and 200),
  description       text not null default '' check (char_length(description) <= 2000),
  session_type      text not null default 'camera' check (session_type in ('camera', 'screen', 'audio')),
  status            text not null default 'live' check (status in ('live', 'ended')),
  started_at        timestamptz not null default now(),
  ended_at          timestamptz,
  end_reason        text check (char_length(end_reason) between 1 and 200),
  viewer_count      integer not null default 0 check (viewer_count >= 0),
  guest_count       integer not null default 0 check (guest_count >= 0),
  updated_at        timestamptz not null default now(),
  peak_viewer_count integer not null default 0,
  constraint live_sessions_ended_at_iff_ended check ((status = 'ended') = (ended_at is not null)),
  constraint live_sessions_reason_only_when_ended check (end_reason is null or status = 'ended'),
  constraint live_sessions_nobody_in_an_ended_one check (status = 'live' or (viewer_count = 0 and guest_count = 0)),
  constraint live_sessions_peak_is_a_peak check (peak_viewer_count >= viewer_count)
);

comment on table live_sessions is 'A live event, from the moment its host goes live; kept when it has ended.';
comment on column live_sessions.host_user_id is 'The "sub" of the host''s token.';
comment on column live_sessions.viewer_count is 'Joined participants with the role viewer. Kept by triggers.';
comment on column live_sessions.guest_count is 'Joined participants with the role guest or cohost. Kept by triggers.';
comment on column live_sessions.peak_viewer_count is 'The highest viewer_count that there was. Kept by triggers.';

-- The list of live sessions, newest first (GET /live/active), and the live ones after a restart.
create index live_sessions_live on live_sessions (started_at desc, id desc) where status = 'live';

-- One user hosts one live session at a time.
create unique index live_sessions_one_live_per_host on live_sessions (host_user_id) where status = 'live';


create table live_session_settings (
  session_id          uuid primary key references live_sessions on delete cascade,
  max_participants    integer not null default 1000 check (max_participants between 1 and 100000),
  allow_guests        boolean not null default true,
  require_approval    boolean not null default true,
  max_guests          integer not null default 20 check (max_guests between 1 and 20),
  enable_chat         boolean not null default true,
  enable_gifts        boolean not null default false,
  guest_audio_default boolean not null default true,
  guest_video_default boolean not null default true,
  updated_at          timestamptz not null default now(),
  slow_mode_s         integer not null default 0 check (slow_mode_s between 0 and 3600),
  locked              boolean not null default false
);

comment on table live_session_settings is 'What the host decided about a session; one row for each.';
comment on column live_session_settings.slow_mode_s is 'Seconds between two chat messages of one viewer or guest; 0: no limit.';
comment on column live_session_settings.locked is 'Nobody new comes in; who was in before may come back.';


create table live_participants (
  id            uuid primary key default gen_random_uuid(),
  session_id    uuid not null references live_sessions on delete cascade,
  user_id       text not null check (char_length(user_id) between 1 and 200),
  name          text not null check (char_length(name) between 1 and 80),
  role          text not null check (role in ('host', 'cohost', 'guest', 'viewer')),
  status        text not null default 'joined' check (status in ('joined', 'left', 'kicked')),
  audio_locked  boolean not null default false,
  video_locked  boolean not null default false,
  joined_at     timestamptz not null default now(),
  left_at       timestamptz,
  updated_at    timestamptz not null default now(),
  chat_silenced boolean not null default false,
  -- All participants of a session, and the one row of a user in it.
  constraint live_participants_one_row_per_user unique (session_id, user_id),
  -- What other tables refer to: their rows can't name a participant of another session.
  constraint live_participants_of_session unique (session_id, id),
  constraint live_participants_left_at_iff_gone check ((status = 'joined') = (left_at is null)),
  constraint live_participants_host_never_kicked check (role <> 'host' or status <> 'kicked')
);

comment on table live_participants is 'One row per user and session; leaving, coming back and changes of role update it.';
comment on column live_participants.status is 'A kicked user does not come back to this session.';
comment on column live_participants.audio_locked is 'Muted by a host or cohost; survives leaving and a restart.';
comment on column live_participants.chat_silenced is 'May not write in the chat; survives leaving and a restart.';

create unique index live_participants_one_host on live_participants (session_id) where role = 'host';


create table live_guest_requests (
  id             uuid primary key default gen_random_uuid(),
  session_id     uuid not null references live_sessions on delete cascade,
  participant_id uuid not null,
  user_id        text not null check (char_length(user_id) between 1 and 200),
  name           text not null check (char_length(name) between 1 and 80),
  message        text not null default '' check (char_length(message) <= 500),
  status         text not null default 'pending'
                 check (status in ('pending', 'approved', 'rejected', 'cancelled', 'expired')),
  created_at     timestamptz not null default now(),
  answered_at    timestamptz,
  answered_by    text check (char_length(answered_by) between 1 and 200),
  kind           text not null default 'request' check (kind in ('request', 'invitation')),
  invited_by     text check (char_length(invited_by) between 1 and 200),
  foreign key (session_id, participant_id) references live_participants (session_id, id) on delete cascade,
  constraint live_guest_requests_pending_has_no_answer
    check (status <> 'pending' or (answered_at is null and answered_by is null)),
  constraint live_guest_requests_answer_has_a_time check (status not in ('approved', 'rejected') or answered_at is not null),
  constraint live_guest_requests_invitation_has_an_author check ((kind = 'invitation') = (invited_by is not null))
);

comment on table live_guest_requests is 'Viewers who asked to come on stage or were asked up, and what was answered.';
comment on column live_guest_requests.kind is 'request: the viewer asks, a host or cohost answers. invitation: the other way round.';
comment on column live_guest_requests.answered_by is 'User id of who answered; null where no approval was needed.';
comment on column live_guest_requests.status is 'cancelled: withdrawn by who asked. expired: nobody answered in time, or the session ended.';

-- The requests of a session in the order in which they came (GET /live/sessions/{id}/guest-requests).
create index live_guest_requests_by_session on live_guest_requests (session_id, created_at, id);

-- One open request or invitation per user.
create unique index live_guest_requests_one_pending on live_guest_requests (participant_id) where status = 'pending';

-- The cascade when a participant is deleted, and the last answer that somebody got.
create index live_guest_requests_by_participant on live_guest_requests (session_id, participant_id);


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
  count      bigint not null check (count between 1 and 1000000000),
  first_at   timestamptz not null default now(),
  last_at    timestamptz not null default now(),
  primary key (session_id, user_id, type)
);

comment on table live_reactions is 'How often each user reacted in which way.';
comment on column live_reactions.count is 'So many at most that the sum over any number of users is a bigint.';


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


-- Rules: run again whenever they have changed. Everything below replaces what an earlier version left.

-- The roles that Supabase has, and that PostgREST expects. `service_role` is the server itself, between requests;
-- `authenticated` is somebody with a token, whose claims are in the setting `request.jwt.claims`; `anon` is nobody.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin', wanted);
      exception when duplicate_object or unique_violation then
        null;  -- roles belong to all databases of a server: another one was faster
      end;
    end if;
    -- Who migrates is who serves, and has to be able to become each of them.
    begin
      execute format('set local role %I', wanted);
      set local role none;
    exception when insufficient_privilege then
      execute format('grant %I to current_user', wanted);
    end;
    if not has_schema_privilege(wanted, current_schema(), 'usage') then
      execute format('grant usage on schema %I to %I', current_schema(), wanted);
    end if;
  end loop;
end
$$;

-- Functions that run with their owner's rights must not find a caller's temporary table where they look for ours.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);


-- Who calls, and what they are here

create or replace function live_caller() returns text language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
$$;

comment on function live_caller() is 'User id of the caller; null for the server itself and for nobody.';

create or replace function live_trusted() returns boolean language sql stable as $$
  select pg_has_role(current_user, 'service_role', 'member')
$$;

comment on function live_trusted() is 'Whether this is the server itself, or a function with its owner''s rights: ask it in no such function.';

create or replace function live_role_in(session uuid) returns text
language sql stable security definer set search_path from current as $$
  select role from live_participants where session_id = session and user_id = live_caller() and status = 'joined'
$$;

comment on function live_role_in(uuid) is 'The caller''s role in a session that they are in now; null otherwise.';

create or replace function live_hosts(session uuid) returns boolean
language sql stable security definer set search_path from current as $$
  select exists (select from live_sessions where id = session and host_user_id = live_caller())
$$;

comment on function live_hosts(uuid) is 'Whether it is the caller''s session, live or ended.';

create or replace function live_moderates(session uuid) returns boolean
language sql stable security definer set search_path from current as $$
  select exists (select from live_sessions where id = session and host_user_id = live_caller())
      or exists (select from live_participants where session_id = session and user_id = live_caller() and status = 'joined'
                    and role in ('host', 'cohost'))
$$;

comment on function live_moderates(uuid) is 'Host at any time; cohost while in the session.';

create or replace function live_attended(session uuid) returns boolean
language sql stable security definer set search_path from current as $$
  select exists (
    select from live_participants where session_id = session and user_id = live_caller() and status <> 'kicked'
  )
$$;

comment on function live_attended(uuid) is 'Whether the caller is or was in a session and was not thrown out.';

create or replace function live_admits(session uuid) returns boolean
language sql stable security definer set search_path from current as $$
  select exists (
    select from live_sessions s join live_session_settings o on o.session_id = s.id
     where s.id = session and s.status = 'live' and (not o.locked or live_attended(session))
       and not exists (select from live_bans b where b.host_user_id = s.host_user_id and b.user_id = live_caller())
       and not exists (select from live_participants p
                        where p.session_id = session and p.user_id = live_caller() and p.status = 'kicked')
  )
$$;

comment on function live_admits(uuid) is 'Whether the caller may come in: not kicked, not banned, and not new where the session is locked.';

create or replace function live_may_write(session uuid, participant uuid) returns boolean
language sql stable security definer set search_path from current as $$
  select exists (
    select from live_participants p join live_session_settings o using (session_id)
     where p.session_id = session and p.id = participant and p.user_id = live_caller()
       and p.status = 'joined' and not p.chat_silenced and o.enable_chat
  )
$$;

comment on function live_may_write(uuid, uuid) is 'Whether the caller, as this participant, may write in the chat.';

create or replace function live_lock_session(session uuid) returns text
language sql security definer set search_path from current as $$
  select status from live_sessions where id = session for no key update
$$;

comment on function live_lock_session(uuid) is 'Keeps other writers of a session out until the transaction ends. Returns its status; null where there is none.';


-- Events, and who is told of them

create or replace function live_record(session uuid, what text, target text default null, details jsonb default '{}')
returns void language plpgsql security definer set search_path from current as $$
declare
  recorded bigint;
begin
  -- Numbers are given out here and become visible at the commit: without the lock a reader could see 8 before 7.
  perform pg_advisory_xact_lock(hashtextextended(session::text, 1196576077));
  insert into live_events (session_id, type, actor_user_id, target_user_id, data)
  values (session, what, live_caller(), target, details)
  returning id into recorded;
  insert into live_webhook_outbox (url, session_id, event_id)
  select url, session, recorded from live_webhooks
   where case when event_types is null then what not in ('message_sent', 'reactions') else what = any (event_types) end;
end
$$;

comment on function live_record(uuid, text, text, jsonb) is 'Writes an event in the caller''s name, and puts it into the outbox of each webhook that wants it.';


create or replace function live_touch() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;

comment on function live_touch() is 'Keeps updated_at.';

create or replace trigger touch before update on live_sessions for each row execute function live_touch();
create or replace trigger touch before update on live_session_settings for each row execute function live_touch();
create or replace trigger touch before update on live_participants for each row execute function live_touch();


-- Callers bring times along, so that the server's answer and the row say the same. They are of now: a visit that lasted
-- until the year 9999 would be in the statistics, a session of tomorrow first in the list, and a time that the server's
-- language has no value for would be in the way of everybody who reads the table.
create or replace function live_guard_times() returns trigger language plpgsql as $$
declare
  is_now  jsonb := to_jsonb(new);
  was     jsonb := case tg_op when 'UPDATE' then to_jsonb(old) else '{}' end;
  name    text;
begin
  if live_trusted() then
    return new;
  end if;
  foreach name in array tg_argv loop
    if is_now -> name is distinct from was -> name
       and (is_now ->> name)::timestamptz not between clock_timestamp() - interval '1 hour'
                                                  and clock_timestamp() + interval '1 hour' then
      raise exception '% is % where the database''s clock says %: do the clocks agree?', name, is_now ->> name, clock_timestamp()
        using errcode = 'check_violation', constraint = 'live_times_are_of_now';
    end if;
  end loop;
  return new;
end
$$;

comment on function live_guard_times() is 'Times that callers write are within an hour of the database''s own.';

create or replace trigger times before insert or update of ended_at on live_sessions
  for each row execute function live_guard_times('started_at', 'ended_at');
create or replace trigger times before insert or update of joined_at, left_at on live_participants
  for each row execute function live_guard_times('joined_at', 'left_at');
create or replace trigger times before insert or update on live_guest_requests
  for each row execute function live_guard_times('created_at', 'answered_at');
create or replace trigger times before update on live_chat_messages
  for each row execute function live_guard_times('deleted_at');


-- Counts of a session

-- Kept per statement, not per row: the end of a session with a thousand viewers changes its row once.
-- A trigger sees the rows of its statement before the change, after it, or (update) both.
create or replace function live_count_participants() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  if tg_op = 'UPDATE' then
    -- A rename or a mute has nothing to count, and should not wait for the session's row. (Nested: an expression is
    -- planned as a whole, and the other events lack one of the tables.)
    if not exists (
      select session_id, role, status from before_change
      except all
      select session_id, role, status from after_change
    ) then
      return null;
    end if;
  end if;
  if tg_op <> 'INSERT' then
    update live_sessions
       set viewer_count = viewer_count - gone.viewers, guest_count = guest_count - gone.guests
      from (select session_id, count(*) filter (where role = 'viewer') as viewers,
                   count(*) filter (where role in ('guest', 'cohost')) as guests
              from before_change where status = 'joined' group by session_id) as gone
     where live_sessions.id = gone.session_id and live_sessions.status = 'live';
  end if;
  if tg_op <> 'DELETE' then
    update live_sessions
       set viewer_count = viewer_count + here.viewers, guest_count = guest_count + here.guests,
           peak_viewer_count = greatest(peak_viewer_count, viewer_count + here.viewers)
      from (select session_id, count(*) filter (where role = 'viewer') as viewers,
                   count(*) filter (where role in ('guest', 'cohost')) as guests
              from after_change where status = 'joined' group by session_id) as here
     where live_sessions.id = here.session_id and live_sessions.status = 'live';
  end if;
  return null;
end
$$;

comment on function live_count_participants() is 'Keeps live_sessions.viewer_count, guest_count and peak_viewer_count.';

create or replace trigger count_inserted after insert on live_participants
  referencing new table as after_change
  for each statement execute function live_count_participants();

create or replace trigger count_updated after update on live_participants
  referencing old table as before_change new table as after_change
  for each statement execute function live_count_participants();

create or replace trigger count_deleted after delete on live_participants
  referencing old table as before_change
  for each statement execute function live_count_participants();


-- Participants

create or replace function live_participant_id(session uuid, user_id text) returns uuid language sql immutable as $$
  select encode(set_byte(set_byte(hash, 6, get_byte(hash, 6) & 15 | 80), 8, get_byte(hash, 8) & 63 | 128), 'hex')::uuid
    from (select substr(sha256(uuid_send(session) || convert_to(user_id, 'UTF8')), 1, 16) as hash) as named
$$;

comment on function live_participant_id(uuid, text) is 'The id of a user''s row in a session, as the server computes it too.';

create or replace function live_identify_participant() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  new.id := live_participant_id(new.session_id, new.user_id);
  return new;
end
$$;

comment on function live_identify_participant() is
  'Callers do not choose the id of their row: it could be the one that somebody else''s will have, who could not come in then.';

create or replace trigger identify before insert on live_participants
  for each row when (not live_trusted()) execute function live_identify_participant();

create or replace function live_guard_participant() returns trigger language plpgsql as $$
declare
  part text;
begin
  if live_trusted() then
    return new;
  end if;
  if new.user_id = live_caller() then
    -- Oneself: come, go, be renamed, step down. Only others give more.
    if old.status <> 'kicked' and new.status <> 'kicked'
       and (old.status = 'joined' or new.status = 'left' or live_admits(new.session_id))
       and (new.role = old.role and (new.role in ('host', 'viewer') or old.status = 'joined')
            or old.role in ('cohost', 'guest') and new.role = 'viewer')
       and (new.audio_locked, new.video_locked, new.chat_silenced)
           = (old.audio_locked, old.video_locked, old.chat_silenced) then
      return new;
    end if;
  else
    part := live_role_in(new.session_id);
    if new.name = old.name and new.joined_at = old.joined_at
       and (new.status = old.status and new.left_at is not distinct from old.left_at
            or old.status = 'joined' and new.status = 'kicked')
       and (part = 'host' and old.role <> 'host' and (new.role = old.role or old.status = 'joined')
              and (new.role = old.role or old.role in ('cohost', 'guest') and new.role in ('cohost', 'guest', 'viewer'))
            or part = 'cohost' and old.role in ('guest', 'viewer')
              and (new.role = old.role or old.role = 'guest' and new.role = 'viewer')) then
      return new;
    end if;
  end if;
  raise exception 'this change of a participant is not the caller''s to make' using errcode = 'insufficient_privilege';
end
$$;

comment on function live_guard_participant() is 'What a policy can''t say: which changes of a row are allowed to whom.';

create or replace trigger guard before update on live_participants
  for each row execute function live_guard_participant();


create or replace function live_guard_presence() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  -- Counts change the session's row afterwards. Locked now, before its events are: whoever locks both does it in this order.
  if live_lock_session(new.session_id) is distinct from 'live' and new.status = 'joined' then
    raise exception 'the session has ended' using errcode = 'check_violation', constraint = 'live_participants_in_a_live_session';
  end if;
  return new;
end
$$;

comment on function live_guard_presence() is 'Nobody is in an ended session.';

create or replace trigger guard_presence before insert or update of role, status on live_participants
  for each row execute function live_guard_presence();


create or replace function live_guard_stage() returns trigger
language plpgsql security definer set search_path from current as $$
declare
  places integer;
begin
  if tg_op = 'UPDATE' then
    if old.status = 'joined' and old.role in ('guest', 'cohost') then
      return new;
    end if;
  end if;
  -- Two who come up at once have met at the session's row, and the second sees the first.
  select max_guests into places from live_session_settings where session_id = new.session_id;
  if (select count(*) from live_participants
       where session_id = new.session_id and id <> new.id and status = 'joined' and role in ('guest', 'cohost')) >= places then
    raise exception 'the stage is full' using errcode = 'check_violation', constraint = 'live_participants_max_guests';
  end if;
  return new;
end
$$;

comment on function live_guard_stage() is 'At most max_guests are on stage, whoever lets them up.';

create or replace trigger guard_stage before insert or update of role, status on live_participants
  for each row when (new.status = 'joined' and new.role in ('guest', 'cohost')) execute function live_guard_stage();


create or replace function live_record_participant() returns trigger
language plpgsql security definer set search_path from current as $$
declare
  was_here boolean := false;
  is_here  boolean := new.status = 'joined';
begin
  if tg_op = 'UPDATE' then
    was_here := old.status = 'joined';
  end if;
  if is_here and not was_here then
    insert into live_visits (session_id, participant_id, user_id, as_viewer, joined_at)
    values (new.session_id, new.id, new.user_id, new.role = 'viewer', least(new.joined_at, clock_timestamp()));
    perform live_record(new.session_id, 'participant_joined', new.user_id,
                        jsonb_build_object('participant_id', new.id, 'name', new.name, 'role', new.role));
  end if;
  if tg_op = 'INSERT' then
    return null;
  end if;
  if was_here and not is_here then
    update live_visits set left_at = least(new.left_at, clock_timestamp()) where participant_id = new.id and left_at is null;
    -- When a session ends everybody leaves; one event says it.
    if new.status = 'kicked' or exists (select from live_sessions where id = new.session_id and status = 'live') then
      perform live_record(new.session_id, case new.status when 'kicked' then 'participant_kicked' else 'participant_left' end,
                          new.user_id, jsonb_build_object('participant_id', new.id));
    end if;
  end if;
  if was_here and is_here and new.role <> old.role then
    if new.role = 'viewer' then
      update live_visits set as_viewer = true where participant_id = new.id and left_at is null;
    end if;
    perform live_record(new.session_id, 'role_changed', new.user_id,
                        jsonb_build_object('participant_id', new.id, 'from', old.role, 'to', new.role));
  end if;
  if new.audio_locked <> old.audio_locked then
    perform live_record(new.session_id, case when new.audio_locked then 'audio_muted' else 'audio_unmuted' end, new.user_id);
  end if;
  if new.video_locked <> old.video_locked then
    perform live_record(new.session_id, case when new.video_locked then 'video_muted' else 'video_unmuted' end, new.user_id);
  end if;
  if new.chat_silenced <> old.chat_silenced then
    perform live_record(new.session_id, case when new.chat_silenced then 'chat_silenced' else 'chat_unsilenced' end, new.user_id);
  end if;
  return null;
end
$$;

comment on function live_record_participant() is 'Events and visits of participants.';

create or replace trigger record after insert or update on live_participants
  for each row execute function live_record_participant();


-- Sessions

create or replace function live_end_session() returns trigger language plpgsql as $$
begin
  if old.status = 'ended' then
    raise exception 'an ended session stays as it is' using errcode = 'insufficient_privilege';
  end if;
  -- The rows of the participants follow when this one has been written.
  new.viewer_count := 0;
  new.guest_count := 0;
  return new;
end
$$;

comment on function live_end_session() is 'An end is final, and counts nobody.';

create or replace trigger end_session before update of status, ended_at, end_reason on live_sessions
  for each row execute function live_end_session();


create or replace function live_statistics(session uuid) returns live_session_stats
language sql stable security definer set search_path from current as $$
  with visits as (
    select user_id, extract(epoch from coalesce(left_at, clock_timestamp()) - joined_at) as seconds
      from live_visits where session_id = session and as_viewer
  ), viewers as (
    select user_id, greatest(sum(seconds), 0) as seconds from visits group by user_id
  ), active as (
    select user_id from live_chat_messages where session_id = session and kind <> 'system'
    union select user_id from live_reactions where session_id = session
    union select user_id from live_gifts where session_id = session and status = 'paid'
    union select user_id from live_guest_requests where session_id = session and kind = 'request'
  )
  select s.id,
         greatest(extract(epoch from coalesce(s.ended_at, clock_timestamp()) - s.started_at), 0)::double precision,
         s.peak_viewer_count,
         (select count(*) from visits)::integer,
         (select count(*) from viewers)::integer,
         (select count(distinct target_user_id) from live_events
           where session_id = session and type = 'role_changed' and data ->> 'to' = 'guest')::integer,
         coalesce((select avg((a.user_id is not null)::integer) from viewers v left join active a using (user_id)),
                  0)::double precision,
         (select count(*) from live_chat_messages where session_id = session and kind = 'message')::integer,
         coalesce((select jsonb_object_agg(t.type, t.total)
                     from (select type, sum(count) as total from live_reactions where session_id = session group by type) t),
                  '{}'),
         (select coalesce(sum(quantity), 0) from live_gifts where session_id = session and status = 'paid')::integer,
         (select coalesce(sum(value), 0) from live_gifts where session_id = session and status = 'paid')::bigint,
         coalesce((select avg(seconds) from viewers), 0)::double precision
    from live_sessions s where s.id = session
$$;

comment on function live_statistics(uuid) is 'The statistics of a session until now; for the server itself, which asks in nobody''s name.';

create or replace function live_session_statistics(session uuid) returns setof live_session_stats
language sql stable security definer set search_path from current as $$
  select stored.* from live_session_stats stored
   where stored.session_id = session and (live_attended(session) or live_hosts(session))
  union all
  select computed.* from live_statistics(session) computed
   where computed.session_id is not null and not exists (select from live_session_stats where session_id = session)
     and (live_attended(session) or live_hosts(session))
$$;

comment on function live_session_statistics(uuid) is 'The statistics of a session, ended or not, for those who are or were in it.';


create or replace function live_record_session() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  if tg_op = 'INSERT' then
    perform live_record(new.id, 'session_started', new.host_user_id,
                        jsonb_build_object('title', new.title, 'host_name', new.host_name, 'session_type', new.session_type));
  elsif new.status = 'ended' and old.status = 'live' then
    update live_guest_requests set status = 'expired', answered_at = new.ended_at
     where session_id = new.id and status = 'pending';
    update live_participants set status = 'left', left_at = new.ended_at
     where session_id = new.id and status = 'joined';
    insert into live_session_stats select (live_statistics(new.id)).*;
    perform live_record(new.id, 'session_ended', null, jsonb_build_object('reason', new.end_reason)
                        || (select to_jsonb(s) - 'session_id' from live_session_stats s where s.session_id = new.id));
  end if;
  return null;
end
$$;

comment on function live_record_session() is 'Begin and end: the end takes everybody out and writes the statistics.';

create or replace trigger record after insert or update of status on live_sessions
  for each row execute function live_record_session();


create or replace function live_record_settings() returns trigger
language plpgsql security definer set search_path from current as $$
declare
  changed jsonb;
begin
  select jsonb_object_agg(n.key, n.value) into changed
    from jsonb_each(to_jsonb(new)) n
   where n.key not in ('session_id', 'updated_at') and n.value is distinct from to_jsonb(old) -> n.key;
  if changed is not null then
    perform live_record(new.session_id, 'settings_changed', null, changed);
  end if;
  return null;
end
$$;

comment on function live_record_settings() is 'One event for each change of settings, with the new values; at the start, all of them.';

create or replace trigger record after insert or update on live_session_settings
  for each row execute function live_record_settings();


-- Requests and invitations

create or replace function live_guard_request() returns trigger language plpgsql as $$
begin
  if live_trusted() then
    return new;
  end if;
  if old.status = 'pending' and new.message = old.message and new.kind = old.kind and new.name = old.name
     and (new.answered_by is null or new.answered_by = live_caller()) then
    if old.user_id = live_caller() then
      if old.kind = 'request' and new.status = 'cancelled'
         or old.kind = 'invitation' and new.status in ('approved', 'rejected') then
        return new;
      end if;
    elsif old.kind = 'request' and new.status in ('approved', 'rejected') and new.answered_by = live_caller()
          or old.kind = 'request' and new.status = 'cancelled' and live_role_in(old.session_id) in ('host', 'cohost')
          or old.kind = 'invitation' and new.status = 'cancelled' then
      return new;
    end if;
  end if;
  raise exception 'this answer is not the caller''s to give' using errcode = 'insufficient_privilege';
end
$$;

comment on function live_guard_request() is 'Who asked may withdraw, who was asked may answer, and only once.';

create or replace trigger guard before update on live_guest_requests
  for each row execute function live_guard_request();


create or replace function live_guard_approval() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  perform live_lock_session(new.session_id);
  return new;
end
$$;

comment on function live_guard_approval() is 'Who comes on stage changes the session''s row: it is locked before its events are.';

create or replace trigger guard_approval before insert or update of status on live_guest_requests
  for each row when (new.status = 'approved') execute function live_guard_approval();


create or replace function live_record_request() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  if tg_op = 'INSERT' then
    perform live_record(new.session_id, case new.kind when 'request' then 'guest_requested' else 'guest_invited' end, new.user_id,
                        jsonb_build_object('request_id', new.id, 'message', new.message));
  elsif new.status = old.status then
    return null;
  end if;
  if new.status in ('approved', 'rejected', 'cancelled', 'expired') then
    perform live_record(new.session_id, 'guest_request_answered', new.user_id,
                        jsonb_build_object('request_id', new.id, 'kind', new.kind, 'status', new.status));
  end if;
  if new.status = 'approved' then
    update live_participants set role = 'guest'
     where session_id = new.session_id and id = new.participant_id and role = 'viewer' and status = 'joined';
    if not found then
      raise exception 'only a viewer who is in the session can come on stage' using errcode = 'check_violation';
    end if;
  end if;
  return null;
end
$$;

comment on function live_record_request() is 'Events of requests; and the approval is what brings somebody on stage.';

create or replace trigger record after insert or update on live_guest_requests
  for each row execute function live_record_request();


-- Chat, reactions, gifts, bans

create or replace function live_guard_message() returns trigger language plpgsql as $$
begin
  if live_trusted() or old.deleted_at is null and new.deleted_at is not null and new.deleted_by = live_caller() then
    return new;
  end if;
  raise exception 'a message can only be deleted, once, and in one''s own name' using errcode = 'insufficient_privilege';
end
$$;

comment on function live_guard_message() is 'Messages are not edited.';

create or replace trigger guard before update on live_chat_messages for each row execute function live_guard_message();

create or replace function live_record_message() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  if tg_op = 'INSERT' then
    perform live_record(new.session_id, 'message_sent', null, jsonb_build_object('message_id', new.id));
  elsif new.deleted_at is not null and old.deleted_at is null then
    perform live_record(new.session_id, 'message_deleted', new.user_id, jsonb_build_object('message_id', new.id));
  end if;
  return null;
end
$$;

comment on function live_record_message() is 'Events of the chat. The text stays in the chat, where it can be deleted.';

create or replace trigger record_sent after insert on live_chat_messages
  for each row when (new.kind = 'message') execute function live_record_message();
create or replace trigger record_deleted after update on live_chat_messages
  for each row execute function live_record_message();


create or replace function live_guard_reaction() returns trigger language plpgsql as $$
begin
  if live_trusted() then
    return new;
  end if;
  if tg_op = 'INSERT' then
    -- Which types there are is the server's to say; that somebody makes up a thousand is not for everybody's totals.
    if (select count(*) from live_reactions
         where session_id = new.session_id and user_id = new.user_id and type <> new.type) >= 50 then
      raise exception 'these are too many types of reactions' using errcode = 'insufficient_privilege';
    end if;
  elsif new.count <= old.count then
    raise exception 'a reaction is not taken back' using errcode = 'insufficient_privilege';
  end if;
  new.last_at := now();
  return new;
end
$$;

comment on function live_guard_reaction() is 'Counts of reactions only grow, and are of 50 types at most for each user.';

create or replace trigger guard before insert or update on live_reactions for each row execute function live_guard_reaction();


create or replace function live_price_gift() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  select value * new.quantity::bigint into new.value from live_gift_catalogue where id = new.gift_id and active;
  if new.value is null then
    raise exception 'there is no such gift' using errcode = 'foreign_key_violation', constraint = 'live_gifts_gift_id_fkey';
  end if;
  return new;
end
$$;

comment on function live_price_gift() is 'The catalogue says what a gift is worth, not who gives it.';

create or replace trigger price before insert on live_gifts for each row execute function live_price_gift();

create or replace function live_record_gift() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  perform live_record(new.session_id, 'gift_sent', new.user_id,
                      jsonb_build_object('gift_id', new.gift_id, 'quantity', new.quantity, 'value', new.value));
  -- The payment may take longer than what is left of the session, whose statistics were written then.
  delete from live_session_stats where session_id = new.session_id;
  if found then
    insert into live_session_stats select * from live_statistics(new.session_id);
  end if;
  return null;
end
$$;

comment on function live_record_gift() is 'An event when a gift was paid for, which counts even if the session is over.';

create or replace trigger record after update on live_gifts
  for each row when (new.status = 'paid' and old.status <> 'paid') execute function live_record_gift();


create or replace function live_record_ban() returns trigger
language plpgsql security definer set search_path from current as $$
declare
  in_session record;
begin
  -- Before its events, as everybody locks them in this order.
  perform live_lock_session(id) from live_sessions
    where host_user_id = coalesce(new.host_user_id, old.host_user_id) and status = 'live';
  if tg_op = 'INSERT' then
    perform live_record(new.session_id, 'banned', new.user_id, jsonb_build_object('reason', new.reason));
    update live_participants p set status = 'kicked', left_at = coalesce(p.left_at, clock_timestamp())
      from live_sessions s
     where s.id = p.session_id and s.host_user_id = new.host_user_id and s.status = 'live'
       and p.user_id = new.user_id and p.status <> 'kicked';
  else
    for in_session in select id from live_sessions where host_user_id = old.host_user_id and status = 'live' loop
      perform live_record(in_session.id, 'unbanned', old.user_id);
      update live_participants set status = 'left'
       where session_id = in_session.id and user_id = old.user_id and status = 'kicked';
    end loop;
    -- Where it was decided; gone too where the ban goes with its session.
    if not found and exists (select from live_sessions where id = old.session_id) then
      perform live_record(old.session_id, 'unbanned', old.user_id);
    end if;
  end if;
  return null;
end
$$;

comment on function live_record_ban() is 'A ban takes somebody out of the host''s live session; its end lets them back in.';

create or replace trigger record after insert or delete on live_bans for each row execute function live_record_ban();


-- Batches. Each row is written in its own caller's name, so that the policies judge it as if it came alone; one that is
-- refused does not hold up the others. For the server only: a caller who could say in whose name they call is anybody.

create or replace function live_add_messages(batch jsonb)
returns table (number integer, id uuid, place bigint, sent_at timestamptz, refusal text)
language plpgsql as $$
#variable_conflict use_column
declare
  item jsonb;
begin
  for number, item in select ordinality, value from jsonb_array_elements(batch) with ordinality order by ordinality loop
    perform set_config('role', item ->> 'role', true), set_config('request.jwt.claims', item ->> 'claims', true);
    id := null; place := null; sent_at := null; refusal := null;
    begin
      insert into live_chat_messages as m (id, session_id, participant_id, user_id, name, kind, body, data, client_id)
      values ((item ->> 'id')::uuid, (item ->> 'session_id')::uuid, (item ->> 'participant_id')::uuid, item ->> 'user_id',
              item ->> 'name', item ->> 'kind', item ->> 'body', item -> 'data', item ->> 'client_id')
      on conflict do nothing
      returning m.id, m.position, m.created_at into id, place, sent_at;
      if id is null then
        -- Written before: an answer that was lost, or the same client id again.
        select m.id, m.position, m.created_at into id, place, sent_at from live_chat_messages m
         where m.session_id = (item ->> 'session_id')::uuid
           and (m.id = (item ->> 'id')::uuid or m.user_id = item ->> 'user_id' and m.client_id = item ->> 'client_id');
      end if;
    exception when insufficient_privilege or integrity_constraint_violation then
      refusal := sqlstate;
    end;
    return next;
  end loop;
end
$$;

comment on function live_add_messages(jsonb) is 'Writes messages in order: [{"role", "claims", "id", "session_id", ...}].';

create or replace function live_add_reactions(batch jsonb) returns table (number integer, refusal text)
language plpgsql as $$
declare
  item jsonb;
begin
  for number, item in select ordinality, value from jsonb_array_elements(batch) with ordinality order by ordinality loop
    perform set_config('role', 'authenticated', true), set_config('request.jwt.claims', item ->> 'claims', true);
    refusal := null;
    begin
      insert into live_reactions as r (session_id, user_id, type, count)
      values ((item ->> 'session_id')::uuid, item ->> 'user_id', item ->> 'type', (item ->> 'count')::bigint)
      on conflict (session_id, user_id, type) do update set count = r.count + excluded.count;
    exception when insufficient_privilege or integrity_constraint_violation then
      refusal := sqlstate;
    end;
    return next;
  end loop;
end
$$;

comment on function live_add_reactions(jsonb) is 'Adds to the counts of many users: [{"claims", "session_id", "user_id", "type", "count"}].';


-- Views. Each shows what its reader may see of the tables. Those over many rows have their owner's rights and ask about the
-- session instead, once: a policy asks for every row, and that of a long session's events took longer than a request may.
-- They are barriers, so that no function of the reader's own sees rows before that question is answered.

create or replace view live_active with (security_invoker = true) as
  select s.id, s.host_user_id, s.host_name, s.title, s.description, s.session_type, s.started_at, s.viewer_count,
         s.guest_count, s.peak_viewer_count, o.allow_guests, o.require_approval, o.locked
    from live_sessions s join live_session_settings o on o.session_id = s.id
   where s.status = 'live';

comment on view live_active is 'What is on now.';

create or replace view live_stage with (security_invoker = true) as
  select session_id, id as participant_id, user_id, name, role, audio_locked, video_locked, joined_at
    from live_participants where status = 'joined' and role <> 'viewer';

comment on view live_stage is 'Who is on stage now.';

create or replace view live_reaction_totals with (security_barrier = true) as
  select s.id as session_id, t.type, t.total, t.users
    from live_sessions s,
         lateral (select type, sum(count)::bigint as total, count(*) as users
                    from live_reactions where session_id = s.id group by type) as t
   where live_trusted() or live_attended(s.id) or live_hosts(s.id);

comment on view live_reaction_totals is
  'Reactions by session and type: everybody in a session may know how often it was cheered, nobody by whom.';

create or replace view live_gift_totals with (security_invoker = false, security_barrier = true) as
  select s.id as session_id, t.user_id, t.name, t.gifts, t.value
    from live_sessions s,
         lateral (select user_id, min(name) as name, sum(quantity) as gifts, sum(value)::bigint as value
                    from live_gifts where session_id = s.id and status = 'paid' group by user_id) as t
   where live_trusted() or live_attended(s.id) or live_hosts(s.id);

comment on view live_gift_totals is 'Paid gifts by session and giver, for those who are or were in it.';

create or replace view live_timeline with (security_invoker = false, security_barrier = true) as
  select e.id, s.id as session_id, e.at, e.type, e.actor_user_id, e.target_user_id,
         case e.type when 'message_sent' then e.data || coalesce(
           (select jsonb_build_object('name', m.name, 'text', m.body)
              from live_chat_messages m where m.id = (e.data ->> 'message_id')::uuid), '{}') else e.data end as data
    from live_sessions s join live_events e on e.session_id = s.id
   where live_trusted() or live_moderates(s.id);

comment on view live_timeline is 'Everything that happened in a session, with the texts of the chat, for its moderators.';


-- Row-level security: first nothing is allowed, then what follows. By name, as the schema may have tables and functions of
-- somebody else.

do $$
declare
  tables constant text[] := array[
    'live_sessions', 'live_session_settings', 'live_participants', 'live_guest_requests', 'live_chat_messages',
    'live_reactions', 'live_gift_catalogue', 'live_gifts', 'live_bans', 'live_events', 'live_visits',
    'live_session_stats', 'live_webhooks', 'live_webhook_outbox', 'greenroom_migrations'
  ];
  views constant text[] := array[
    'live_active', 'live_stage', 'live_reaction_totals', 'live_gift_totals', 'live_timeline'
  ];
  functions constant text[] := array[
    'live_caller', 'live_trusted', 'live_role_in', 'live_hosts', 'live_moderates', 'live_attended', 'live_admits',
    'live_may_write', 'live_lock_session', 'live_record', 'live_touch', 'live_guard_times', 'live_count_participants',
    'live_participant_id', 'live_identify_participant', 'live_guard_participant', 'live_guard_presence',
    'live_guard_stage', 'live_record_participant', 'live_end_session', 'live_statistics', 'live_session_statistics',
    'live_record_session', 'live_record_settings', 'live_guard_request', 'live_guard_approval', 'live_record_request',
    'live_guard_message', 'live_record_message', 'live_guard_reaction', 'live_price_gift', 'live_record_gift',
    'live_record_ban', 'live_add_messages', 'live_add_reactions'
  ];
  item record;
begin
  for item in
    select relname as name, relkind = 'r' as is_table from pg_class
     where relnamespace = current_schema()::regnamespace and relname = any (tables || views)
  loop
    execute format('revoke all on %I from public, anon, authenticated', item.name);
    execute format('grant all on %I to service_role', item.name);
    continue when not item.is_table;
    execute format('alter table %I enable row level security', item.name);
  end loop;
  -- Of the numbers that tables give out: who could set them back would make every later row a duplicate.
  for item in
    select distinct s.relname as name
      from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_class t on t.oid = d.refobjid
     where d.classid = 'pg_class'::regclass and t.relnamespace = current_schema()::regnamespace and t.relname = any (tables)
  loop
    execute format('revoke all on sequence %I from public, anon, authenticated', item.name);
  end loop;
  for item in
    select tablename, policyname from pg_policies where schemaname = current_schema() and tablename = any (tables)
  loop
    execute format('drop policy %I on %I', item.policyname, item.tablename);
  end loop;
  for item in
    select relname as name from pg_class where relnamespace = current_schema()::regnamespace and relname = any (tables)
  loop
    execute format('create policy server on %I to service_role using (true) with check (true)', item.name);
  end loop;
  for item in
    select oid::regprocedure as signature from pg_proc
     where pronamespace = current_schema()::regnamespace and proname = any (functions)
  loop
    execute format('revoke all on function %s from public, anon, authenticated', item.signature);
    execute format('grant execute on function %s to service_role', item.signature);
  end loop;
end
$$;

grant execute on function live_caller(), live_trusted(), live_role_in(uuid), live_hosts(uuid), live_moderates(uuid),
  live_attended(uuid), live_admits(uuid), live_may_write(uuid, uuid), live_lock_session(uuid),
  live_session_statistics(uuid) to authenticated;

grant select on live_sessions, live_session_settings, live_participants, live_guest_requests, live_chat_messages,
  live_reactions, live_gift_catalogue, live_gifts, live_bans, live_events, live_visits, live_session_stats,
  live_active, live_stage, live_reaction_totals, live_gift_totals, live_timeline to authenticated;

-- Columns that are not named here are the triggers' own.
grant insert (id, host_user_id, host_name, title, description, session_type, started_at),
      update (status, ended_at, end_reason) on live_sessions to authenticated;
grant insert (session_id, max_participants, allow_guests, require_approval, max_guests, enable_chat, enable_gifts,
              guest_audio_default, guest_video_default, slow_mode_s, locked),
      update (max_participants, allow_guests, require_approval, max_guests, enable_chat, enable_gifts,
              guest_audio_default, guest_video_default, slow_mode_s, locked) on live_session_settings to authenticated;
grant insert (id, session_id, user_id, name, role, joined_at),
      update (name, role, status, audio_locked, video_locked, chat_silenced, joined_at, left_at)
  on live_participants to authenticated;
grant insert (id, session_id, participant_id, user_id, name, message, status, created_at, answered_at, kind, invited_by),
      update (status, answered_at, answered_by) on live_guest_requests to authenticated;
grant insert (id, session_id, participant_id, user_id, name, kind, body, data, client_id),
      update (body, deleted_at, deleted_by) on live_chat_messages to authenticated;
grant insert (session_id, user_id, type, count), update (count) on live_reactions to authenticated;
grant insert (id, session_id, participant_id, user_id, name, gift_id, quantity, key, value) on live_gifts to authenticated;
grant insert (host_user_id, user_id, session_id, name, reason, banned_by), delete on live_bans to authenticated;

-- Anybody with a token sees what is on and what was on.
create policy everybody_reads on live_sessions for select to authenticated using (true);
create policy host_starts on live_sessions for insert to authenticated with check (host_user_id = (select live_caller()));
create policy host_ends on live_sessions for update to authenticated
  using (host_user_id = (select live_caller())) with check (host_user_id = (select live_caller()) and status = 'ended');

create policy everybody_reads on live_session_settings for select to authenticated using (true);
create policy host_decides on live_session_settings for insert to authenticated with check (live_hosts(session_id));
create policy host_changes on live_session_settings for update to authenticated
  using (live_role_in(session_id) = 'host') with check (live_role_in(session_id) = 'host');

-- The stage is public to those who are in the session; its audience only to those who moderate.
create policy themselves on live_participants for select to authenticated using (user_id = (select live_caller()));
create policy the_room on live_participants for select to authenticated
  using (role <> 'viewer' and live_attended(session_id) or live_moderates(session_id));
create policy comes_in on live_participants for insert to authenticated
  with check (user_id = (select live_caller()) and status = 'joined'
              and (role = 'viewer' and live_admits(session_id) or role = 'host' and live_hosts(session_id)));
create policy changes on live_participants for update to authenticated
  using (user_id = (select live_caller()) or live_role_in(session_id) in ('host', 'cohost'))
  with check (user_id = (select live_caller()) or live_role_in(session_id) in ('host', 'cohost'));

create policy who_it_concerns on live_guest_requests for select to authenticated
  using (user_id = (select live_caller()) or live_moderates(session_id));
create policy asks on live_guest_requests for insert to authenticated
  with check (
    kind = 'request' and user_id = (select live_caller()) and live_role_in(session_id) = 'viewer'
    and exists (select from live_participants p where p.id = participant_id and p.user_id = (select live_caller()))
    and exists (select from live_session_settings o
                 where o.session_id = live_guest_requests.session_id and o.allow_guests
                   and (status = 'pending' or status = 'approved' and not o.require_approval))
  );
create policy invites on live_guest_requests for insert to authenticated
  with check (
    kind = 'invitation' and status = 'pending' and invited_by = (select live_caller())
    and live_role_in(session_id) in ('host', 'cohost')
    and exists (select from live_participants p
                 where p.id = participant_id and p.user_id = live_guest_requests.user_id and p.role = 'viewer')
  );
create policy answers on live_guest_requests for update to authenticated
  using (user_id = (select live_caller()) or live_role_in(session_id) in ('host', 'cohost'))
  with check (user_id = (select live_caller()) or live_role_in(session_id) in ('host', 'cohost'));

create policy the_room on live_chat_messages for select to authenticated
  using (live_attended(session_id) or live_hosts(session_id));
create policy writes on live_chat_messages for insert to authenticated
  with check (kind = 'message' and user_id = (select live_caller()) and live_may_write(session_id, participant_id)
              and data = '{}' and deleted_at is null);
create policy deletes on live_chat_messages for update to authenticated
  using (user_id = (select live_caller()) or live_moderates(session_id))
  with check (user_id = (select live_caller()) or live_moderates(session_id));

create policy themselves on live_reactions for select to authenticated using (user_id = (select live_caller()));
create policy reacts on live_reactions for insert to authenticated
  with check (user_id = (select live_caller()) and live_role_in(session_id) is not null);
create policy reacts_again on live_reactions for update to authenticated
  using (user_id = (select live_caller()) and live_role_in(session_id) is not null)
  with check (user_id = (select live_caller()) and live_role_in(session_id) is not null);

create policy everybody_reads on live_gift_catalogue for select to authenticated using (active);

create policy the_room on live_gifts for select to authenticated
  using (user_id = (select live_caller())
         or status = 'paid' and (live_attended(session_id) or live_hosts(session_id)));
create policy gives on live_gifts for insert to authenticated
  with check (
    status = 'pending' and user_id = (select live_caller()) and live_role_in(session_id) is not null
    and exists (select from live_participants p where p.id = participant_id and p.user_id = (select live_caller()))
    and exists (select from live_session_settings o where o.session_id = live_gifts.session_id and o.enable_gifts)
  );

create policy moderators_read on live_bans for select to authenticated
  using (host_user_id = (select live_caller()) or live_moderates(session_id));
create policy moderators_ban on live_bans for insert to authenticated
  with check (
    banned_by = (select live_caller()) and live_role_in(session_id) in ('host', 'cohost')
    and exists (select from live_sessions s where s.id = session_id and s.host_user_id = live_bans.host_user_id)
    and (host_user_id = (select live_caller()) or user_id not in (
           select p.user_id from live_participants p where p.session_id = live_bans.session_id and p.role in ('host', 'cohost')))
  );
create policy moderators_unban on live_bans for delete to authenticated
  using (host_user_id = (select live_caller())
         or exists (select from live_sessions s where s.host_user_id = live_bans.host_user_id and s.status = 'live'
                       and live_role_in(s.id) = 'cohost'));

create policy moderators_read on live_events for select to authenticated using (live_moderates(session_id));
create policy moderators_read on live_visits for select to authenticated
  using (user_id = (select live_caller()) or live_moderates(session_id));
create policy the_room on live_session_stats for select to authenticated
  using (live_attended(session_id) or live_hosts(session_id));
