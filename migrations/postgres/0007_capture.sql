-- What a change-data-capture connector needs: whole rows before each change, and one publication. Partitions of
-- `posts` that are made later get their replica identity when they are made.
alter table posts replica identity full;
alter table posts_past replica identity full;
alter table follows replica identity full;
alter table likes replica identity full;
alter table comments replica identity full;
alter table post_counters replica identity full;

create publication nova_cdc for table posts, follows, likes, comments, post_counters
    with (publish_via_partition_root = true);
