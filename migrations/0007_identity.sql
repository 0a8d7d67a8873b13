-- Users link themselves by signing in, and may leave their login data; subscriber accounts come and go over the admin API.

create table sign_in_ticket (
    hash bytea primary key constraint sign_in_ticket_hash_sha256 check (octet_length(hash) = 32),
    user_guid uuid not null constraint sign_in_ticket_user references person on delete cascade,
    made_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index sign_in_ticket_user on sign_in_ticket (user_guid);
comment on table sign_in_ticket is 'One-time addresses with which users link their own Teams account; upkeep forgets what nobody can use any more.';
comment on column sign_in_ticket.hash is 'SHA-256 of the ticket: 256 random bits need no slow hash.';
comment on column sign_in_ticket.user_guid is 'Whose account is linked, whoever follows the address.';
comment on column sign_in_ticket.used_at is 'When a link was made with it; null: not yet. Opening the address alone uses nothing up: mail scanners do that.';

alter table teams_link add constraint teams_link_pair unique (user_guid, teams_id);

create table kept_login (
    user_guid uuid primary key,
    teams_id uuid not null,
    refresh_token bytea,
    problem text,
    kept_at timestamptz not null,
    renewed_at timestamptz not null,
    renew_at timestamptz not null,
    constraint kept_login_link foreign key (user_guid, teams_id) references teams_link (user_guid, teams_id) on delete cascade,
    constraint kept_login_problem check ((refresh_token is null) = (problem is not null))
);
create index kept_login_due on kept_login (renew_at) where refresh_token is not null;
comment on table kept_login is 'Login data of users who linked themselves where the policy says to remember it; it goes with its link.';
comment on column kept_login.refresh_token is 'Sealed for this user and this Teams account, and of no use for any other; null: Entra ID takes it no more.';
comment on column kept_login.problem is 'Why the user must sign in again to prove the link anew.';
comment on column kept_login.renew_at is 'When the link is proved anew with it, long before Entra ID forgets it.';

alter table subscriber_account add column leaving_at timestamptz;
comment on column subscriber_account.leaving_at is 'Somebody removed the account: it goes as soon as its subscription at Graph has gone.';

create table subscriber_enrolment (
    name text primary key,
    user_principal_name text not null,
    attempt uuid not null,
    begun_at timestamptz not null,
    expires_at timestamptz not null,
    alive_until timestamptz not null,
    ended_at timestamptz,
    outcome text constraint subscriber_enrolment_outcome check (outcome in ('enrolled', 'somebody_else', 'not_approved', 'failed')),
    problem text,
    constraint subscriber_enrolment_ended check ((ended_at is null) = (outcome is null))
);
comment on table subscriber_enrolment is 'The latest enrolment of each subscriber account that was begun over the admin API; its codes are never stored.';
comment on column subscriber_enrolment.name is 'The sign-in name in lower case.';
comment on column subscriber_enrolment.attempt is 'Which attempt the row is about: a newer one takes the place of an older one.';
comment on column subscriber_enrolment.expires_at is 'Until when the code can be entered.';
comment on column subscriber_enrolment.alive_until is 'Moved on by the gateway that waits; past without an outcome: that gateway is gone, and the enrolment with it.';

create index teams_person_name on teams_person (lower(user_principal_name));
