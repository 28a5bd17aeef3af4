-- The smallest UUIDv7 of an instant.
create function nova_uuid7_floor(at timestamptz) returns uuid
    language sql immutable strict parallel safe
    as $$ select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;

-- Ids from before the month in which this database was made.
do $$
begin
    execute format(
        'create table posts_past partition of posts for values from (minvalue) to (%L)',
        nova_uuid7_floor(date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'));
end
$$;

-- Makes the partitions of `posts` for the month of `at` and the `months_ahead` after it, where they are missing;
-- answers how many it made. A new partition is attached when it is complete, so that readers and writers of the
-- others wait for a moment only. It gets its own replica identity: a partitioned table does not pass that on.
create function nova_ensure_partitions(at timestamptz, months_ahead integer) returns integer
    language plpgsql as $$
declare
    month timestamp := date_trunc('month', at at time zone 'UTC');
    child text;
    low   uuid;
    high  uuid;
    made  integer := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('nova_ensure_partitions', 0));
    for ahead in 0 .. months_ahead loop
        child := 'posts_' || to_char(month + make_interval(months => ahead), 'YYYY_MM');
        continue when to_regclass(child) is not null;
        low := nova_uuid7_floor((month + make_interval(months => ahead)) at time zone 'UTC');
        high := nova_uuid7_floor((month + make_interval(months => ahead + 1)) at time zone 'UTC');
        begin
            execute format('create table %I (like posts including defaults including constraints)', child);
            execute format('alter table %I replica identity full', child);
            execute format('alter table posts attach partition %I for values from (%L) to (%L)', child, low, high);
            made := made + 1;
        exception
            -- The month is in `posts_past`.
            when invalid_object_definition then null;
        end;
    end loop;
    return made;
end
$$;
