-- The current epoch of each journalled room. A new epoch raises `generation`, which orders the epochs of a room.
create table rooms (
    room       blob    primary key,
    generation integer not null,
    epoch      text    not null,
    newest_at  integer not null
) without rowid;

create index rooms_by_newest on rooms (newest_at);

-- Sequenced events of rooms; `event` is JSON, `at` is in epoch milliseconds, `chat` is 1 for chat messages.
create table room_journal (
    room       blob    not null,
    generation integer not null,
    seq        integer not null,
    epoch      text    not null,
    at         integer not null,
    chat       integer not null,
    event      text    not null,
    dedup_user blob,
    dedup_key  text,
    primary key (room, generation, seq)
) without rowid;
