-- Whether anything about people has changed is known without reading everybody.

create table table_mark (
    name text primary key,
    changes bigint not null
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
comment on table table_mark is 'How often tables of people were changed: whoever reads the number first and then the table reads it again only when the number is another.';
comment on column table_mark.changes is 'Counted within the transaction of the change, so both are seen at the same moment; its row is held until that transaction ends, so a change that commits late cannot hide behind a later number. A sequence, or the newest time of a row, could not promise that.';

-- One row is enough for each: these tables are written by the directory's task, one transaction after the other, by administrators, and
-- by people who link themselves. Nothing that a decision, an observation or a push writes is among them, or everybody would queue here.
create function mark_table() returns trigger language plpgsql as $$
begin
    if exists (select from changed) then
        update table_mark set changes = changes + 1 where name = tg_table_name;
    end if;
    return null;
end
$$;
comment on function mark_table is 'Counts a statement that changed anything.';

do $$
declare
    name text;
begin
    foreach name in array array['person', 'teams_sync', 'teams_person', 'teams_link', 'teams_unlinked', 'imported_seat'] loop
        insert into table_mark (name, changes) values (name, 0);
        execute format('create trigger mark_inserted after insert on %I referencing new table as changed
            for each statement execute function mark_table()', name);
        execute format('create trigger mark_updated after update on %I referencing new table as changed
            for each statement execute function mark_table()', name);
        execute format('create trigger mark_deleted after delete on %I referencing old table as changed
            for each statement execute function mark_table()', name);
    end loop;
end
$$;
comment on table profile is 'Each user''s My Profiles; the order counts. Only ever written together with their person, whose mark stands for both.';
