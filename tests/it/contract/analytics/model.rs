//! Any history in any order, with repetitions, against a model of what the reads have to say.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use nova_actors::domain::change::CapturedTable::{self, Comments, Follows, Likes, PostCounters, Posts};
use nova_actors::domain::feed::{Candidate, PostFeatures};
use nova_actors::domain::{PostId, Timestamp, UserId};
use nova_actors::ports::analytics::{Features, RowState};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Backend, World, at, counters_row, follow_row, like_row, post_row, state};

/// One thing that happened, by the numbers of the post, the author and the moment.
#[derive(Debug, Clone, Copy)]
struct Step {
    what: u8,
    post: usize,
    author: usize,
    gone: bool,
    moment: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u8..5, 0_usize..6, 0_usize..3, any::<bool>(), 0_i64..8);
    let step = step.prop_map(|(what, post, author, gone, moment)| Step {
        what,
        post,
        author,
        gone,
        moment,
    });
    prop::collection::vec(step, 1..60)
}

/// The order in which the rows arrive, some of them twice, and how many come in one batch.
fn arrival(steps: Vec<Step>) -> impl Strategy<Value = (Vec<Step>, Vec<usize>, usize)> {
    let count = steps.len();
    let repeated = prop::collection::vec(0..count, 0..count);
    (Just(steps), repeated, 1_usize..20).prop_flat_map(move |(steps, repeated, size)| {
        let order: Vec<usize> = (0..count).chain(repeated).collect();
        (Just(steps), Just(order).prop_shuffle(), Just(size))
    })
}

/// The reads of `B` are those of the model, in `cases` cases.
pub(super) fn reads_are_the_models<B: Backend>(cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    TestRunner::new(config)
        .run(&steps().prop_flat_map(arrival), |(steps, order, size)| {
            runtime.block_on(check::<B>(&steps, &order, size));
            Ok(())
        })
        .unwrap();
}

async fn check<B: Backend>(steps: &[Step], order: &[usize], size: usize) {
    let people = People::new();
    let rows: Vec<RowState> = (1_u128..)
        .zip(steps)
        .map(|(version, step)| people.row(version << 65, *step))
        .collect();
    let mut world = World::<B>::new().await;
    let arriving: Vec<RowState> = order.iter().map(|n| rows[*n].clone()).collect();
    for batch in arriving.chunks(size) {
        world.land(batch.to_vec()).await;
    }
    let model = Model::of(&rows);
    let reader = people.reader;
    assert_eq!(
        world.followees(reader).await,
        model.followees(reader),
        "followees"
    );
    assert_eq!(world.trending().await, model.trending(), "trending");
    assert_eq!(world.affinity(reader).await, model.affinity(reader), "affinity");
    let posts: Vec<PostId> = people.posts.iter().map(|post| post.post_id).collect();
    let features = world.features(reader, &posts, &people.authors).await;
    assert_eq!(features, model.features(reader), "features");
}

struct People {
    reader: UserId,
    authors: Vec<UserId>,
    posts: Vec<Candidate>,
    comments: Vec<Uuid>,
}

impl People {
    fn new() -> Self {
        let authors: Vec<UserId> = (0..3).map(|_| UserId::new()).collect();
        let post = |n: usize| Candidate {
            post_id: PostId::new(),
            author_id: authors[n % 3],
            // Pairs of the same time, so that ids decide.
            created_at: at(n as i64 / 2),
        };
        Self {
            reader: UserId::new(),
            posts: (0..6).map(post).collect(),
            comments: (0..8).map(|_| Uuid::now_v7()).collect(),
            authors,
        }
    }

    fn row(&self, version: u128, step: Step) -> RowState {
        let post = self.posts[step.post];
        let author = self.authors[step.author];
        let (table, row) = match step.what {
            0 => (Posts, post_row(&post)),
            1 => (Follows, follow_row(self.reader, author)),
            2 if step.author == 0 => (Likes, like_row(author, &post, step.moment)),
            2 => (Likes, like_row(self.reader, &post, step.moment)),
            3 => {
                // A comment belongs to one post and one moment for ever.
                let comment = step.moment as usize;
                let post = self.posts[comment % 6];
                let row = json!({
                    "id": self.comments[comment], "post_id": post.post_id, "user_id": self.reader,
                    "post_author_id": post.author_id, "created_at": at(step.moment),
                });
                (Comments, row)
            }
            _ => (
                PostCounters,
                counters_row(post.post_id, step.moment.unsigned_abs(), step.author as u64),
            ),
        };
        state(table, version, step.gone, row)
    }
}

/// The newest state of every key that is not gone.
struct Model(Vec<(CapturedTable, Value)>);

impl Model {
    fn of(rows: &[RowState]) -> Self {
        let mut newest: BTreeMap<(&str, String), &RowState> = BTreeMap::new();
        for row in rows {
            let slot = newest.entry((row.table.table(), key(row))).or_insert(row);
            if row.version > slot.version {
                *slot = row;
            }
        }
        let alive = newest.into_values().filter(|row| !row.deleted);
        Self(alive.map(|row| (row.table, row.row.clone())).collect())
    }

    fn rows(&self, table: CapturedTable) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(move |(of, _)| *of == table)
            .map(|(_, row)| row)
    }

    fn posts(&self) -> Vec<Candidate> {
        let mut posts: Vec<Candidate> = self
            .rows(Posts)
            .map(|row| Candidate {
                post_id: get(row, "id"),
                author_id: get(row, "author_id"),
                created_at: get::<Timestamp>(row, "created_at"),
            })
            .collect();
        posts.sort_by_key(|post| Reverse((post.created_at, post.post_id)));
        posts
    }

    fn followees(&self, reader: UserId) -> Vec<Candidate> {
        let follows = |author: UserId| {
            let mut follows = self.rows(Follows);
            follows.any(|row| {
                get::<UserId>(row, "follower_id") == reader && get::<UserId>(row, "followee_id") == author
            })
        };
        let posts = self.posts().into_iter();
        posts.filter(|post| follows(post.author_id)).collect()
    }

    fn trending(&self) -> Vec<Candidate> {
        let mut weights: HashMap<PostId, u64> = HashMap::new();
        for (table, weight) in [(Likes, 1), (Comments, 2)] {
            for row in self.rows(table) {
                *weights.entry(get(row, "post_id")).or_default() += weight;
            }
        }
        let mut posts = self.posts();
        posts.retain(|post| weights.contains_key(&post.post_id));
        posts.sort_by_key(|post| Reverse(weights[&post.post_id]));
        posts
    }

    fn interactions(&self, reader: UserId) -> HashMap<UserId, u64> {
        let mut counts = HashMap::new();
        for row in self.rows(Likes).chain(self.rows(Comments)) {
            if get::<UserId>(row, "user_id") == reader {
                *counts.entry(get(row, "post_author_id")).or_default() += 1;
            }
        }
        counts
    }

    fn affinity(&self, reader: UserId) -> Vec<Candidate> {
        let authors = self.interactions(reader);
        let posts = self.posts().into_iter();
        posts
            .filter(|post| authors.contains_key(&post.author_id))
            .collect()
    }

    fn features(&self, reader: UserId) -> Features {
        let figures = |row: &Value| PostFeatures {
            likes: get(row, "likes"),
            comments: get(row, "comments"),
            ..PostFeatures::default()
        };
        Features {
            posts: self
                .rows(PostCounters)
                .map(|row| (get(row, "post_id"), figures(row)))
                .collect(),
            interactions: self.interactions(reader),
        }
    }
}

fn key(state: &RowState) -> String {
    let names: &[&str] = match state.table {
        Posts | Comments => &["id"],
        Follows => &["follower_id", "followee_id"],
        Likes => &["post_id", "user_id"],
        PostCounters => &["post_id"],
    };
    let parts: Vec<String> = names.iter().map(|name| state.row[name].to_string()).collect();
    parts.join(" ")
}

fn get<T: serde::de::DeserializeOwned>(row: &Value, name: &str) -> T {
    serde_json::from_value(row[name].clone()).unwrap()
}
