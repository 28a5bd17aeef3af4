-- A post. Deleting one sets `deleted_at`; its likes and counters stay, and no read returns it.
-- One partition for each month of the id's own time, see step 6. There is no default partition: rows that strayed
-- into one could not be moved out again, because likes and counters refer to them.
create table posts (
    id         uuid        not null primary key,
    author_id  uuid        not null references users (id),
    text       text        not null,
    media_url  text,
    created_at timestamptz not null,
    deleted_at timestamptz
) partition by range (id);

-- A profile's posts and the newest ones of each followee.
create index posts_newest_of_author on posts (author_id, created_at desc, id desc) where deleted_at is null;
-- The newest of everyone; holds all that a candidate needs.
create index posts_newest on posts (created_at desc, id desc) include (author_id) where deleted_at is null;

-- Absolute counts of a post, changed in the transaction of the like or comment. One row for each post.
create table post_counters (
    post_id    uuid        not null primary key references posts (id),
    likes      bigint      not null default 0 check (likes >= 0),
    comments   bigint      not null default 0 check (comments >= 0),
    updated_at timestamptz not null
) with (fillfactor = 80);

-- Who likes what now. The author is copied so that affinity can be counted without a join.
create table likes (
    user_id        uuid        not null references users (id),
    post_id        uuid        not null references posts (id),
    post_author_id uuid        not null,
    created_at     timestamptz not null,
    primary key (user_id, post_id)
);

create index likes_of_post on likes (post_id);

-- What was said about a post. The author is copied as in `likes`.
create table comments (
    id             uuid        not null primary key,
    post_id        uuid        not null references posts (id),
    post_author_id uuid        not null,
    user_id        uuid        not null references users (id),
    text           text        not null,
    created_at     timestamptz not null
);

create index comments_of_post on comments (post_id, created_at desc, id desc);

-- Who follows whom now.
create table follows (
    follower_id uuid        not null references users (id),
    followee_id uuid        not null references users (id),
    created_at  timestamptz not null,
    primary key (follower_id, followee_id),
    check (follower_id <> followee_id)
);

create index follows_of_followee on follows (followee_id, follower_id);
