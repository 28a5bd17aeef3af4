-- Interactions as the feed asks for them: by reader for affinity, by hour for trending. Rows take version and end
-- from what they are made of, so that a replay in any order leaves the same rows. Read them with FINAL.

-- One row per like or share of a post and per comment. `ref_id` is the post, of a comment the comment.
create table if not exists user_author_90d (
    user_id UUID,
    author_id UUID,
    kind Enum8('like' = 1, 'comment' = 2, 'share' = 3),
    ref_id UUID,
    at DateTime64(3, 'UTC'),
    _version UInt128,
    _deleted UInt8
) engine = ReplacingMergeTree(_version, _deleted)
order by (user_id, author_id, kind, ref_id)
ttl toDateTime(at) + interval 92 day
settings index_granularity = 1024, non_replicated_deduplication_window = 10000;

create materialized view if not exists mv_user_author_90d_likes to user_author_90d as
select user_id, post_author_id as author_id, 'like' as kind, post_id as ref_id, created_at as at, _version, _deleted
from likes_cdc;

create materialized view if not exists mv_user_author_90d_comments to user_author_90d as
select user_id, post_author_id as author_id, 'comment' as kind, id as ref_id, created_at as at, _version, _deleted
from comments_cdc;

-- Of several shares of a post by one person the latest counts.
create materialized view if not exists mv_user_author_90d_shares to user_author_90d as
select
    user_id, author_id, 'share' as kind, post_id as ref_id, ts as at,
    toUInt128(toUnixTimestamp64Milli(ts)) as _version, toUInt8(0) as _deleted
from events
where type = 'share';

-- One row per like or comment of the last days. `ref_id` is the person who liked, of a comment the comment.
create table if not exists post_interactions_1h (
    hour DateTime('UTC'),
    post_id UUID,
    author_id UUID,
    kind Enum8('like' = 1, 'comment' = 2),
    ref_id UUID,
    at DateTime64(3, 'UTC'),
    _version UInt128,
    _deleted UInt8
) engine = ReplacingMergeTree(_version, _deleted)
partition by toYYYYMMDD(hour)
order by (hour, post_id, kind, ref_id)
ttl hour + interval 9 day
settings non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Older rows would be dropped at once; leaving them out bounds the partitions that one insert can touch.
create materialized view if not exists mv_post_interactions_1h_likes to post_interactions_1h as
select
    toStartOfHour(created_at, 'UTC') as hour, post_id, post_author_id as author_id,
    'like' as kind, user_id as ref_id, created_at as at, _version, _deleted
from likes_cdc
where created_at >= now('UTC') - interval 9 day;

create materialized view if not exists mv_post_interactions_1h_comments to post_interactions_1h as
select
    toStartOfHour(created_at, 'UTC') as hour, post_id, post_author_id as author_id,
    'comment' as kind, id as ref_id, created_at as at, _version, _deleted
from comments_cdc
where created_at >= now('UTC') - interval 9 day;

-- The best posts of each window, written by the trending job; the newest list of a window replaces the one before.
create table if not exists trending (
    win Enum8('1h' = 1, '24h' = 2, '7d' = 3),
    rank UInt16,
    post_id UUID,
    author_id UUID,
    score Float64,
    computed_at DateTime64(3, 'UTC')
) engine = ReplacingMergeTree(computed_at)
order by (win, rank)
settings non_replicated_deduplication_window = 10000;
