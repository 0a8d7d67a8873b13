-- Posts are taken without locking their rows for as long as they are worked on.

alter table inbox add column taken_by integer;
comment on column inbox.taken_by is 'The number of whoever took it last; at it as long as that number is locked (an advisory lock), which ends with its holder.';
-- Room beside each row for the same row taken: no index is touched then.
alter table inbox set (fillfactor = 40);
