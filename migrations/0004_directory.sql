-- People are followed instead of read whole: what Teams knows is stored, compared, and only what differs is written.

create table teams_person (
    id uuid primary key,
    user_principal_name text not null,
    mail text,
    enabled boolean not null,
    reading bigint not null
);
comment on table teams_person is 'Everybody Teams knows, as far as matching needs them; kept up to date by what Graph tells of changes.';
comment on column teams_person.id is 'Entra ID''s object id.';
comment on column teams_person.reading is 'The reading from the beginning that last met them; whoever one does not meet is gone when it ends.';

create table teams_feed (
    single boolean primary key default true constraint teams_feed_single check (single),
    tenant_id uuid not null,
    reading bigint not null,
    link bytea,
    complete boolean not null,
    constraint teams_feed_complete check (not complete or link is not null)
);
comment on table teams_feed is 'How far the people of Teams have been read.';
comment on column teams_feed.tenant_id is 'Whose people they are; a link says nothing about another tenant.';
comment on column teams_feed.reading is 'Counts the readings from the beginning.';
comment on column teams_feed.link is 'Where Graph goes on, sealed; null: at the beginning.';
comment on column teams_feed.complete is 'true: the stored people are all there are, and the link tells what changes. false: in between pages.';

create table teams_link (
    user_guid uuid primary key constraint teams_link_user references person on delete cascade,
    teams_id uuid not null constraint teams_link_teams_id unique,
    linked_by text not null,
    linked_at timestamptz not null
);
comment on table teams_link is 'Who a person is in Teams, said by hand; beats the address.';
comment on column teams_link.teams_id is 'No foreign key: the link stays when the account goes, and nobody is guessed in its place.';

create table directory_refusal (
    single boolean primary key default true constraint directory_refusal_single check (single),
    since timestamptz not null,
    seen_at timestamptz not null,
    people integer not null,
    gone integer not null,
    unmatched integer not null,
    dropped uuid[] not null,
    accepted_at timestamptz,
    accepted_by text,
    constraint directory_refusal_accepted check ((accepted_at is null) = (accepted_by is null))
);
comment on table directory_refusal is 'So many people would be dropped at once that nothing is changed until an operator agrees, or most of them are back.';
comment on column directory_refusal.people is 'How many there are.';
comment on column directory_refusal.gone is 'How many of them XPhone no longer has.';
comment on column directory_refusal.unmatched is 'How many are no longer matched.';
comment on column directory_refusal.dropped is 'Who; agreeing is about them and nobody else.';

create table directory_due (
    what text primary key constraint directory_due_what check (what in ('matching', 'waking')),
    asked bigint not null
);
comment on table directory_due is 'What the directory still owes: matching everybody anew after a link, waking everybody after a change of statuses.';
comment on column directory_due.asked is 'Grows with every asking: what is asked again while it is done is done again.';

comment on column person.match is 'matched, or why there is no single Teams user: no_email, not_in_teams, duplicate_in_xphone, duplicate_in_teams, disabled_in_teams, linked_to_another.';
-- What was read before can be told from what changed only when everybody was read this way once.
delete from feed where name = 'directory';
