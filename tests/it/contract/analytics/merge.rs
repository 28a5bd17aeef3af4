//! Rows: whatever comes twice, late or in another order, the reads are the same.

use nova_actors::Kind;
use nova_actors::domain::change::CapturedTable::{Comments, Follows, Likes, PostCounters, Posts};
use nova_actors::domain::feed::{Candidate, PostFeatures};
use nova_actors::domain::{PostId, UserId};
use nova_actors::ports::analytics::{AnalyticsSink, Features, RowState};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::{Backend, World, at, counters_row, follow_row, like_row, post_row, state};

pub(crate) async fn rows_are_in_the_reads_after_their_batch<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    world.follow(reader, author).await;
    let post = world.post(author, 5).await;
    world.like(reader, &post, 6).await;
    world.comment(reader, &post, 7).await;
    world.put(PostCounters, counters_row(post.post_id, 4, 2)).await;
    assert_eq!(world.followees(reader).await, [post]);
    assert_eq!(world.trending().await, [post]);
    assert_eq!(world.affinity(reader).await, [post]);
    let features = world.features(reader, &[post.post_id], &[author]).await;
    let figures = PostFeatures {
        likes: 4,
        comments: 2,
        ..PostFeatures::default()
    };
    assert_eq!(features.posts[&post.post_id], figures);
    assert_eq!(features.interactions[&author], 2);
}

/// The lists, and the figures.
pub(super) type Reads = (Vec<Vec<Candidate>>, Features);

/// A small history of everything, with its rows in the order in which they happened.
pub(super) struct History {
    pub(super) reader: UserId,
    authors: Vec<UserId>,
    posts: Vec<Candidate>,
    pub(super) rows: Vec<RowState>,
}

impl History {
    pub(super) fn new(random: &mut StdRng) -> Self {
        let authors: Vec<UserId> = (0..3).map(|_| UserId::new()).collect();
        let posts = (0..6_usize).map(|n| Candidate {
            post_id: PostId::new(),
            author_id: authors[n % 3],
            created_at: at(n as i64),
        });
        let mut history = Self {
            reader: UserId::new(),
            posts: posts.collect(),
            authors,
            rows: Vec::new(),
        };
        for version in 1..=60_u128 {
            let row = history.something(random, version << 70);
            history.rows.push(row);
        }
        history
    }

    fn something(&self, random: &mut StdRng, version: u128) -> RowState {
        let post = self.posts[random.random_range(0..self.posts.len())];
        let author = self.authors[random.random_range(0..self.authors.len())];
        let gone = random.random_bool(0.4);
        match random.random_range(0..5) {
            0 => state(Posts, version, gone, post_row(&post)),
            1 => state(Follows, version, gone, follow_row(self.reader, author)),
            2 => state(
                Likes,
                version,
                gone,
                like_row(self.reader, &post, version as i64 & 7),
            ),
            3 => {
                let row = json!({
                    "id": post.post_id, "post_id": post.post_id, "user_id": self.reader,
                    "post_author_id": post.author_id, "created_at": at(3),
                });
                state(Comments, version, gone, row)
            }
            _ => {
                let likes = random.random_range(0..9);
                state(PostCounters, version, gone, counters_row(post.post_id, likes, 1))
            }
        }
    }

    /// Everything that can be asked about it.
    pub(super) async fn reads<B: Backend>(&self, world: &World<B>) -> Reads {
        let ids: Vec<PostId> = self.posts.iter().map(|post| post.post_id).collect();
        let lists = vec![
            world.followees(self.reader).await,
            world.trending().await,
            world.affinity(self.reader).await,
        ];
        (lists, world.features(self.reader, &ids, &self.authors).await)
    }
}

pub(crate) async fn a_replay_changes_nothing<B: Backend>() {
    let mut world = World::<B>::new().await;
    let history = History::new(&mut StdRng::seed_from_u64(1));
    world.land(history.rows.clone()).await;
    let before = history.reads(&world).await;
    for part in [&history.rows[..], &history.rows[..20], &history.rows[40..]] {
        world.land(part.to_vec()).await;
        assert_eq!(history.reads(&world).await, before);
    }
}

pub(crate) async fn any_order_of_versions_gives_the_same_reads<B: Backend>() {
    for seed in 0..8 {
        let random = &mut StdRng::seed_from_u64(seed);
        let history = History::new(random);
        let mut world = World::<B>::new().await;
        world.land(history.rows.clone()).await;
        let expected = history.reads(&world).await;
        let mut rows = history.rows.clone();
        rows.extend_from_slice(&history.rows[10..30]);
        rows.shuffle(random);
        let mut world = World::<B>::new().await;
        for part in rows.chunks(random.random_range(1..30)) {
            world.land(part.to_vec()).await;
        }
        assert_eq!(history.reads(&world).await, expected, "seed {seed}");
    }
}

async fn likes<B: Backend>(world: &World<B>, post: PostId) -> u64 {
    let features = world.features(UserId::new(), &[post], &[]).await;
    features.posts[&post].likes
}

pub(crate) async fn an_equal_version_changes_nothing<B: Backend>() {
    let mut world = World::<B>::new().await;
    let post = PostId::new();
    for count in [5, 6] {
        world
            .land(vec![state(PostCounters, 7, false, counters_row(post, count, 0))])
            .await;
        assert_eq!(likes(&world, post).await, 5);
    }
    let both = [1, 2].map(|count| state(PostCounters, 8, false, counters_row(post, count, 0)));
    world.land(both.to_vec()).await;
    assert_eq!(likes(&world, post).await, 1, "the first of a batch counts, too");
}

pub(crate) async fn versions_are_compared_in_all_their_bits<B: Backend>() {
    let mut world = World::<B>::new().await;
    let post = PostId::new();
    let steps = [
        (255, 1, 1),
        (256, 2, 2),
        (255, 3, 2),
        (u128::from(u64::MAX), 4, 4),
        (1 << 64, 5, 5),
        (u128::from(u64::MAX), 6, 5),
        (u128::MAX, 7, 7),
        (u128::MAX - 1, 8, 7),
        (1 << 127, 9, 7),
    ];
    for (version, count, expected) in steps {
        world
            .land(vec![state(
                PostCounters,
                version,
                false,
                counters_row(post, count, 0),
            )])
            .await;
        assert_eq!(likes(&world, post).await, expected, "after version {version}");
    }
}

pub(crate) async fn a_late_update_does_not_bring_a_deleted_row_back<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    let post = world.post(author, 0).await;
    let follow = follow_row(reader, author);
    world.land(vec![state(Follows, 20, true, follow.clone())]).await;
    world.land(vec![state(Follows, 10, false, follow)]).await;
    assert_eq!(world.followees(reader).await, []);
    let like = like_row(reader, &post, 1);
    world.land(vec![state(Likes, 20, true, like.clone())]).await;
    world.land(vec![state(Likes, 10, false, like)]).await;
    assert_eq!(world.trending().await, []);
    assert_eq!(world.affinity(reader).await, []);
}

pub(crate) async fn a_newer_version_brings_a_deleted_row_back<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    let post = world.post(author, 0).await;
    let like = like_row(reader, &post, 1);
    world.put(Likes, like.clone()).await;
    world.gone(Likes, like.clone()).await;
    assert_eq!(world.trending().await, []);
    world.put(Likes, like).await;
    assert_eq!(world.trending().await, [post]);
}

pub(crate) async fn a_post_with_deleted_at_is_deleted<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    world.follow(reader, author).await;
    let post = world.post(author, 0).await;
    let mut row = post_row(&post);
    row["deleted_at"] = Value::Null;
    world.put(Posts, row.clone()).await;
    assert_eq!(world.followees(reader).await, [post]);
    row["deleted_at"] = json!(at(9));
    world.put(Posts, row).await;
    assert_eq!(world.followees(reader).await, []);
}

pub(crate) async fn a_row_that_cannot_be_is_named_and_nothing_is_written<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    world.follow(reader, author).await;
    let good = Candidate {
        post_id: PostId::new(),
        author_id: author,
        created_at: at(1),
    };
    let bad = [
        (
            Posts,
            json!({ "author_id": author, "created_at": 1 }),
            "rows[1].id",
        ),
        (
            Posts,
            json!({ "id": "x", "author_id": author, "created_at": 1 }),
            "rows[1].id",
        ),
        (
            Follows,
            json!({ "follower_id": author, "followee_id": author }),
            "rows[1].created_at",
        ),
        (Likes, json!(null), "rows[1].post_id"),
        (
            PostCounters,
            counters_row(good.post_id, u64::MAX, 0),
            "rows[1].likes",
        ),
        (
            PostCounters,
            json!({ "post_id": good.post_id, "likes": 1, "comments": -1 }),
            "rows[1].comments",
        ),
    ];
    for (table, row, field) in bad {
        let rows = vec![
            state(Posts, 99, false, post_row(&good)),
            state(table, 99, false, row),
        ];
        let refused = world.analytics.apply(&world.batch(rows)).await.unwrap_err();
        match refused.kind() {
            Kind::Validation(fields) => assert_eq!(fields[0].field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(world.followees(reader).await, []);
    world.land(vec![state(Posts, 99, false, post_row(&good))]).await;
    assert_eq!(world.followees(reader).await, [good], "the ledger has not moved");
}
