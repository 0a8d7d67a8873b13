-- What holds for a person is said in one place; tasks look first where they looked last longest ago; records tell who sat at the command line.

create view person_policy as
    select p.guid as user_guid, p.teams_id, m.mode, m.user_may_change, m.remember_login_data,
        m.mode <> 'none' or m.user_may_change as is_synchronised
    from person p
        left join teams_sync l on l.guid = p.location_guid
        left join teams_sync g on g.guid = p.configuration_group_guid
        cross join lateral (
            select coalesce(g.mode, l.mode, 'none') as mode,
                coalesce(g.user_may_change, l.user_may_change, false) as user_may_change,
                coalesce(g.remember_login_data, l.remember_login_data, false) as remember_login_data
        ) m;
comment on view person_policy is 'What holds for each person, as set for the configuration group or, if it has nothing of its own, for the location; without the user''s own choice. domain/policy.rs says the same.';
comment on column person_policy.is_synchronised is 'The policy lets something through, or may do so by the user''s choice: so the user is read.';

create or replace view policy_unwoken as
    select distinct p.guid as user_guid, p.location_guid, p.configuration_group_guid,
        p.teams_id is not null and e.is_synchronised as to_read
    from policy_due d
        join person p on p.location_guid = d.guid or p.configuration_group_guid = d.guid
        join person_policy e on e.user_guid = p.guid
    where d.reached is null or p.guid > d.reached;

alter table template_care add column tried_at timestamptz;
update template_care set tried_at = compared_at;
comment on column template_care.tried_at is 'When it was last tried to compare it, with or without success: whoever waits longest comes first.';

create index timeline_decided on timeline (decided_at);
comment on index timeline_decided is 'To forget the oldest without reading all; new rows only ever come at its end.';

alter table audit drop constraint audit_actor,
    add constraint audit_actor check (actor_kind = 'command_line' or (actor is null) = (actor_kind = 'bootstrap'));
comment on column audit.actor is 'The token''s name, the person''s object id in Entra ID, or the operating system''s user at the command line (null: before that was kept, or not known).';

alter table subscriber_enrolment drop constraint subscriber_enrolment_outcome,
    add constraint subscriber_enrolment_outcome
        check (outcome in ('enrolled', 'somebody_else', 'not_approved', 'failed', 'cancelled'));

create table teams_unlinked (
    user_guid uuid primary key constraint teams_unlinked_user references person on delete cascade,
    at timestamptz not null
);
comment on table teams_unlinked is 'Whose link somebody took away until everybody has been matched anew: to lose the match by that is what was asked for, and needs no other word.';

create view visible as
    select user_guid, name as slot from slot
        where state = 'shown' and reached_at is not null or live_from is not null and live_until is null
    union
    select user_guid, slot from outbox where not shows;
comment on view visible is 'What a side may show of ours: it arrived, or may have, and that it has gone is not confirmed. What is meant to be shown is in slot.';
