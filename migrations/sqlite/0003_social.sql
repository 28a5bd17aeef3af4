-- A post. Deleting one sets `deleted_at`; its likes and counters stay, and no read returns it.
create table posts (
    id         blob    not null primary key,
    author_id  blob    not null references users (id),
    text       text    not null,
    media_url  text,
    created_at integer not null,
    deleted_at integer
) strict;

-- A profile's posts and the newest ones of each followee.
create index posts_newest_of_author on posts (author_id, created_at desc, id desc) where deleted_at is null;
-- The newest of everyone; holds all that a candidate needs.
create index posts_newest on posts (created_at desc, id desc, author_id) where deleted_at is null;

-- Absolute counts of a post, changed in the transaction of the like or comment. One row for each post.
create table post_counters (
    post_id    blob    not null primary key references posts (id),
    likes      integer not null default 0 check (likes >= 0),
    comments   integer not null default 0 check (comments >= 0),
    updated_at integer not null
) strict, without rowid;

-- Who likes what now. The author is copied so that affinity can be counted without a join.
create table likes (
    user_id        blob    not null references users (id),
    post_id        blob    not null references posts (id),
    post_author_id blob    not null,
    created_at     integer not null,
    primary key (user_id, post_id)
) strict, without rowid;

-- Who follows whom now.
create table follows (
    follower_id blob    not null references users (id),
    followee_id blob    not null references users (id),
    created_at  integer not null,
    primary key (follower_id, followee_id),
    check (follower_id <> followee_id)
) strict, without rowid;

create index follows_of_followee on follows (followee_id);
