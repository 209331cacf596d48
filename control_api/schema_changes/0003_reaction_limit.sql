-- A sum of counts is a bigint, whatever somebody has written into theirs.
update live_reactions set count = 1000000000 where count > 1000000000;
alter table live_reactions
  drop constraint live_reactions_count_check,
  add constraint live_reactions_count_check check (count between 1 and 1000000000);
comment on column live_reactions.count is 'So many at most that the sum over any number of users is a bigint.';
