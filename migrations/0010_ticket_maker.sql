-- A link that users made for themselves takes no account away from anybody; the audit log tells whose link it was.

-- Links of a gateway of before count as the users' own: they live an hour.
alter table sign_in_ticket
    add column is_own boolean not null default true,
    add column maker_kind text,
    add column maker_name text;
comment on column sign_in_ticket.is_own is 'The user made it, with no other right than being that user.';
comment on column sign_in_ticket.maker_kind is 'Who made it, in the words of the audit log; null: a gateway of before.';
comment on column sign_in_ticket.maker_name is 'Which token, which person; null: there is but one of the kind.';
