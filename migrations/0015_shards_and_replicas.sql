-- Which replicas live, how subscriber accounts do, who is swept and why, and which changes push did not tell.

create table replica (
    id uuid primary key,
    version text not null,
    started_at timestamptz not null,
    seen_at timestamptz not null
) with (fillfactor = 50);
comment on table replica is 'Gateways that work on this database; each says every few seconds that it lives. They share Graph''s request budget.';
comment on column replica.id is 'As in lease.holder: made anew at each start.';
comment on column replica.version is 'The program''s version, so that a rolling update can be followed.';
comment on column replica.seen_at is 'When it last said so, by its own clock. Whoever is silent for 20 seconds counts as gone.';

alter table subscriber_account
    add column problem_kind text,
    add column problem_at timestamptz,
    add column refusals integer not null default 0,
    add column refused_since timestamptz,
    add column refusal text,
    add column retry_at timestamptz,
    add column silences integer not null default 0,
    add column silence_found_at timestamptz;
comment on column subscriber_account.problem_kind is 'What kind of problem it is: refresh_refused, interaction_required, consent_withdrawn, account_gone.';
comment on column subscriber_account.problem_at is 'Since when there is a problem.';
comment on column subscriber_account.refusals is 'How often in a row Graph would not let it have a subscription.';
comment on column subscriber_account.refused_since is 'Since when; null: Graph lets it.';
comment on column subscriber_account.refusal is 'What Graph last said to that, without names.';
comment on column subscriber_account.retry_at is 'Nothing is asked of an account with a problem, or one that is refused, before this.';
comment on column subscriber_account.silences is 'How often in a row its subscription was found silent: each time it is left longer before it is made anew again.';
comment on column subscriber_account.silence_found_at is 'When that was last found.';

alter table subscription
    add column heard_at timestamptz,
    add column silent_since timestamptz;
comment on column subscription.silent_since is 'Since when it is known to tell nothing, or not enough; its users are swept faster. Null: it tells.';
comment on column subscription.heard_at is 'When a genuine notification of it last came in, to within ten seconds.';

create table missed_change (
    subscription_id uuid not null constraint missed_change_subscription references subscription on delete cascade,
    teams_id uuid not null,
    times integer not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (subscription_id, teams_id)
);
create index missed_change_user on missed_change (teams_id);
comment on table missed_change is 'Changes that a sweep found though a subscription should have told them. A notification about the user that comes later takes the row away.';

create table swept_user (
    teams_id uuid primary key,
    why text not null,
    since timestamptz not null
);
create index swept_user_why on swept_user (why, teams_id);
comment on table swept_user is 'Users whose presence matters and whom no subscription watches, or none that can be relied on: they are read by sweeps.';
comment on column swept_user.why is 'joining: waits for others to join with; no_room: too few accounts; lost: the account that watched them fails, they are swept faster.';

create index subscription_user_teams_id on subscription_user (teams_id);
