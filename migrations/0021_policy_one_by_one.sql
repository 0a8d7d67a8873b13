-- What holds for somebody is looked up for that person. Joined, all who might be asked for are read before the first is known: a sweep,
-- which takes everybody in pages, then reads everybody for each page.

create or replace view person_policy as
    select p.guid as user_guid, p.teams_id, m.mode, m.user_may_change, m.remember_login_data,
        m.mode <> 'none' or m.user_may_change as is_synchronised
    from person p
        left join lateral (select * from teams_sync where guid = p.location_guid limit 1) l on true
        left join lateral (select * from teams_sync where guid = p.configuration_group_guid limit 1) g on true
        cross join lateral (
            select coalesce(g.mode, l.mode, 'none') as mode,
                coalesce(g.user_may_change, l.user_may_change, false) as user_may_change,
                coalesce(g.remember_login_data, l.remember_login_data, false) as remember_login_data
        ) m;
