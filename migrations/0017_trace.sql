-- A change that is followed is followed through the queues: each row holds the span that its next step belongs to.

alter table inbox add column trace text;
alter table user_state add column trace text;
alter table outbox add column trace text;
comment on column inbox.trace is 'W3C''s traceparent, made by the gateway itself; null: this change is not followed, as most are not.';
comment on column user_state.trace is 'Of the newest change that is followed and not decided yet.';
comment on column outbox.trace is 'Of the decision that the letter carries.';
