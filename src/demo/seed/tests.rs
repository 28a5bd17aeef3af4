use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use async_trait::async_trait;
use nova_actors::domain::{
    EndedReason, LivePage, PostId, Profile, StreamPatch, Written, is_username, username_from,
};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A store in memory, as far as seeding uses one. One write can be made to fail.
#[derive(Default)]
struct Memory {
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    users: HashMap<String, User>,
    streams: HashMap<StreamId, LiveStream>,
    posts: HashMap<String, Post>,
    likes: HashSet<(UserId, PostId)>,
    follows: HashSet<(UserId, UserId)>,
    writes: usize,
    fail_at: Option<usize>,
}

impl Rows {
    fn write(&mut self) -> Result<()> {
        self.writes += 1;
        if self.fail_at == Some(self.writes) {
            Err(Error::unavailable("the store"))
        } else {
            Ok(())
        }
    }
}

impl Memory {
    fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }
}

#[async_trait]
impl UserDirectory for Memory {
    async fn users(&self, _ids: &[UserId]) -> Result<HashMap<UserId, User>> {
        unreachable!("seeding looks nobody up by id")
    }

    async fn ensure(&self, identity: &Identity, now: Timestamp) -> Result<User> {
        let mut rows = self.rows();
        if let Some(user) = rows.users.get(&identity.subject) {
            return Ok(user.clone());
        }
        rows.write()?;
        let user = User {
            id: UserId::new(),
            username: username_from(identity.preferred_username.as_deref().unwrap_or_default()),
            display_name: identity.name.clone().unwrap_or_default(),
            avatar_url: identity.picture.clone(),
            bio: String::new(),
            created_at: now,
        };
        rows.users.insert(identity.subject.clone(), user.clone());
        Ok(user)
    }

    async fn profile(&self, id: UserId) -> Result<Option<Profile>> {
        let rows = self.rows();
        let count = |n: usize| u64::try_from(n).unwrap();
        Ok(rows
            .users
            .values()
            .find(|user| user.id == id)
            .map(|user| Profile {
                user: user.clone(),
                followers: count(
                    rows.follows
                        .iter()
                        .filter(|(_, followee)| *followee == id)
                        .count(),
                ),
                following: count(
                    rows.follows
                        .iter()
                        .filter(|(follower, _)| *follower == id)
                        .count(),
                ),
                live_stream_id: rows
                    .streams
                    .values()
                    .find(|s| s.creator_id == id && s.is_live())
                    .map(|s| s.id),
            }))
    }
}

#[async_trait]
impl StreamStore for Memory {
    async fn start(
        &self,
        creator: UserId,
        new: &NewStream,
        _ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<LiveStream>> {
        let mut rows = self.rows();
        if let Some(running) = rows
            .streams
            .values()
            .find(|s| s.creator_id == creator && s.is_live())
        {
            return Err(Error::new(Kind::AlreadyLive(running.id), "already live"));
        }
        rows.write()?;
        let stream = LiveStream {
            id: StreamId::new(),
            creator_id: creator,
            title: new.title.clone(),
            description: new.description.clone(),
            category: new.category.clone(),
            thumbnail_url: new.thumbnail_url.clone(),
            started_at: now,
            ended_at: None,
            ended_reason: None,
            epoch: "e".into(),
            viewers: 0,
            peak_viewers: 0,
            unique_viewers: 0,
            owner_seen_at: now,
        };
        rows.streams.insert(stream.id, stream.clone());
        Ok(Written::Fresh(stream))
    }

    async fn end(
        &self,
        _id: StreamId,
        _reason: EndedReason,
        _totals: ViewerTotals,
        _ctx: &WriteContext,
        _now: Timestamp,
    ) -> Result<Written<LiveStream>> {
        unreachable!("seeding ends nothing")
    }

    async fn patch(&self, _id: StreamId, _patch: &StreamPatch, _now: Timestamp) -> Result<LiveStream> {
        unreachable!("seeding changes no live stream")
    }

    async fn touch(
        &self,
        id: StreamId,
        totals: ViewerTotals,
        owner_seen_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut rows = self.rows();
        rows.write()?;
        let stream = rows.streams.get_mut(&id).unwrap();
        stream.viewers = totals.viewers;
        stream.owner_seen_at = owner_seen_at.unwrap_or(stream.owner_seen_at);
        Ok(())
    }

    async fn streams(&self, ids: &[StreamId]) -> Result<HashMap<StreamId, LiveStream>> {
        let rows = self.rows();
        Ok(ids
            .iter()
            .filter_map(|id| Some((*id, rows.streams.get(id)?.clone())))
            .collect())
    }

    async fn live(&self, _category: Option<&str>, _page: u32, _limit: u32) -> Result<LivePage> {
        unreachable!("seeding lists nothing")
    }
}

#[async_trait]
impl SocialStore for Memory {
    async fn create_post(
        &self,
        author: UserId,
        new: &NewPost,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<Post>> {
        let mut rows = self.rows();
        let key = ctx.idempotency.clone().unwrap();
        let key = format!("{} {}", key.user, key.key);
        if let Some(post) = rows.posts.get(&key) {
            return Ok(Written::Replayed(post.clone()));
        }
        rows.write()?;
        let post = Post {
            id: PostId::new(),
            author_id: author,
            text: new.text.clone(),
            media_url: new.media_url.clone(),
            created_at: now,
            likes: 0,
            comments: 0,
        };
        rows.posts.insert(key, post.clone());
        Ok(Written::Fresh(post))
    }

    async fn delete_post(
        &self,
        _id: PostId,
        _by: UserId,
        _ctx: &WriteContext,
        _now: Timestamp,
    ) -> Result<()> {
        unreachable!("seeding deletes nothing")
    }

    async fn set_like(
        &self,
        user: UserId,
        post: PostId,
        _liked: bool,
        _ctx: &WriteContext,
        _now: Timestamp,
    ) -> Result<bool> {
        let mut rows = self.rows();
        rows.write()?;
        Ok(rows.likes.insert((user, post)))
    }

    async fn set_follow(
        &self,
        follower: UserId,
        followee: UserId,
        _following: bool,
        _ctx: &WriteContext,
        _now: Timestamp,
    ) -> Result<bool> {
        let mut rows = self.rows();
        rows.write()?;
        Ok(rows.follows.insert((follower, followee)))
    }
}

fn categories() -> Vec<String> {
    ["gaming", "music", "art", "technology", "other"]
        .map(str::to_owned)
        .into()
}

async fn seed_into(memory: &Arc<Memory>, categories: &[String], now: Timestamp) -> Result<World> {
    let stores = Stores {
        users: memory.clone(),
        streams: memory.clone(),
        social: memory.clone(),
    };
    seed(&stores, "nova-dev", categories, now, &Progress::hidden()).await
}

/// Everything in the store, without ids.
fn contents(memory: &Memory) -> BTreeSet<String> {
    let rows = memory.rows();
    let names: HashMap<_, _> = rows
        .users
        .values()
        .map(|user| (user.id, &user.username))
        .collect();
    let texts: HashMap<_, _> = rows.posts.values().map(|post| (post.id, &post.text)).collect();
    let mut all: BTreeSet<String> = rows.users.keys().cloned().collect();
    all.extend(
        rows.streams
            .values()
            .map(|s| format!("{} {} {}", names[&s.creator_id], s.title, s.owner_seen_at)),
    );
    all.extend(
        rows.posts
            .values()
            .map(|p| format!("{} {} {}", names[&p.author_id], p.text, p.created_at)),
    );
    all.extend(
        rows.likes
            .iter()
            .map(|(user, post)| format!("{} likes {}", names[user], texts[post])),
    );
    all.extend(
        rows.follows
            .iter()
            .map(|(a, b)| format!("{} follows {}", names[a], names[b])),
    );
    all
}

#[tokio::test]
async fn a_new_world_is_full_and_has_no_outside_pictures() {
    let memory = Arc::new(Memory::default());
    let world = seed_into(&memory, &categories(), NOW).await.unwrap();
    assert_eq!(world.people.len(), 9);
    assert!(
        world
            .people
            .iter()
            .all(|user| is_username(&user.username) && user.avatar_url.is_none())
    );
    assert!(world.streams.len() >= 3);
    let in_use: BTreeSet<_> = world.streams.iter().map(|stream| &stream.category).collect();
    assert_eq!(in_use.len(), world.streams.len());
    let rows = memory.rows();
    assert!(rows.posts.len() >= 30 && world.posts_written == rows.posts.len());
    let two_days = Duration::from_secs(48 * 3_600);
    assert!(
        rows.posts
            .values()
            .all(|post| post.created_at < NOW && NOW.since(post.created_at) < two_days)
    );
    let likes: usize = POSTS.iter().map(|post| post.likes).sum();
    assert_eq!(rows.likes.len(), likes);
    assert!(rows.follows.len() > 30);
    assert!(rows.streams.values().all(|stream| stream.thumbnail_url.is_none()));
}

#[tokio::test]
async fn demo_streams_do_not_count_as_abandoned() {
    let memory = Arc::new(Memory::default());
    let world = seed_into(&memory, &categories(), NOW).await.unwrap();
    let in_a_year = NOW.plus(Duration::from_secs(365 * 24 * 3_600));
    assert!(
        world
            .streams
            .iter()
            .all(|stream| in_a_year.since(stream.owner_seen_at) == Duration::ZERO)
    );
}

#[tokio::test]
async fn a_second_start_writes_nothing_and_finds_the_world() {
    let memory = Arc::new(Memory::default());
    let first = seed_into(&memory, &categories(), NOW).await.unwrap();
    let writes = memory.rows().writes;
    let later = NOW.plus(Duration::from_secs(3 * 24 * 3_600));
    let second = seed_into(&memory, &categories(), later).await.unwrap();
    assert_eq!(memory.rows().writes, writes);
    assert_eq!(second.posts_written, 0);
    assert_eq!((second.people, second.streams), (first.people, first.streams));
}

#[tokio::test]
async fn a_seeding_that_was_interrupted_anywhere_is_completed() {
    let whole = Arc::new(Memory::default());
    seed_into(&whole, &categories(), NOW).await.unwrap();
    let (expected, writes) = (contents(&whole), whole.rows().writes);
    for fail_at in 1..=writes {
        let memory = Arc::new(Memory::default());
        memory.rows().fail_at = Some(fail_at);
        seed_into(&memory, &categories(), NOW).await.unwrap_err();
        seed_into(&memory, &categories(), NOW).await.unwrap();
        assert_eq!(contents(&memory), expected, "interrupted at write {fail_at}");
    }
}

#[tokio::test]
async fn categories_that_are_not_configured_are_replaced() {
    let memory = Arc::new(Memory::default());
    let allowed = ["cooking", "travel", "chess"].map(str::to_owned);
    let world = seed_into(&memory, &allowed, NOW).await.unwrap();
    assert!(
        world
            .streams
            .iter()
            .all(|stream| allowed.contains(&stream.category))
    );
    let in_use: BTreeSet<_> = world.streams.iter().map(|stream| &stream.category).collect();
    assert_eq!(in_use.len(), 3);
}
