-- Each call records a slot, and to look up for each whether its user is there (and to lock that row against leaving) cost a quarter of
-- writing it. Whoever writes a slot has locked the user's row in user_state, so the user is there; and the trigger of 0023 takes slots away
-- with their user.

-- In the order in which a gateway at work takes them: the key's removal alone would take the last two the other way round.
lock table user_state, person, slot in access exclusive mode;
alter table slot drop constraint slot_person;

-- Whatever is recorded as shown is changed once more a moment later, when it has arrived: there is room for that beside it.
alter table slot set (fillfactor = 50);
