-- The other direction: what XPhone says is shown in Teams, in two slots of its own, and told apart from what Teams says itself.

alter table user_state rename column reason to appointment_reason;
alter table user_state
    add column session_reason text,
    add column preferred_reason text,
    add column read_availability text,
    add column read_activity text,
    add column read_at timestamptz,
    add column in_teams boolean not null default false,
    add column cleared_at timestamptz;
update user_state set read_availability = teams_availability, read_activity = teams_activity, read_at = teams_observed_at
    where teams_source = 'read';
comment on column user_state.read_at is 'The newest observation that a read made, beside the newest of all; the same where the newest was a read.';
comment on column user_state.in_teams is 'Something of ours is, was just, or must not be in Teams: every observation wakes the user.';

comment on column user_state.cleared_at is 'When an appointment was last taken away: a list asked for before may still name it.';
comment on column user_state.revisit_at is 'The scheduler: the reconciler decides for whoever''s time has come. Waking a user means the epoch: past by any clock.';

alter table slot
    add column teams_id uuid,
    add column live_from timestamptz,
    add column live_until timestamptz,
    drop constraint slot_name,
    drop constraint slot_state,
    drop constraint slot_shown,
    drop constraint slot_suppressed;
alter table slot
    add constraint slot_name check (name in ('xphone_appointment', 'teams_session', 'teams_preferred')),
    add constraint slot_state check (state in ('shown', 'overridden', 'lapsed', 'ended')),
    add constraint slot_shown check (state <> 'shown' or case name
        when 'xphone_appointment' then until is not null and presence is not null and subject is not null
            and num_nonnulls(profile_guid, presence_status_guid) = 1
        else teams_id is not null and (reached_at is null) = (until is null) end),
    add constraint slot_suppressed check (state in ('shown', 'ended') or name <> 'xphone_appointment' or cause is not null),
    add constraint slot_live check (live_from is not null or live_until is null);
comment on column slot.state is 'shown: shown or on its way. overridden: a person undid it. lapsed: it ran out by itself. ended: taken away, but Teams may still tell of it.';
comment on column slot.teams_id is 'For whom it was shown in Teams; the person may be matched anew meanwhile.';
comment on column slot.live_from is 'When it was first sent to Teams: from then on what Teams says may be our own doing.';
comment on column slot.live_until is 'When it was taken away or given up; null: not yet.';

alter table outbox add column teams_id uuid, add column sent_at timestamptz;
update outbox set sent_at = decided_at where maybe_applied;
alter table outbox
    drop column maybe_applied,
    drop constraint outbox_shows,
    add constraint outbox_shows check (not shows or slot <> 'xphone_appointment'
        or (subject is not null and starts_at is not null and ends_at is not null)),
    add constraint outbox_teams check ((slot = 'xphone_appointment') = (teams_id is null));
comment on column outbox.teams_id is 'Whom the letter is about, in Teams.';
comment on column outbox.sent_at is 'When the first attempt went out that may have taken effect; null: none.';
-- Each side is served for itself: what waits for a dead one must not be read over and over for the other.
drop index outbox_due;
create index outbox_teams on outbox (teams_id, slot) where teams_id is not null;
create index outbox_due on outbox ((slot = 'xphone_appointment'), due_at);
