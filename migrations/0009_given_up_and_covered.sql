-- What was shown in Teams may have to wait for a read before it is taken away: meanwhile XPhone may give another cause.

alter table slot add column given_up boolean not null default false;
comment on column slot.given_up is 'Shown in Teams, but its cause has ended, or it was taken back before Graph confirmed it: a read must tell whether it is still ours to take away.';

-- What the gateway set in XPhone covers the user's own status and tells nothing of it: only that is kept.
update user_state set xphone_status_guid = null where xphone_ours;
comment on column user_state.xphone_status_guid is 'The status that XPhone showed last and that was not ours.';
comment on column user_state.xphone_ours is 'What XPhone shows now is ours.';
