-- Figures of posts (kind 0: likes and comments; kind 1: impressions and shares) and the reader's interactions with
-- authors (kind 2), in one round trip.
select toUInt8(0) as kind, post_id as id, likes as first, comments as second
from post_counters_cdc final
where post_id in {posts:Array(UUID)}
union all
select toUInt8(1), post_id, sum(impressions), sum(shares)
from post_impressions
where post_id in {posts:Array(UUID)}
group by post_id
union all
select toUInt8(2), author_id, count(), toUInt64(0)
from user_author_90d final
where user_id = {reader:UUID}
    and author_id in {authors:Array(UUID)}
    and at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
group by author_id
