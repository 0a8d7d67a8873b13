-- Who may use the admin API, and who changed what with it.

create table api_token (
    id uuid primary key,
    name text not null,
    hash bytea not null constraint api_token_hash unique constraint api_token_hash_sha256 check (octet_length(hash) = 32),
    role text not null constraint api_token_role check (role in ('viewer', 'operator', 'admin')),
    location_guid uuid,
    created_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz
);
create unique index api_token_name on api_token (name) where revoked_at is null;
comment on table api_token is 'Tokens for the admin API. Revoked ones stay, so that the audit log can be understood.';
comment on column api_token.hash is 'SHA-256 of the token: 256 random bits need no slow hash, and nobody can guess one from its hash.';
comment on column api_token.location_guid is 'All that it reaches; null: everything. No foreign key: a token must not reach more when its location goes.';
comment on column api_token.last_used_at is 'Written once a minute at most.';

create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    actor_kind text not null constraint audit_actor_kind check (actor_kind in ('bootstrap', 'token', 'person', 'command_line')),
    actor text,
    remote text,
    action text not null,
    target_kind text not null,
    target text,
    before jsonb,
    after jsonb,
    constraint audit_actor check ((actor is null) = (actor_kind in ('bootstrap', 'command_line')))
);
create index audit_at on audit (at);
comment on table audit is 'Who changed what, written in the transaction of the change; rows are only ever added, until they are too old.';
comment on column audit.actor is 'The token''s name, or the person''s object id in Entra ID.';
comment on column audit.remote is 'The address the request came from; null: from this machine''s command line.';
comment on column audit.before is 'What was set; null: nothing.';
comment on column audit.after is 'What is set now; null: nothing.';

-- Rights would not do: one role owns the tables, migrates them and runs the gateway, and an owner keeps all rights.
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('presence_gateway.forgets_audit', true) = 'yes' then
        return old;
    end if;
    raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_rows before update or delete on audit for each row execute function audit_is_append_only();
create trigger audit_whole before truncate on audit for each statement execute function audit_is_append_only();
comment on function audit_is_append_only is 'Only upkeep deletes, and says so for its own transaction.';

create table pseudonym_key (
    single boolean primary key default true constraint pseudonym_key_single check (single),
    key bytea not null
);
comment on table pseudonym_key is 'The key of the pseudonyms in exports of the audit log, so that the same person always gets the same; one row.';
comment on column pseudonym_key.key is 'Sealed.';
