-- Events that the log has not acknowledged yet. Written with the rows they tell of, deleted by id once sent.
-- `autoincrement`: an id is never used twice, even when the table was empty in between.
create table outbox (
    id             integer not null primary key autoincrement,
    event_id       blob    not null,
    topic          text    not null,
    key            blob    not null,
    value          blob,
    type           text    not null,
    traceparent    text    not null,
    schema_version integer not null,
    at             integer not null
) strict;

-- Row changes of the captured tables that the log has not acknowledged yet: whole rows before and after as JSON
-- objects with the store's column names. The id is the change's position for consumers, so it is never reused.
create table change_log (
    id          integer not null primary key autoincrement,
    event_id    blob    not null,
    table_name  text    not null,
    op          text    not null check (op in ('c', 'u', 'd')),
    key         text    not null,
    before      text,
    after       text,
    traceparent text    not null,
    at          integer not null
) strict;

-- What was answered to a write that carried an idempotency key. Good for 24 hours.
create table idempotency_keys (
    user_id     blob    not null,
    route       text    not null,
    key         text    not null,
    fingerprint blob    not null,
    answer      text    not null,
    created_at  integer not null,
    primary key (user_id, route, key)
) strict, without rowid;

create index idempotency_keys_by_age on idempotency_keys (created_at);
