-- Rows that change all the time: room beside them for their next version, and tidied up by how much has changed. Postgres' own rule,
-- a fifth of the table, lets the dead pile up where the table is large, and queues be read past thousands of them where it is small.

alter table user_state set (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_limit = 2000,
    autovacuum_analyze_scale_factor = 0.05);
alter table slot set (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_limit = 2000,
    autovacuum_analyze_scale_factor = 0.05);

-- The queues: nearly every row dies within a second, so the table's size says nothing. Their files are not shortened either: that takes
-- a lock which keeps everybody out, for pages that are needed again in the next minute.
alter table inbox set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_limit = 2000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000, vacuum_truncate = false);
alter table outbox set (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_limit = 2000,
    vacuum_truncate = false);

-- A handful of rows, each written every few seconds by every replica.
alter table lease set (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
alter table feed set (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
alter table refusal set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Only ever added to, and pruned from the old end: frozen and marked as all visible bit by bit instead of in one long run, and what
-- was pruned is free for what comes next.
alter table timeline set (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_vacuum_cost_limit = 2000, vacuum_truncate = false);
alter table shadow_show set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

-- Whoever is looked up by address (an operator, every report of a microphone) is found without reading everybody.
create index person_email on person (lower(email));
