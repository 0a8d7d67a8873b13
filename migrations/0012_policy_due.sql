-- A change of policy is carried out a few people at a time, after the request that made it.

create table policy_due (
    guid uuid primary key,
    changed_at timestamptz not null,
    reached uuid,
    unread_until timestamptz,
    on_trial_until timestamptz
);
comment on table policy_due is 'Locations and configuration groups whose Teams synchronisation was changed, while somebody there still has to be woken; tasks/policies.rs.';
comment on column policy_due.changed_at is 'When it was last changed; places are carried out in this order.';
comment on column policy_due.reached is 'Everybody there up to this guid was woken; null: nobody. A change made meanwhile begins anew.';
comment on column policy_due.unread_until is 'Until then nobody there was read whom the place governs: what is known of them from before counts for nothing. Null: they were read.';
comment on column policy_due.on_trial_until is 'When the trial ended: what it would have shown until then is forgotten. Null: it is still on trial.';

create view policy_unwoken as
    select distinct p.guid as user_guid, p.location_guid, p.configuration_group_guid,
        p.teams_id is not null and (coalesce(g.mode, l.mode, 'none') <> 'none'
            or coalesce(g.user_may_change, l.user_may_change, false)) as to_read
    from policy_due d
        join person p on p.location_guid = d.guid or p.configuration_group_guid = d.guid
        left join teams_sync l on l.guid = p.location_guid
        left join teams_sync g on g.guid = p.configuration_group_guid
    where d.reached is null or p.guid > d.reached;
comment on view policy_unwoken is 'Whom a change of policy has not reached yet, and whether they will be read then.';
