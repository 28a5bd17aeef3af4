-- A person, made by the first authenticated request of an identity. Never deleted.
create table users (
    id           uuid        not null primary key,
    username     text        not null unique,
    display_name text        not null,
    avatar_url   text,
    bio          text        not null default '',
    created_at   timestamptz not null
);

-- How tokens name a person: `iss` and `sub`. One person may have several identities.
create table user_identities (
    issuer     text        not null,
    subject    text        not null,
    user_id    uuid        not null references users (id),
    created_at timestamptz not null,
    primary key (issuer, subject)
);
