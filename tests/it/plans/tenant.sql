-- Fifty thousand users, as the gateway knows them: matched, read, decided for; a tenth of them show something.

insert into location (guid, name) values ('00000000-0000-0000-0000-00000000000a', 'Everywhere');
insert into configuration_group (guid, location_guid, name)
    select md5('group' || n)::uuid, '00000000-0000-0000-0000-00000000000a', n::text from generate_series(0, 499) n;
insert into teams_sync (guid, mode, user_may_change, remember_login_data, shadow)
    values ('00000000-0000-0000-0000-00000000000a', 'telephony_and_presence', false, false, false);

insert into person (guid, email, name, location_guid, configuration_group_guid, match, teams_id)
    select md5('x' || n)::uuid, n || '@example.com', n::text, '00000000-0000-0000-0000-00000000000a', md5('group' || n % 500)::uuid,
        'matched', md5('t' || n)::uuid
    from generate_series(1, 50000) n;
insert into user_state (user_guid, teams_availability, teams_activity, teams_source, teams_observed_at, native, native_since,
        read_availability, read_activity, read_at, xphone_telephone_state, xphone_meeting, xphone_ours, xphone_observed_at, decided_at)
    select guid, 'Available', 'Available', 'read', now(), 'free', now(),
        'Available', 'Available', now(), 2, 'none', false, now(), now()
    from person;
insert into profile (user_guid, position, guid, name, presence_status_guid, active)
    select guid, 0, guid, 'MS Teams', guid, true from person;
insert into teams_person (id, user_principal_name, mail, enabled, reading) select teams_id, email, email, true, 1 from person;
insert into teams_link (user_guid, teams_id, linked_by, linked_at)
    select guid, teams_id, 'somebody', now() from person where name::int % 10 = 0;
insert into kept_login (user_guid, teams_id, refresh_token, kept_at, renewed_at, renew_at)
    select user_guid, teams_id, '\x00', now(), now(), now() + interval '30 d' from teams_link;
insert into teams_sync_choice (user_guid, mode) select guid, 'telephony' from person where name::int % 10 = 1;

insert into slot (user_guid, name, state, cause, since, until, presence, subject, profile_guid, reached_at)
    select guid, 'xphone_appointment', 'shown', 'call', now(), now() + interval '12 h', 'on_the_phone', 'On the phone', guid, now()
    from person where name::int % 10 = 0;
insert into timeline (user_guid, decided_at) select guid, now() from person, generate_series(1, 4);
insert into outbox (user_guid, slot, shows, decided_at, due_at)
    select guid, 'xphone_appointment', false, now(), now() from person where name::int % 10 = 3;
insert into outbox (user_guid, slot, shows, teams_id, decided_at, due_at)
    select guid, 'teams_session', name::int % 20 = 4, teams_id, now(), now() from person where name::int % 10 = 4;
insert into inbox (kind, received_at, due_at, body) select 'notification', now(), now(), '\x00' from generate_series(1, 5000);

insert into subscriber_account (id, user_principal_name, refresh_token, enrolled_at, refreshed_at)
    select md5('a' || n)::uuid, 's' || n, '\x00', now(), now() from generate_series(0, 76) n;
insert into notification_certificate (id, certificate, private_key, made_at, last_named_at)
    values (md5('c')::uuid, '\x00', '\x00', now(), now());
insert into subscription (id, account_id, client_state, certificate_id, notification_url, created_at, expires_at, renew_at)
    select md5('s' || n)::uuid, md5('a' || n)::uuid, '\x00', md5('c')::uuid, '', now(), now() + interval '1 h', now()
    from generate_series(0, 76) n;
insert into subscription_user (subscription_id, teams_id) select md5('s' || (name::int / 650))::uuid, teams_id from person;
insert into swept_user (teams_id, why, since) select teams_id, case when name::int % 100 = 0 then 'lost' else 'no_room' end, now()
    from person where name::int % 10 = 5;
insert into missed_change (subscription_id, teams_id, times, first_at, last_at)
    select subscription_id, teams_id, 1, now(), now() from subscription_user where hashtext(teams_id::text) % 20 = 0;

insert into workstation (id, user_guid, name, hash, created_at) select guid, guid, 'PC', sha256(email::bytea), now() from person;
insert into microphone_report (user_guid, workstation, workstation_id, reported_at, processes, since)
    select guid, 'pc', guid, now(), array['zoom'], array[now()] from person where name::int % 10 = 6;
insert into imported_seat (email, location_guid, configuration_group_guid)
    select email, location_guid, configuration_group_guid from person;
insert into teams_unlinked (user_guid, at) select guid, now() from person where name::int % 10 = 7;
insert into sign_in_ticket (hash, user_guid, made_at, expires_at)
    select sha256(email::bytea), guid, now(), now() + interval '1 h' from person where name::int % 10 = 8;
