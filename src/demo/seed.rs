//! Writes the demo world through the store ports. Every step may be repeated, and the mark that the world is
//! whole is its last write: a seeding that was interrupted is completed by the next one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nova_actors::domain::{
    IdempotencyKey, Identity, LiveStream, NewPost, NewStream, Post, StreamId, Timestamp, User, UserId,
    ViewerTotals, WriteContext,
};
use nova_actors::ports::store::{SocialStore, StreamStore, UserDirectory};
use nova_actors::{Error, Kind, Result};
use sha2::{Digest, Sha256};

use super::people::{BROADCASTS, Broadcast, HOUSE, PEOPLE, Person};
use super::posts::{Entry, POSTS};
use super::progress::Progress;

const MINUTE: Duration = Duration::from_secs(60);
/// How long ago the people joined.
const JOINED: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Nobody sits at the demo streams; a sign of life this far ahead keeps them from counting as abandoned.
const OWNER_PRESENT_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// The store, as far as seeding needs it.
#[derive(Clone)]
pub struct Stores {
    /// People.
    pub users: Arc<dyn UserDirectory>,
    /// Live streams.
    pub streams: Arc<dyn StreamStore>,
    /// Posts, likes and follows.
    pub social: Arc<dyn SocialStore>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// The demo world as it is in the store.
#[derive(Debug, Clone)]
pub struct World {
    /// Everybody, without the house account.
    pub people: Vec<User>,
    /// Their live streams that are still running.
    pub streams: Vec<LiveStream>,
    /// How many posts were written now: none when the world was there already.
    pub posts_written: usize,
}

/// Makes the demo world, or finds the one that is there. Tokens of `issuer` with the people's user names as
/// subject are theirs. `categories` are the configured ones.
///
/// # Errors
/// Whatever the store answers; seeding again goes on where it failed.
pub async fn seed(
    stores: &Stores,
    issuer: &str,
    categories: &[String],
    now: Timestamp,
    progress: &Progress,
) -> Result<World> {
    let seeding = Seeding {
        stores,
        issuer,
        categories,
        now,
        progress,
    };
    let house = seeding.person(&HOUSE).await?;
    let following = stores
        .users
        .profile(house.id)
        .await?
        .map_or(0, |profile| profile.following);
    let whole = following >= HOUSE.follows.len() as u64;
    if !whole {
        // The two are the house account's: itself, and its follows.
        progress.begin(2 + 2 * PEOPLE.len() + BROADCASTS.len() + POSTS.len());
    }
    let mut people = HashMap::new();
    for person in &PEOPLE {
        people.insert(person.username, seeding.person(person).await?);
    }
    let posts_written = if whole {
        0
    } else {
        seeding.fill(&people, &house).await?
    };
    progress.end();
    let streams = seeding.running(&people).await?;
    let people = PEOPLE
        .iter()
        .filter_map(|person| people.remove(person.username))
        .collect();
    Ok(World {
        people,
        streams,
        posts_written,
    })
}

type People = HashMap<&'static str, User>;

struct Seeding<'a> {
    stores: &'a Stores,
    issuer: &'a str,
    categories: &'a [String],
    now: Timestamp,
    progress: &'a Progress,
}

impl Seeding<'_> {
    async fn person(&self, person: &Person) -> Result<User> {
        let identity = Identity {
            issuer: self.issuer.to_owned(),
            subject: person.username.to_owned(),
            preferred_username: Some(person.username.to_owned()),
            name: Some(person.name.to_owned()),
            picture: None,
        };
        let user = self
            .stores
            .users
            .ensure(&identity, self.now.minus(JOINED))
            .await?;
        self.progress.step();
        Ok(user)
    }

    async fn fill(&self, people: &People, house: &User) -> Result<usize> {
        for (at, broadcast) in BROADCASTS.iter().enumerate() {
            self.broadcast(at, broadcast, id_of(people, broadcast.by)?)
                .await?;
        }
        for (at, entry) in POSTS.iter().enumerate().rev() {
            let post = self.post(at, entry, id_of(people, entry.by)?).await?;
            self.likes(at, entry, &post, people).await?;
            self.progress.step();
        }
        for person in &PEOPLE {
            self.follows(person, id_of(people, person.username)?, people)
                .await?;
            self.progress.step();
        }
        self.follows(&HOUSE, house.id, people).await?;
        self.progress.step();
        Ok(POSTS.len())
    }

    async fn broadcast(&self, at: usize, broadcast: &Broadcast, by: UserId) -> Result<()> {
        let configured = self.categories.iter().find(|c| *c == broadcast.category);
        let category = configured.or_else(|| self.categories.get(at % self.categories.len().max(1)));
        let new = NewStream::parse(
            broadcast.title.to_owned(),
            Some(broadcast.description.to_owned()),
            category.cloned().unwrap_or_default(),
            None,
            self.categories,
        )?;
        let started = self.before(broadcast.minutes);
        let outcome = self
            .stores
            .streams
            .start(by, &new, &WriteContext::untracked(), started)
            .await;
        let id = match outcome {
            Ok(written) => written.into_inner().id,
            Err(e) => already_live(&e).ok_or(e)?,
        };
        let present = self.now.plus(OWNER_PRESENT_FOR);
        self.stores
            .streams
            .touch(id, ViewerTotals::default(), Some(present))
            .await?;
        self.progress.step();
        Ok(())
    }

    async fn post(&self, at: usize, entry: &Entry, by: UserId) -> Result<Post> {
        let new = NewPost::parse(entry.text.to_owned(), None)?;
        // The key makes an interrupted seeding find the posts that it has already written.
        let ctx = WriteContext {
            idempotency: Some(IdempotencyKey {
                user: by,
                route: "seed /posts",
                key: format!("demo-{at}"),
                fingerprint: Sha256::digest(entry.text).into(),
            }),
            ..WriteContext::untracked()
        };
        let written = self
            .stores
            .social
            .create_post(by, &new, &ctx, self.before(entry.minutes))
            .await?;
        Ok(written.into_inner())
    }

    /// The likes of a post come from the people after its author, each post starting with another one.
    async fn likes(&self, at: usize, entry: &Entry, post: &Post, people: &People) -> Result<()> {
        let others: Vec<_> = PEOPLE
            .iter()
            .filter(|person| person.username != entry.by)
            .collect();
        for person in others.iter().cycle().skip(at).take(entry.likes) {
            let by = id_of(people, person.username)?;
            let when = self.before(entry.minutes / 2);
            self.stores
                .social
                .set_like(by, post.id, true, &WriteContext::untracked(), when)
                .await?;
        }
        Ok(())
    }

    async fn follows(&self, person: &Person, id: UserId, people: &People) -> Result<()> {
        let when = self.before(48 * 60);
        for followee in person.follows {
            let followee = id_of(people, followee)?;
            self.stores
                .social
                .set_follow(id, followee, true, &WriteContext::untracked(), when)
                .await?;
        }
        Ok(())
    }

    async fn running(&self, people: &People) -> Result<Vec<LiveStream>> {
        let mut ids = Vec::new();
        for broadcast in &BROADCASTS {
            let profile = self.stores.users.profile(id_of(people, broadcast.by)?).await?;
            ids.extend(profile.and_then(|profile| profile.live_stream_id));
        }
        let mut found = self.stores.streams.streams(&ids).await?;
        Ok(ids
            .iter()
            .filter_map(|id| found.remove(id))
            .filter(LiveStream::is_live)
            .collect())
    }

    fn before(&self, minutes: u64) -> Timestamp {
        self.now
            .minus(MINUTE * u32::try_from(minutes).unwrap_or(u32::MAX))
    }
}

fn id_of(people: &People, username: &str) -> Result<UserId> {
    let missing = || Error::internal(format!("the demo world has no {username}"));
    people.get(username).map(|user| user.id).ok_or_else(missing)
}

fn already_live(error: &Error) -> Option<StreamId> {
    match error.kind() {
        Kind::AlreadyLive(id) => Some(*id),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
