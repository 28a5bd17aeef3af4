-- The captured tables of the store as ClickHouse keeps them, one row per state of a key until merges leave the
-- newest. Read them with FINAL.
--
-- `_version` orders the history of a key; `_deleted` marks its end and stays, so that an older version that comes
-- late cannot bring the row back. Columns of a sorting or partition key never change in the store: a change would
-- be another key here. The window lets a repeated insert be recognised by its token, here and in the views.

create table if not exists posts_cdc (
    id UUID,
    author_id UUID,
    created_at DateTime64(3, 'UTC'),
    _version UInt128,
    _deleted UInt8
) engine = ReplacingMergeTree(_version, _deleted)
partition by toYYYYMM(created_at)
order by (author_id, created_at, id)
settings index_granularity = 1024, non_replicated_deduplication_window = 10000;

create table if not exists follows_cdc (
    follower_id UUID,
    followee_id UUID,
    created_at DateTime64(3, 'UTC'),
    _version UInt128,
    _deleted UInt8
) engine = ReplacingMergeTree(_version, _deleted)
order by (follower_id, followee_id)
settings index_granularity = 1024, non_replicated_deduplication_window = 10000;

create table if not exists likes_cdc (
    post_id UUID,
    user_id UUID,
    post_author_id UUID,
    created_at DateTime64(3, 'UTC'),
    _version UInt128,
    _deleted UInt8
) engine = ReplacingMergeTree(_version, _deleted)
order by (post_id, user_id)
settings non_replicated_deduplication_window = 10000;

create table if not exists comments_cdc (
    post_id UUID,
    id UUID,
    user_id UUID,
    post_author_id UUID,
    created_at DateTime64(3, 'UTC'),
    _version UInt128,
    _deleted UInt8
) engine = ReplacingMergeTree(_version, _deleted)
order by (post_id, id)
settings non_replicated_deduplication_window = 10000;

-- Absolute counts, kept by the store: the one owner of likes and comments.
create table if not exists post_counters_cdc (
    post_id UUID,
    likes UInt64,
    comments UInt64,
    _version UInt128,
    _deleted UInt8
) engine = ReplacingMergeTree(_version, _deleted)
order by post_id
settings index_granularity = 256, non_replicated_deduplication_window = 10000;
