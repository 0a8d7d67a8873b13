-- Servers that do not tell their tree: it is imported.

create table imported_seat (
    email text primary key constraint imported_seat_email check (email = lower(email) and email <> ''),
    location_guid uuid not null constraint imported_seat_location references location on delete cascade,
    configuration_group_guid uuid constraint imported_seat_group references configuration_group on delete cascade
);
comment on table imported_seat is 'Who sits where, as imported; used only where XPhone''s server does not tell it.';
comment on column imported_seat.email is 'In lower case. People need not be known yet.';
comment on column imported_seat.configuration_group_guid is 'null: directly at the location.';
create index imported_seat_location_guid on imported_seat (location_guid);
create index imported_seat_group_guid on imported_seat (configuration_group_guid);
