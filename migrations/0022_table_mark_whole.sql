-- Whatever way a table of people is changed by, it is counted.

-- An operator's session, or a restore of data alone, need not find our tables by their bare names.
create or replace function mark_table() returns trigger language plpgsql set search_path from current as $$
begin
    if tg_op <> 'TRUNCATE' then
        if not exists (select from changed) then
            return null;
        end if;
    end if;
    update table_mark set changes = changes + 1 where name = tg_table_name;
    return null;
end
$$;

do $$
declare
    name text;
begin
    foreach name in array array['person', 'teams_sync', 'teams_person', 'teams_link', 'teams_unlinked', 'imported_seat'] loop
        execute format('create trigger mark_truncated after truncate on %I for each statement execute function mark_table()', name);
    end loop;
end
$$;
