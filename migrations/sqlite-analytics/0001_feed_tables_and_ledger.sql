-- Derived tables of the feed and the ledger of the consumers that keep them.
--
-- Ids are 16-byte blobs, times epoch milliseconds. `_version` orders the history of a key: a 128-bit number,
-- big-endian, so that blobs compare as numbers do. A deleted row stays, so that an older version that comes
-- late cannot bring it back.

create table posts_cdc (
    id blob not null primary key check (length(id) = 16),
    author_id blob not null check (length(author_id) = 16),
    created_at integer not null,
    _version blob not null check (length(_version) = 16),
    _deleted integer not null check (_deleted in (0, 1))
) strict, without rowid;

create index posts_cdc_by_author on posts_cdc (author_id, created_at desc, id desc) where _deleted = 0;

create table follows_cdc (
    follower_id blob not null check (length(follower_id) = 16),
    followee_id blob not null check (length(followee_id) = 16),
    created_at integer not null,
    _version blob not null check (length(_version) = 16),
    _deleted integer not null check (_deleted in (0, 1)),
    primary key (follower_id, followee_id)
) strict, without rowid;

create table likes_cdc (
    post_id blob not null check (length(post_id) = 16),
    user_id blob not null check (length(user_id) = 16),
    post_author_id blob not null check (length(post_author_id) = 16),
    created_at integer not null,
    _version blob not null check (length(_version) = 16),
    _deleted integer not null check (_deleted in (0, 1)),
    primary key (post_id, user_id)
) strict, without rowid;

create index likes_cdc_by_user on likes_cdc (user_id, created_at, post_author_id) where _deleted = 0;
create index likes_cdc_by_time on likes_cdc (created_at) where _deleted = 0;

create table comments_cdc (
    post_id blob not null check (length(post_id) = 16),
    id blob not null check (length(id) = 16),
    user_id blob not null check (length(user_id) = 16),
    post_author_id blob not null check (length(post_author_id) = 16),
    created_at integer not null,
    _version blob not null check (length(_version) = 16),
    _deleted integer not null check (_deleted in (0, 1)),
    primary key (post_id, id)
) strict, without rowid;

create index comments_cdc_by_user on comments_cdc (user_id, created_at, post_author_id) where _deleted = 0;
create index comments_cdc_by_time on comments_cdc (created_at) where _deleted = 0;

create table post_counters_cdc (
    post_id blob not null primary key check (length(post_id) = 16),
    likes integer not null,
    comments integer not null,
    _version blob not null check (length(_version) = 16),
    _deleted integer not null check (_deleted in (0, 1))
) strict, without rowid;

-- Who owns a partition, and how far its input is in the tables.
create table pipeline_partitions (
    pipeline text not null,
    topic text not null,
    partition integer not null,
    epoch integer not null,
    owner text not null,
    next_offset integer not null,
    watermark integer,
    primary key (pipeline, topic, partition)
) strict, without rowid;

-- How the offsets of each of the last batches ended.
create table pipeline_batches (
    pipeline text not null,
    topic text not null,
    partition integer not null,
    first_offset integer not null,
    next_offset integer not null,
    epoch integer not null,
    landed integer not null,
    duplicate integer not null,
    dead integer not null,
    ignored integer not null,
    watermark integer not null,
    primary key (pipeline, topic, partition, first_offset),
    check (landed + duplicate + dead + ignored = next_offset - first_offset)
) strict, without rowid;

-- Records that cannot be understood, as they came.
create table dead_letters (
    pipeline text not null,
    topic text not null,
    partition integer not null,
    record_offset integer not null,
    record_key blob not null,
    record_value blob not null,
    headers text not null,
    reason text not null,
    watermark integer not null,
    primary key (pipeline, topic, partition, record_offset)
) strict;
