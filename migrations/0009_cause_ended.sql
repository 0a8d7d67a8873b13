-- What was shown in Teams may have to wait for a read before it is taken away: meanwhile XPhone may give another cause.

alter table slot add column cause_ended boolean not null default false;
comment on column slot.cause_ended is 'Shown in Teams, and XPhone was heard without its cause since: a read must tell whether it is still ours to take away.';
