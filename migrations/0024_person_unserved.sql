-- Whose observations may be forgotten once they are old; two statements ask for them.

create view person_unserved as
    select p.user_guid
    from person_policy p
    where (p.teams_id is null or not p.is_synchronised)
        and not exists (select from slot where slot.user_guid = p.user_guid)
        and not exists (select from outbox where outbox.user_guid = p.user_guid);
comment on view person_unserved is 'Whoever nothing is synchronised for, and of whom nothing of ours is shown, held back or on its way.';
