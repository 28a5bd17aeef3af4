-- Newest posts of the 200 authors with whom the reader interacted most; of equally close ones the smaller id.
select id, author_id, toUnixTimestamp64Milli(created_at) as created_ms
from posts_cdc final
where author_id in (
        select author_id
        from user_author_90d final
        where user_id = {reader:UUID}
            and author_id != {reader:UUID}
            and at >= fromUnixTimestamp64Milli({interacted_since:Int64}, 'UTC')
        group by author_id
        order by count() desc, toString(author_id)
        limit 200)
    and created_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
order by created_at desc, toString(id) desc
limit {per_author:UInt32} by author_id
limit {limit:UInt32}
