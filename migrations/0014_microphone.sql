-- That a program uses the microphone: who may report it, what is reported, and what is shown of it.

alter table microphone_sync add column ignored text[];
comment on column microphone_sync.ignored is 'Programs that prove no conversation; null: the delivered list, as before there was one to set.';

create table workstation (
    id uuid primary key,
    user_guid uuid not null constraint workstation_person references person on delete cascade,
    name text not null,
    hash bytea not null constraint workstation_hash unique,
    created_at timestamptz not null,
    seen_at timestamptz
);
create index workstation_user on workstation (user_guid);
comment on table workstation is 'Workstations whose agent may report the microphone of one user; the token is kept as its SHA-256 hash.';
comment on column workstation.name is 'As whoever enrolled it called it; two may have the same.';
comment on column workstation.seen_at is 'When its token was last used, to some minutes.';

create table microphone_report (
    user_guid uuid not null constraint microphone_report_person references person on delete cascade,
    workstation text not null,
    workstation_id uuid constraint microphone_report_workstation references workstation on delete cascade,
    reported_at timestamptz not null,
    processes text[] not null,
    since timestamptz[] not null,
    primary key (user_guid, workstation),
    constraint microphone_report_processes check (cardinality(processes) > 0 and cardinality(processes) = cardinality(since))
);
create index microphone_report_workstation on microphone_report (workstation_id) where workstation_id is not null;
comment on table microphone_report is 'Workstations on which something that is told of uses the microphone now; no row: nothing does. Forgotten when it ends.';
comment on column microphone_report.workstation is 'As the report names it, in lower case.';
comment on column microphone_report.workstation_id is 'Whose token reported it; null: an operator''s.';
comment on column microphone_report.reported_at is 'When it was last heard; after three missed heartbeats it counts no more.';
comment on column microphone_report.processes is 'The names of entries of the user''s table, never of other programs.';
comment on column microphone_report.since is 'Since when each of them is reported without a pause.';

alter table user_state
    add column microphone_held text constraint user_state_microphone_held check (microphone_held in ('overridden', 'lapsed')),
    add column microphone_held_since timestamptz,
    add constraint user_state_microphone_held_since check ((microphone_held is null) = (microphone_held_since is null));
comment on column user_state.microphone_held is 'Why the use of the microphone is not shown again before it has ended, whatever the appointment shows meanwhile; null: it may be.';

alter table slot add column colleagues_only boolean not null default false;
comment on column slot.colleagues_only is 'An appointment that only team colleagues and whoever is closer see.';
comment on column slot.cause is 'call, do_not_disturb or microphone; null: found in XPhone with our origin, made by an earlier run.';
alter table outbox add column colleagues_only boolean not null default false;
comment on column outbox.colleagues_only is 'As in slot.';
