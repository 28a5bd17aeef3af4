-- Posts with the most likes and comments in the window, a comment counting as two likes. Posts are found by their
-- author, which is how they are sorted.
with counted as (
    select post_id, author_id, sum(if(kind = 'comment', 2, 1)) as weight
    from post_interactions_1h final
    where hour >= toStartOfHour(fromUnixTimestamp64Milli({since:Int64}, 'UTC'), 'UTC')
        and at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
    group by post_id, author_id)
select posts.id as id, posts.author_id as author_id, toUnixTimestamp64Milli(posts.created_at) as created_ms,
    counted.weight as weight
from (
    select id, author_id, created_at
    from posts_cdc final
    where author_id in (select author_id from counted) and id in (select post_id from counted)) as posts
inner join counted on counted.post_id = posts.id
order by weight desc, created_ms desc, toString(id) desc
limit {limit:UInt32}
