-- Events that the log has not acknowledged yet. Written with the rows they tell of, deleted by id once sent.
-- `cache 1`: a session takes one id at a time, so that the ids of a key grow in the order of its row's locks.
create table outbox (
    id             bigint      not null generated always as identity (cache 1) primary key,
    event_id       uuid        not null,
    topic          text        not null,
    key            bytea       not null,
    value          bytea,
    type           text        not null,
    traceparent    text        not null,
    schema_version smallint    not null,
    at             timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Row changes of the captured tables that the log has not acknowledged yet: whole rows before and after as JSON
-- objects with the store's column names. The id is the change's position for consumers, so it is never reused.
create table change_log (
    id          bigint      not null generated always as identity (cache 1) primary key,
    event_id    uuid        not null,
    table_name  text        not null,
    op          text        not null check (op in ('c', 'u', 'd')),
    key         json        not null,
    before      json,
    after       json,
    traceparent text        not null,
    at          timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- What was answered to a write that carried an idempotency key. Good for 24 hours. A row without an answer is
-- only seen by the write that is about to give it.
create table idempotency_keys (
    user_id     uuid        not null,
    route       text        not null,
    key         text        not null,
    fingerprint bytea       not null,
    answer      text,
    created_at  timestamptz not null,
    primary key (user_id, route, key)
) with (fillfactor = 80);

create index idempotency_keys_by_age on idempotency_keys (created_at);
