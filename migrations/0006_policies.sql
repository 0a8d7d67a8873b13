-- Policy of the other two functions, what became of profile templates in XPhone, and what a change of policy still has to reach.

create table microphone_sync (
    guid uuid primary key,
    enabled boolean not null
);
comment on table microphone_sync is 'Microphone sync as set for a location or a configuration group; no row: inherited, or never set.';

create table microphone_process (
    guid uuid not null constraint microphone_process_place references microphone_sync on delete cascade,
    position integer not null,
    process text not null,
    alias text,
    active boolean not null,
    primary key (guid, position)
);
comment on table microphone_process is 'The programs that microphone sync tells of; the order counts.';
comment on column microphone_process.alias is 'What is shown instead of the process; null: the process itself.';

create table profile_template (
    guid uuid primary key,
    creates boolean not null,
    presence_status text not null constraint profile_template_status
        check (presence_status in ('available', 'be_right_back', 'busy', 'do_not_disturb', 'unavailable', 'offline')),
    forwarding text not null constraint profile_template_forwarding check (forwarding in ('none', 'voicemail', 'number')),
    number text,
    constraint profile_template_number check ((forwarding = 'number') = (number is not null))
);
comment on table profile_template is 'The profile template MS Teams as set for a location or a configuration group; no row: inherited, or never set.';
comment on column profile_template.creates is 'Whether the template is to be in XPhone.';

create table template_care (
    guid uuid primary key,
    maker text not null constraint template_care_maker check (maker in ('unknown', 'others', 'perhaps_us', 'us')),
    state text not null constraint template_care_state check (state in ('pending', 'in_step', 'refused')),
    refusal text,
    detail text,
    since timestamptz not null,
    asked bigint not null default 1,
    compared_at timestamptz,
    put_status_guid uuid,
    put_forwarding text,
    put_number text,
    constraint template_care_refusal check ((refusal is not null) = (state = 'refused')),
    constraint template_care_put check (maker <> 'perhaps_us' or (put_status_guid is not null and put_forwarding is not null))
);
comment on table template_care is 'Places whose profile template in XPhone is the gateway''s concern: it is to be there, or the gateway made it and must remove it.';
comment on column template_care.maker is 'Who made the template that XPhone has. unknown: not looked yet. perhaps_us: we were about to, and do not know whether it arrived. Only what is us is ever removed.';
comment on column template_care.state is 'pending: still to be compared with XPhone. in_step: it was as it should be. refused: XPhone would not.';
comment on column template_care.refusal is 'A stable word; detail has XPhone''s own, without what may be personal.';
comment on column template_care.since is 'Since when state and refusal are these.';
comment on column template_care.asked is 'Grows with every change of the setting: what was changed while it was carried out is carried out again.';
comment on column template_care.put_status_guid is 'What we were about to make: a template that looks so after a crash is ours.';

create table policy_change (
    guid uuid not null,
    setting text not null constraint policy_change_setting check (setting in ('teams_sync', 'microphone_sync', 'profile_template')),
    changed_at timestamptz not null,
    primary key (guid, setting)
);
comment on table policy_change is 'When a setting of a location or a configuration group was last changed, taking back included.';
insert into policy_change (guid, setting, changed_at) select guid, 'teams_sync', changed_at from teams_sync;
alter table teams_sync drop column changed_at;

-- Whom a place concerns is looked up at each change of its policy, and for its progress.
create index person_location on person (location_guid);
create index person_configuration_group on person (configuration_group_guid);

create table directory_departure (
    user_guid uuid primary key,
    departed_at timestamptz not null,
    was_matched boolean not null
);
comment on table directory_departure is 'Whoever left or lost their match without an operator''s word, for a day: what leaks away slowly is added up.';
comment on column directory_departure.user_guid is 'No foreign key: some of them are gone.';

alter table directory_refusal add column recent integer not null default 0;
comment on column directory_refusal.recent is 'How many more were dropped within the day before, and count as well.';
