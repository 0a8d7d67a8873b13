-- What the gateway keeps: the two systems' people, what was observed of them, what is shown, and the queues between.
-- Times come from the gateway's clock, never from the database's.

create table location (
    guid uuid primary key,
    name text not null
);
comment on table location is 'Locations of XPhone''s tree.';

create table configuration_group (
    guid uuid primary key,
    location_guid uuid not null constraint configuration_group_location references location on delete cascade,
    name text not null
);
comment on table configuration_group is 'Configuration groups of XPhone''s tree, each inside a location.';

create table presence_status (
    guid uuid primary key,
    kind text not null
);
comment on table presence_status is 'XPhone''s fixed presence statuses; kind: available, be_right_back, busy, do_not_disturb, unavailable, offline, or a word the server invented.';

create table person (
    guid uuid primary key,
    email text,
    location_guid uuid,
    configuration_group_guid uuid,
    match text not null,
    teams_id uuid constraint person_teams_id unique,
    constraint person_matched check ((teams_id is not null) = (match = 'matched'))
);
comment on table person is 'Everybody XPhone knows, and which Teams user that is.';
comment on column person.guid is 'XPhone''s.';
comment on column person.location_guid is 'From the distinguished name; the tree may not know it yet, hence no foreign key.';
comment on column person.match is 'matched, or why there is no single Teams user: no_email, not_in_teams, duplicate_in_xphone, duplicate_in_teams, disabled_in_teams.';

create table profile (
    user_guid uuid not null constraint profile_user references person on delete cascade,
    position integer not null,
    guid uuid not null,
    name text not null,
    presence_status_guid uuid not null,
    active boolean not null,
    primary key (user_guid, position)
);
comment on table profile is 'Each user''s My Profiles; the order counts.';

create table teams_sync (
    guid uuid primary key,
    mode text not null constraint teams_sync_mode check (mode in ('none', 'telephony', 'telephony_and_presence')),
    user_may_change boolean not null,
    remember_login_data boolean not null,
    shadow boolean not null,
    changed_at timestamptz not null
);
comment on table teams_sync is 'Teams synchronisation as set for a location or a configuration group; no row: inherited, or never set.';
comment on column teams_sync.guid is 'The location''s or the configuration group''s; XPhone''s guids are unique across both.';

create table teams_sync_choice (
    user_guid uuid primary key constraint teams_sync_choice_user references person on delete cascade,
    mode text not null constraint teams_sync_choice_mode check (mode in ('none', 'telephony', 'telephony_and_presence'))
);
comment on table teams_sync_choice is 'What users chose for themselves; counts only where they may.';

create table user_state (
    user_guid uuid primary key constraint user_state_person references person on delete cascade,
    teams_availability text,
    teams_activity text,
    teams_sequence text,
    teams_source text constraint user_state_teams_source check (teams_source in ('notification', 'read')),
    teams_observed_at timestamptz,
    confirm_at timestamptz,
    native text,
    native_since timestamptz,
    xphone_telephone_state integer,
    xphone_meeting text,
    xphone_status_guid uuid,
    xphone_ours boolean,
    xphone_client_connected boolean,
    xphone_sequence bigint,
    xphone_observed_at timestamptz,
    reason text,
    decided_at timestamptz,
    changed_at timestamptz,
    revisit_at timestamptz
) with (fillfactor = 70);
comment on table user_state is 'The hot row: what was last observed of a user, what was last decided, when to look again.';
comment on column user_state.teams_availability is 'Graph''s word as it came.';
comment on column user_state.teams_sequence is 'Graph''s sequenceNumber, where it came: sorts as text, a lower one never replaces a higher one.';
comment on column user_state.teams_observed_at is 'A notification''s arrival, a read''s beginning; an older observation never replaces a newer one.';
comment on column user_state.confirm_at is 'A notification is only provisional: when to confirm it by reading; null: confirmed.';
comment on column user_state.native is 'What Teams itself said at the last decision: free, call, presenting, do_not_disturb.';
comment on column user_state.changed_at is 'Arrival of the oldest change not decided yet; for the time from change to push.';
comment on column user_state.revisit_at is 'The scheduler: the reconciler decides for whoever''s time has come. Waking a user means: now.';
create index user_state_revisit on user_state (revisit_at) where revisit_at is not null;
create index user_state_confirm on user_state (confirm_at) where confirm_at is not null;

create table slot (
    user_guid uuid not null constraint slot_person references person on delete cascade,
    name text not null constraint slot_name check (name in ('xphone_appointment')),
    state text not null constraint slot_state check (state in ('shown', 'overridden', 'lapsed')),
    cause text,
    since timestamptz not null,
    until timestamptz,
    presence text,
    subject text,
    profile_guid uuid,
    presence_status_guid uuid,
    reached_at timestamptz,
    sighting text not null default 'as_set',
    primary key (user_guid, name),
    constraint slot_shown check (state <> 'shown' or (until is not null and presence is not null and subject is not null
        and num_nonnulls(profile_guid, presence_status_guid) = 1)),
    constraint slot_suppressed check (state = 'shown' or cause is not null)
) with (fillfactor = 80);
comment on table slot is 'What the gateway recorded as shown, or must not show again before its cause has ended; no row: nothing.';
comment on column slot.state is 'shown: shown or on its way. overridden: a person undid it. lapsed: it ran out by itself.';
comment on column slot.cause is 'call or do_not_disturb; null: found in XPhone with our origin, made by an earlier run.';
comment on column slot.reached_at is 'When the side last confirmed what is recorded; null: not yet.';
comment on column slot.sighting is 'What a comparison with the side found: as_set, removed, lost.';

create sequence outbox_generation;
create table outbox (
    user_guid uuid not null,
    slot text not null,
    generation bigint not null default nextval('outbox_generation'),
    shows boolean not null,
    subject text,
    profile_guid uuid,
    presence_status_guid uuid,
    starts_at timestamptz,
    ends_at timestamptz,
    changed_at timestamptz,
    decided_at timestamptz not null,
    due_at timestamptz not null,
    attempts integer not null default 0,
    claimed_until timestamptz,
    maybe_applied boolean not null default false,
    problem text,
    primary key (user_guid, slot),
    constraint outbox_shows check (not shows or (subject is not null and starts_at is not null and ends_at is not null))
) with (fillfactor = 70);
comment on table outbox is 'Mailboxes, one per user and slot: what must still be told to a side. The newest decision replaces what lies there.';
comment on column outbox.generation is 'Grows with every decision: a sender that comes late settles nothing newer than what it sent.';
comment on column outbox.shows is 'true: set it. false: take it away.';
comment on column outbox.claimed_until is 'A sender is at it until then; kept when the content is replaced, so that the newer is never overtaken by the older.';
comment on column outbox.maybe_applied is 'An attempt went out and may have taken effect.';
comment on column outbox.problem is 'Why the last attempt failed, without personal content.';
create index outbox_due on outbox (due_at);

create table inbox (
    id bigint generated always as identity primary key,
    kind text not null constraint inbox_kind check (kind in ('notification', 'lifecycle')),
    received_at timestamptz not null,
    due_at timestamptz not null,
    body bytea not null
);
-- Encrypted content does not compress, and trying costs more than the rest of the insert.
alter table inbox alter column body set storage external;
comment on table inbox is 'What Graph posted and was told 202 for; rows leave when they have become facts or refusals.';
comment on column inbox.due_at is 'Later than received_at where signing keys could not be had yet.';
create index inbox_due on inbox (due_at, id);

create table refusal (
    minute timestamptz not null,
    reason text not null,
    subscription_id uuid,
    refused bigint not null,
    constraint refusal_key unique nulls not distinct (minute, reason, subscription_id)
);
comment on table refusal is 'Notifications that were not believed, without their content; one row a minute, reason and subscription, so that a flood fills nothing.';
comment on column refusal.minute is 'When they arrived.';
comment on column refusal.subscription_id is 'The subscription of ours that they named; null: none.';
comment on column refusal.refused is 'How many.';

create table subscriber_account (
    id uuid primary key,
    user_principal_name text not null,
    refresh_token bytea not null,
    problem text,
    enrolled_at timestamptz not null,
    refreshed_at timestamptz not null
);
create unique index subscriber_account_name on subscriber_account (lower(user_principal_name));
comment on table subscriber_account is 'Signed-in Teams accounts, each of which may hold one presence subscription.';
comment on column subscriber_account.id is 'Entra ID''s object id.';
comment on column subscriber_account.refresh_token is 'Sealed.';
comment on column subscriber_account.problem is 'Why the account is of no use until somebody signs in again.';

create table notification_certificate (
    id uuid primary key,
    certificate bytea not null,
    private_key bytea not null,
    made_at timestamptz not null,
    last_named_at timestamptz not null
);
comment on table notification_certificate is 'Graph encrypts for the newest; older ones stay until nothing can name them any more.';
comment on column notification_certificate.certificate is 'X.509, DER.';
comment on column notification_certificate.private_key is 'PKCS#8, sealed.';
comment on column notification_certificate.last_named_at is 'When a subscription was last asked to use it.';

create table subscription (
    id uuid primary key,
    account_id uuid not null constraint subscription_account references subscriber_account on delete cascade,
    client_state bytea not null,
    certificate_id uuid not null constraint subscription_certificate references notification_certificate,
    notification_url text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    renew_at timestamptz not null
);
comment on table subscription is 'Change notification subscriptions at Graph, by Graph''s id.';
comment on column subscription.client_state is 'The secret that each notification must repeat, sealed.';

create table subscription_user (
    subscription_id uuid not null constraint subscription_user_subscription references subscription on delete cascade,
    teams_id uuid not null,
    primary key (subscription_id, teams_id)
);
comment on table subscription_user is 'Whom a subscription watches; Graph cannot change the list.';

create table lease (
    name text primary key,
    holder uuid not null,
    expires_at timestamptz not null
);
comment on table lease is 'Work that only one replica may do at a time, and who does it.';

create table feed (
    name text primary key,
    refreshed_at timestamptz not null
);
comment on table feed is 'When something was last read whole: directory, sweep, xphone_presence.';
