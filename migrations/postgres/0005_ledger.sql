-- Who owns a partition of a topic, and how far its input is in the tables of a pipeline. `pending_next` is the end
-- of the range from `next_offset` on that was begun: its rows may have been written.
create table pipeline_partitions (
    pipeline     text        not null,
    topic        text        not null,
    partition    integer     not null,
    epoch        bigint      not null,
    owner        text        not null,
    next_offset  bigint      not null check (next_offset >= 0),
    pending_next bigint      check (pending_next > next_offset),
    watermark    timestamptz,
    primary key (pipeline, topic, partition)
) with (fillfactor = 50);

-- How the offsets of each of the last batches ended.
create table pipeline_batches (
    pipeline     text        not null,
    topic        text        not null,
    partition    integer     not null,
    first_offset bigint      not null,
    next_offset  bigint      not null,
    epoch        bigint      not null,
    landed       bigint      not null,
    duplicate    bigint      not null,
    dead         bigint      not null,
    ignored      bigint      not null,
    watermark    timestamptz not null,
    primary key (pipeline, topic, partition, first_offset),
    check (landed + duplicate + dead + ignored = next_offset - first_offset)
);

-- Records that cannot be understood, as they came.
create table dead_letters (
    pipeline      text        not null,
    topic         text        not null,
    partition     integer     not null,
    record_offset bigint      not null,
    record_key    bytea       not null,
    record_value  bytea       not null,
    headers       text        not null,
    reason        text        not null,
    watermark     timestamptz not null,
    primary key (pipeline, topic, partition, record_offset)
);
