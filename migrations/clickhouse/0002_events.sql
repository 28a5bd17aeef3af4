-- What people did with posts, and what is counted from it.
--
-- `events` is the one owner of impressions, views, clicks, shares, hides and dwell time. The same event always meets
-- itself: its partition and sorting key are made of its own columns. The sums below are exact behind token and
-- window; a recount from `event_id` guards them.

create table if not exists events (
    event_id UUID,
    ts DateTime64(3, 'UTC') codec(DoubleDelta, ZSTD(1)),
    user_id UUID,
    post_id UUID,
    author_id UUID,
    type Enum8('impression' = 1, 'view' = 2, 'click' = 3, 'share' = 4, 'hide' = 5, 'dwell' = 6),
    value Float64,
    req_id String,
    pos UInt16,
    ranker LowCardinality(String),
    -- Partition and offset of the record, to prove what has landed.
    _p UInt16,
    _o UInt64 codec(Delta, ZSTD(1)),
    index events_by_user user_id type bloom_filter granularity 4
) engine = ReplacingMergeTree
partition by toYYYYMMDD(ts)
order by (post_id, type, event_id)
ttl toDateTime(ts) + interval 30 day
settings non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Counts per post and hour, for trends and dashboards. `dwell_ms` is the sum of the values of dwell events.
create table if not exists post_metrics_1h (
    hour DateTime('UTC'),
    post_id UUID,
    impressions SimpleAggregateFunction(sum, UInt64),
    views SimpleAggregateFunction(sum, UInt64),
    clicks SimpleAggregateFunction(sum, UInt64),
    shares SimpleAggregateFunction(sum, UInt64),
    hides SimpleAggregateFunction(sum, UInt64),
    dwell_ms SimpleAggregateFunction(sum, UInt64)
) engine = AggregatingMergeTree
partition by toYYYYMMDD(hour)
order by (hour, post_id)
ttl hour + interval 32 day
settings non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

create materialized view if not exists mv_post_metrics_1h to post_metrics_1h as
select
    toStartOfHour(ts, 'UTC') as hour,
    post_id,
    countIf(type = 'impression') as impressions,
    countIf(type = 'view') as views,
    countIf(type = 'click') as clicks,
    countIf(type = 'share') as shares,
    countIf(type = 'hide') as hides,
    toUInt64(sumIf(greatest(value, 0), type = 'dwell')) as dwell_ms
from events
group by hour, post_id;

-- Counts per post since its beginning, for the ranker.
create table if not exists post_impressions (
    post_id UUID,
    impressions SimpleAggregateFunction(sum, UInt64),
    shares SimpleAggregateFunction(sum, UInt64)
) engine = AggregatingMergeTree
order by post_id
settings index_granularity = 256, non_replicated_deduplication_window = 10000;

create materialized view if not exists mv_post_impressions to post_impressions as
select
    post_id,
    countIf(type = 'impression') as impressions,
    countIf(type = 'share') as shares
from events
where type in ('impression', 'share')
group by post_id;
