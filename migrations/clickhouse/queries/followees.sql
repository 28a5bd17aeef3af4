-- Newest posts of the people that the reader follows. By the sorting keys of both tables; UUIDs are compared as
-- text, because ClickHouse sorts them by their second half.
select id, author_id, toUnixTimestamp64Milli(created_at) as created_ms
from posts_cdc final
where author_id in (
        select followee_id
        from follows_cdc final
        where follower_id = {reader:UUID} and followee_id != {reader:UUID})
    and created_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
order by created_at desc, toString(id) desc
limit {per_author:UInt32} by author_id
limit {limit:UInt32}
