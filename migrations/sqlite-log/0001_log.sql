-- One row per partition of a topic. `earliest` and `next` outlive the records: trimming everything moves
-- `earliest` up to `next`, and offsets are never given twice.
create table partitions (
    slot      integer primary key,
    topic     text    not null,
    partition integer not null check (partition >= 0),
    earliest  integer not null default 0,
    next      integer not null default 0,
    unique (topic, partition),
    check (0 <= earliest and earliest <= next)
);

-- The records, in the order of their partition. `value` is null for a tombstone; `at` is in epoch milliseconds.
create table records (
    slot    integer not null references partitions (slot),
    offset  integer not null,
    key     blob    not null,
    value   blob,
    headers text    not null,
    at      integer not null,
    primary key (slot, offset)
) without rowid;

-- Positions that consumer groups report, for lag tools only.
create table group_offsets (
    "group" text    not null,
    slot    integer not null references partitions (slot),
    next    integer not null,
    primary key ("group", slot)
) without rowid;
