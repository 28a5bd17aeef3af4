-- One broadcast; running while `ended_at` is null, and at most one of those for each creator.
-- `creator_id` has no foreign key: users may live in another service, and a stream is listed whether or not the
-- directory knows its creator. The rows of running streams are updated often, so pages keep room for that.
create table live_streams (
    id             uuid        not null primary key,
    creator_id     uuid        not null,
    title          text        not null,
    description    text        not null,
    category       text        not null,
    thumbnail_url  text,
    started_at     timestamptz not null,
    ended_at       timestamptz,
    ended_reason   text        check (ended_reason in ('ended', 'abandoned')),
    epoch          text        not null,
    viewers        bigint      not null default 0,
    peak_viewers   bigint      not null default 0,
    unique_viewers bigint      not null default 0,
    owner_seen_at  timestamptz not null,
    check ((ended_at is null) = (ended_reason is null))
) with (fillfactor = 80);

create unique index live_streams_one_per_creator on live_streams (creator_id) where ended_at is null;
-- The live list, over all categories and within one.
create index live_streams_newest on live_streams (started_at desc, id desc) where ended_at is null;
create index live_streams_newest_of_category on live_streams (category, started_at desc, id desc)
    where ended_at is null;
-- The sweep over running streams in pages.
create index live_streams_running on live_streams (id) where ended_at is null;
