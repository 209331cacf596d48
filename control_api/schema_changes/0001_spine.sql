-- The whole database of Greenroom (migration 1). PostgreSQL 15 or newer, no extensions; nothing names a schema, so the
-- first one of the connection's search_path is used.
--
-- The server is the authority while a session is live; these tables are what it starts from after a restart, and what
-- everybody else may query. Their constraints refuse what must never be true, whoever writes it.

create table live_sessions (
  id           uuid primary key default gen_random_uuid(),
  host_user_id text not null check (char_length(host_user_id) between 1 and 200),
  host_name    text not null check (char_length(host_name) between 1 and 80),
  title        text not null check (char_length(title) between 1 and 200),
  description  text not null default '' check (char_length(description) <= 2000),
  session_type text not null default 'camera' check (session_type in ('camera', 'screen', 'audio')),
  status       text not null default 'live' check (status in ('live', 'ended')),
  started_at   timestamptz not null default now(),
  ended_at     timestamptz,
  end_reason   text check (char_length(end_reason) between 1 and 200),
  viewer_count integer not null default 0 check (viewer_count >= 0),
  guest_count  integer not null default 0 check (guest_count >= 0),
  updated_at   timestamptz not null default now(),
  constraint live_sessions_ended_at_iff_ended check ((status = 'ended') = (ended_at is not null)),
  constraint live_sessions_reason_only_when_ended check (end_reason is null or status = 'ended'),
  constraint live_sessions_nobody_in_an_ended_one check (status = 'live' or (viewer_count = 0 and guest_count = 0))
);

comment on table live_sessions is 'A live event, from the moment its host goes live; kept when it has ended.';
comment on column live_sessions.host_user_id is 'The "sub" of the host''s token.';
comment on column live_sessions.viewer_count is 'Joined participants with the role viewer. Kept by triggers.';
comment on column live_sessions.guest_count is 'Joined participants with the role guest or cohost. Kept by triggers.';

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
  updated_at          timestamptz not null default now()
);

comment on table live_session_settings is 'What the host decided about a session; one row for each.';


create table live_participants (
  id           uuid primary key default gen_random_uuid(),
  session_id   uuid not null references live_sessions on delete cascade,
  user_id      text not null check (char_length(user_id) between 1 and 200),
  name         text not null check (char_length(name) between 1 and 80),
  role         text not null check (role in ('host', 'cohost', 'guest', 'viewer')),
  status       text not null default 'joined' check (status in ('joined', 'left', 'kicked')),
  audio_locked boolean not null default false,
  video_locked boolean not null default false,
  joined_at    timestamptz not null default now(),
  left_at      timestamptz,
  updated_at   timestamptz not null default now(),
  -- All participants of a session, and the one row of a user in it.
  constraint live_participants_one_row_per_user unique (session_id, user_id),
  -- What live_guest_requests refers to: a request can't name a participant of another session.
  constraint live_participants_of_session unique (session_id, id),
  constraint live_participants_left_at_iff_gone check ((status = 'joined') = (left_at is null)),
  constraint live_participants_host_never_kicked check (role <> 'host' or status <> 'kicked')
);

comment on table live_participants is 'One row per user and session; leaving, coming back and changes of role update it.';
comment on column live_participants.status is 'A kicked user does not come back to this session.';
comment on column live_participants.audio_locked is 'Muted by a host or cohost; survives leaving and a restart.';

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
  foreign key (session_id, participant_id) references live_participants (session_id, id) on delete cascade,
  constraint live_guest_requests_pending_has_no_answer
    check (status <> 'pending' or (answered_at is null and answered_by is null)),
  constraint live_guest_requests_answer_has_a_time check (status not in ('approved', 'rejected') or answered_at is not null)
);

comment on table live_guest_requests is 'Viewers who asked to come on stage, and what they were told.';
comment on column live_guest_requests.answered_by is 'User id of the host or cohost; null where no approval was needed.';
comment on column live_guest_requests.status is 'cancelled: withdrawn by the viewer. expired: the session ended before an answer.';

-- The requests of a session in the order in which they came (GET /live/sessions/{id}/guest-requests).
create index live_guest_requests_by_session on live_guest_requests (session_id, created_at, id);

create unique index live_guest_requests_one_pending on live_guest_requests (participant_id) where status = 'pending';

-- The cascade when a participant is deleted.
create index live_guest_requests_by_participant on live_guest_requests (session_id, participant_id);


create function live_touch() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;

comment on function live_touch() is 'Keeps updated_at.';

create trigger touch before update on live_sessions for each row execute function live_touch();
create trigger touch before update on live_session_settings for each row execute function live_touch();
create trigger touch before update on live_participants for each row execute function live_touch();


-- The counts are kept per statement, not per row: the end of a session with a thousand viewers changes its row twice.
-- A trigger sees the rows of its statement before the change, after it, or (update) both.
create function live_count_participants() returns trigger language plpgsql as $$
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
     where live_sessions.id = gone.session_id;
  end if;
  if tg_op <> 'DELETE' then
    update live_sessions
       set viewer_count = viewer_count + here.viewers, guest_count = guest_count + here.guests
      from (select session_id, count(*) filter (where role = 'viewer') as viewers,
                   count(*) filter (where role in ('guest', 'cohost')) as guests
              from after_change where status = 'joined' group by session_id) as here
     where live_sessions.id = here.session_id;
  end if;
  return null;
end
$$;

comment on function live_count_participants() is 'Keeps live_sessions.viewer_count and guest_count.';

create trigger count_inserted after insert on live_participants
  referencing new table as after_change
  for each statement execute function live_count_participants();

create trigger count_updated after update on live_participants
  referencing old table as before_change new table as after_change
  for each statement execute function live_count_participants();

create trigger count_deleted after delete on live_participants
  referencing old table as before_change
  for each statement execute function live_count_participants();
