//! A small world behind the ports, whose parts can be made to fail, to hang and to be slow.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::sleep;

use crate::domain::feed::{Candidate, PostFeatures};
use crate::domain::{Post, PostId, PostView, Timestamp, User, UserId};
use crate::error::{Error, Result};
use crate::feed::{CursorKey, FeedArgs, FeedHandle, FeedPage, FeedRequest, FeedSettings, Hydrate};
use crate::ports::analytics::{Features, FeedSource};
use crate::ports::store::PostReader;
use crate::ports::{Cache, Clock};
use crate::runtime::tree::Life;
use crate::runtime::{GroupSpec, Root};
use crate::testing::ManualClock;

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// How a part answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Well,
    Fails,
    Hangs,
    Slow(Duration),
}

/// One part, with the number of times it was asked.
#[derive(Debug, Default)]
pub(super) struct Part {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

impl Part {
    pub(super) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn answer<T>(&self, value: T) -> Result<T> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => {}
            Mood::Fails => return Err(Error::unavailable("a fake")),
            Mood::Hangs => std::future::pending().await,
            Mood::Slow(delay) => sleep(delay).await,
        }
        Ok(value)
    }
}

/// What the world holds. Analytics and the store see the same posts.
#[derive(Debug, Default)]
pub(super) struct Fakes {
    pub(super) followees: Part,
    pub(super) trending: Part,
    pub(super) affinity: Part,
    pub(super) features: Part,
    pub(super) store: Part,
    pub(super) cache: Part,
    pub(super) hydrate: Part,
    pub(super) trends: AtomicBool,
    posts: Mutex<HashMap<PostId, Post>>,
    follows: Mutex<HashSet<(UserId, UserId)>>,
    likes: Mutex<HashSet<(UserId, PostId)>>,
    entries: Mutex<HashMap<String, Bytes>>,
}

impl Fakes {
    /// Posts that `keep` accepts, newest first.
    fn newest(&self, keep: impl Fn(&Post) -> bool) -> Vec<Candidate> {
        let posts = self.posts.lock().unwrap();
        let mut list: Vec<Candidate> = posts
            .values()
            .filter(|post| keep(post))
            .map(|post| Candidate {
                post_id: post.id,
                author_id: post.author_id,
                created_at: post.created_at,
            })
            .collect();
        list.sort_by_key(|c| std::cmp::Reverse((c.created_at, c.post_id)));
        list
    }

    fn of_followees(&self, reader: UserId, since: Timestamp) -> Vec<Candidate> {
        let follows = self.follows.lock().unwrap();
        self.newest(|post| post.created_at >= since && follows.contains(&(reader, post.author_id)))
    }

    pub(super) fn forget_cache(&self) {
        self.entries.lock().unwrap().clear();
    }
}

#[async_trait]
impl FeedSource for Fakes {
    async fn followees(&self, reader: UserId, since: Timestamp, _: u32, _: u32) -> Result<Vec<Candidate>> {
        self.followees.answer(self.of_followees(reader, since)).await
    }

    async fn trending(&self, _: Timestamp, _: u32) -> Result<Vec<Candidate>> {
        let list = if self.trends.load(Ordering::SeqCst) {
            self.newest(|post| post.likes > 0)
        } else {
            Vec::new()
        };
        self.trending.answer(list).await
    }

    async fn affinity(
        &self,
        _: UserId,
        _: Timestamp,
        _: Timestamp,
        _: u32,
        _: u32,
    ) -> Result<Vec<Candidate>> {
        self.affinity.answer(Vec::new()).await
    }

    async fn features(
        &self,
        reader: UserId,
        ids: &[PostId],
        authors: &[UserId],
        _: Timestamp,
    ) -> Result<Features> {
        let mut features = Features::default();
        {
            let posts = self.posts.lock().unwrap();
            for post in ids.iter().filter_map(|id| posts.get(id)) {
                let figures = PostFeatures {
                    likes: post.likes,
                    comments: post.comments,
                    ..PostFeatures::default()
                };
                features.posts.insert(post.id, figures);
            }
            let likes = self.likes.lock().unwrap();
            for (_, post) in likes.iter().filter(|(user, _)| *user == reader) {
                let author = posts.get(post).map(|post| post.author_id);
                if let Some(author) = author.filter(|author| authors.contains(author)) {
                    *features.interactions.entry(author).or_default() += 1;
                }
            }
        }
        self.features.answer(features).await
    }

    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>> {
        Ok((pipeline == "cdc").then_some(Timestamp::from_millis(77)))
    }
}

#[async_trait]
impl PostReader for Fakes {
    async fn posts(&self, ids: &[PostId]) -> Result<HashMap<PostId, Post>> {
        let found = {
            let posts = self.posts.lock().unwrap();
            let known = ids.iter().filter_map(|id| posts.get(id));
            known.map(|post| (post.id, post.clone())).collect()
        };
        self.store.answer(found).await
    }

    async fn liked(&self, _: UserId, _: &[PostId]) -> Result<HashSet<PostId>> {
        self.store.answer(HashSet::new()).await
    }

    async fn posts_by(&self, _: UserId, _: Option<(Timestamp, PostId)>, _: u32) -> Result<Vec<Post>> {
        self.store.answer(Vec::new()).await
    }

    async fn recent(&self, except: UserId, limit: u32) -> Result<Vec<Candidate>> {
        let mut list = self.newest(|post| post.author_id != except);
        list.truncate(limit as usize);
        self.store.answer(list).await
    }

    async fn followee_posts(
        &self,
        reader: UserId,
        since: Timestamp,
        _: u32,
        _: u32,
    ) -> Result<Vec<Candidate>> {
        self.store.answer(self.of_followees(reader, since)).await
    }

    async fn followers(&self, _: UserId, _: Option<UserId>, _: u32) -> Result<Vec<UserId>> {
        self.store.answer(Vec::new()).await
    }
}

#[async_trait]
impl Cache for Fakes {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>> {
        let values = {
            let entries = self.entries.lock().unwrap();
            keys.iter().map(|key| entries.get(key).cloned()).collect()
        };
        self.cache.answer(values).await
    }

    async fn put_many(&self, entries: Vec<(String, Bytes)>, _: Duration) -> Result<()> {
        self.cache.answer(()).await?;
        self.entries.lock().unwrap().extend(entries);
        Ok(())
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.cache.answer(()).await?;
        let mut entries = self.entries.lock().unwrap();
        keys.iter().for_each(|key| drop(entries.remove(key)));
        Ok(())
    }
}

#[async_trait]
impl Hydrate for Fakes {
    async fn hydrate(&self, ids: &[PostId], viewer: UserId) -> Result<HashMap<PostId, PostView>> {
        let found = {
            let (posts, likes) = (self.posts.lock().unwrap(), self.likes.lock().unwrap());
            let view = |post: &Post| PostView {
                post: post.clone(),
                author: Some(person(post.author_id)),
                liked: likes.contains(&(viewer, post.id)),
            };
            let known = ids.iter().filter_map(|id| posts.get(id));
            known.map(|post| (post.id, view(post))).collect()
        };
        self.hydrate.answer(found).await
    }
}

fn person(id: UserId) -> User {
    User {
        id,
        username: "ana".to_owned(),
        display_name: "Ana".to_owned(),
        avatar_url: None,
        bio: String::new(),
        created_at: Timestamp::from_millis(0),
    }
}

/// A running feed.
pub(super) struct World {
    pub(super) fakes: Arc<Fakes>,
    pub(super) feed: FeedHandle,
    pub(super) root: Root,
    pub(super) reader: UserId,
    pub(super) clock: ManualClock,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::with(FeedSettings::default()).await
    }

    pub(super) async fn with(settings: FeedSettings) -> Self {
        let fakes = Arc::new(Fakes::default());
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_700_000_000_000));
        let args = FeedArgs {
            source: Arc::clone(&fakes) as Arc<dyn FeedSource>,
            posts: Arc::clone(&fakes) as Arc<dyn PostReader>,
            cache: Arc::clone(&fakes) as Arc<dyn Cache>,
            clock: Arc::new(clock),
            hydrate: Arc::clone(&fakes) as Arc<dyn Hydrate>,
            key: CursorKey::new(&[9; 32]).unwrap(),
            settings: FeedSettings {
                workers: 1,
                ..settings
            },
        };
        let (feed, group) = FeedHandle::supervised(args, GroupSpec::new("feed"));
        Self {
            fakes,
            feed,
            root: Root::start(group).await.unwrap(),
            reader: UserId::new(),
            clock,
        }
    }

    /// Kills the worker and waits until its supervisor has brought it back.
    pub(super) async fn restart_worker(&self) {
        let tree = self.root.tree();
        assert!(tree.restart("feed/ranker/0"));
        for _ in 0..1_000 {
            sleep(Duration::from_millis(10)).await;
            let actors = tree.describe().await;
            let mut workers = actors.iter().flat_map(|node| node.children.iter().chain([node]));
            if workers.any(|node| node.kind == "ranker" && node.restarts == 1 && node.state == Life::Running)
            {
                return;
            }
        }
        panic!("the worker did not come back");
    }

    /// A post of `author`, so old, with so many likes.
    pub(super) fn post(&self, author: UserId, age: Duration, likes: u64) -> PostId {
        let post = Post {
            id: PostId::new(),
            author_id: author,
            text: "hello".to_owned(),
            media_url: None,
            created_at: self.clock.now().minus(age),
            likes,
            comments: 0,
        };
        let id = post.id;
        self.fakes.posts.lock().unwrap().insert(id, post);
        id
    }

    /// The reader follows someone new, who has one post of that age.
    pub(super) fn followed_post(&self, age: Duration) -> PostId {
        let author = UserId::new();
        self.follow(author);
        self.post(author, age, 0)
    }

    pub(super) fn follow(&self, author: UserId) {
        self.fakes.follows.lock().unwrap().insert((self.reader, author));
    }

    pub(super) fn like(&self, post: PostId) {
        self.fakes.likes.lock().unwrap().insert((self.reader, post));
    }

    pub(super) fn delete(&self, post: PostId) {
        self.fakes.posts.lock().unwrap().remove(&post);
    }

    pub(super) fn analytics(&self, mood: Mood) {
        for part in [
            &self.fakes.followees,
            &self.fakes.trending,
            &self.fakes.affinity,
            &self.fakes.features,
        ] {
            part.set(mood);
        }
    }

    pub(super) fn request(&self) -> FeedRequest {
        FeedRequest {
            reader: self.reader,
            limit: 20,
            cursor: None,
            algo: None,
            source: None,
        }
    }

    pub(super) async fn page(&self) -> FeedPage {
        self.feed.page(self.request()).await.unwrap()
    }

    pub(super) async fn next(&self, limit: u32, cursor: Option<String>) -> Result<FeedPage> {
        let request = FeedRequest {
            limit,
            cursor,
            ..self.request()
        };
        self.feed.page(request).await
    }
}

pub(super) fn ids(page: &FeedPage) -> Vec<PostId> {
    page.items.iter().map(|item| item.post.post.id).collect()
}
