-- Why people show what they show: what changed and what came of it, and what a policy on trial would have shown.

alter table user_state
    add column woken_by smallint not null default 0,
    add column on_trial smallint not null default 0;
comment on column user_state.woken_by is 'What woke this user since the last decision, as bits.';
comment on column user_state.on_trial is 'What would be shown now were the policy not on trial (shadow), as bits; 0: nothing, or it is not on trial.';

alter table person add column name text not null default '';
comment on column person.name is 'What people read in XPhone; for finding people, never logged.';

alter table teams_sync
    add column shadow_since timestamptz,
    add constraint teams_sync_shadow_since check (shadow or shadow_since is null);
update teams_sync set shadow_since = changed_at where shadow;
comment on column teams_sync.shadow_since is 'Since when it is on trial, whatever else was changed meanwhile; null: it is not.';

create table timeline (
    user_guid uuid not null,
    id bigint generated always as identity,
    decided_at timestamptz not null,
    came_at timestamptz,
    pushed_at timestamptz,
    settled_at timestamptz,
    woken_by smallint,
    attempts integer,
    teams_availability text,
    teams_activity text,
    teams_native text,
    xphone_native text,
    appointment_shows text,
    appointment_reason text,
    appointment_push text,
    session_shows text,
    session_reason text,
    session_push text,
    preferred_shows text,
    preferred_reason text,
    preferred_push text,
    slot text,
    result text,
    problem text,
    constraint timeline_kind check ((slot is null) = (result is null))
);
-- Every decision that changes something adds a row, and every push that is over another one beside it: so this is the only index.
-- The oldest are found by their place in the table.
create index timeline_user on timeline (user_guid, id);
comment on table timeline is 'What changed for whom: decisions (slot is null), and what became of their pushes. Rows are only ever added, until they are too old; no foreign key, for the same reason.';
comment on column timeline.decided_at is 'The decision; of a push: the one it belongs to.';
comment on column timeline.came_at is 'Arrival of the oldest change that was decided about; null: nothing new had come.';
comment on column timeline.pushed_at is 'When the last attempt began.';
comment on column timeline.woken_by is 'Bits as in user_state, and one for the time that had come by itself; 0: not known.';
comment on column timeline.teams_availability is 'Graph''s word, as it was last observed then.';
comment on column timeline.teams_native is 'What Teams itself said, without what is ours there.';
comment on column timeline.appointment_shows is 'What the slot shows from then on; under the reason shadow, what it would show.';
comment on column timeline.appointment_reason is 'null: the decision changed nothing about this slot.';
comment on column timeline.appointment_push is 'set, clear, or forget (nothing is sent, not even what was to be sent); null: nothing.';
comment on column timeline.problem is 'Why the attempt before the last one failed, without personal content.';

create table shadow_show (
    policy_guid uuid not null,
    user_guid uuid not null,
    slot text not null,
    presence text not null,
    began_at timestamptz not null
);
create index shadow_show_policy on shadow_show (policy_guid, began_at);
comment on table shadow_show is 'Each time that something would have been shown, were the policy not on trial; forgotten when the trial ends, or when too old.';
comment on column shadow_show.policy_guid is 'The location or configuration group whose policy it is.';
