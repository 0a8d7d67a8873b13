-- What is recorded about slots leaves with its user, by a trigger beside the key that 0025 gives up.

create function forget_slots() returns trigger language plpgsql set search_path from current as $$
begin
    delete from slot where user_guid = old.user_guid;
    return null;
end
$$;
comment on function forget_slots is 'What is recorded about slots leaves with its user.';
create trigger slots_forgotten after delete on user_state for each row execute function forget_slots();
