//! A batch that is interrupted at any point is exact after the next owner has written it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use nova_actors::domain::feed::{Candidate, PostFeatures};
use nova_actors::domain::{PostId, Timestamp, UserId};
use nova_actors::ports::analytics::{AnalyticsSink, Batch, Claim, FeedSource, Outcomes, RowState};
use nova_actors::ports::ledger::{PipelineLedger, Range};
use nova_actors::testing::MemoryLedger;
use nova_actors::{Error, Kind, Result};
use serde_json::json;

use super::super::{
    Backend, LONG_AGO, PIPELINE, TOPIC, at, counters_row, follow_row, like_row, post_row, state,
};
use super::place::ClickHouseDatabase;
use super::proxy::{Cut, Proxy};
use nova_actors::domain::change::CapturedTable::{Comments, Follows, Likes, PostCounters, Posts};

/// Inserts that [`Story::batch`] is made of: posts of two months, and four other tables.
const INSERTS: usize = 6;

/// A call of the ledger at which the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    BeforeBegin,
    AfterBegin,
    BeforeSettle,
    AfterSettle,
}

/// A ledger whose caller dies at one of its calls.
pub(super) struct DyingLedger {
    ledger: Arc<MemoryLedger>,
    at: At,
    pub(super) deaths: AtomicUsize,
}

impl DyingLedger {
    fn new(ledger: Arc<MemoryLedger>, at: At) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            at,
            deaths: AtomicUsize::new(0),
        })
    }

    /// Dies before every settle, so that the same range is written again and again.
    pub(super) fn never_settles(ledger: Arc<MemoryLedger>) -> Arc<Self> {
        Self::new(ledger, At::BeforeSettle)
    }

    fn passes(&self, at: At) -> Result<()> {
        if self.at == at {
            self.deaths.fetch_add(1, Ordering::SeqCst);
            return Err(Error::unavailable("the ledger"));
        }
        Ok(())
    }
}

#[async_trait]
impl PipelineLedger for DyingLedger {
    async fn claim(&self, pipeline: &str, topic: &str, partition: u16, owner: &str) -> Result<Claim> {
        self.ledger.claim(pipeline, topic, partition, owner).await
    }

    async fn begin(&self, range: Range<'_>) -> Result<()> {
        self.passes(At::BeforeBegin)?;
        self.ledger.begin(range).await?;
        self.passes(At::AfterBegin)
    }

    async fn settle(&self, batch: &Batch) -> Result<()> {
        self.passes(At::BeforeSettle)?;
        self.ledger.settle(batch).await?;
        self.passes(At::AfterSettle)
    }

    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>> {
        self.ledger.watermark(pipeline).await
    }
}

/// One batch with something for every table.
pub(super) struct Story {
    reader: UserId,
    posts: [Candidate; 2],
    rows: Vec<RowState>,
}

impl Story {
    pub(super) fn new() -> Self {
        let (reader, author) = (UserId::new(), UserId::new());
        let long_ago = Timestamp::from_millis(1_600_000_000_000);
        let posts = [at(5), long_ago].map(|created_at| Candidate {
            post_id: PostId::new(),
            author_id: author,
            created_at,
        });
        let comment = json!({
            "id": PostId::new(), "post_id": posts[0].post_id, "user_id": reader,
            "post_author_id": author, "created_at": at(9),
        });
        let rows = vec![
            state(Posts, 1, false, post_row(&posts[0])),
            state(Posts, 2, false, post_row(&posts[1])),
            state(Follows, 3, false, follow_row(reader, author)),
            state(Likes, 4, false, like_row(reader, &posts[0], 8)),
            state(Comments, 5, false, comment),
            state(PostCounters, 6, false, counters_row(posts[0].post_id, 1, 1)),
        ];
        Self { reader, posts, rows }
    }

    pub(super) fn batch(&self, claim: &Claim) -> Batch {
        let landed = self.rows.len() as u64;
        Batch {
            pipeline: PIPELINE,
            topic: TOPIC.to_owned(),
            partition: 0,
            epoch: claim.epoch,
            first: 0,
            next: landed,
            outcomes: Outcomes {
                landed,
                ..Outcomes::default()
            },
            rows: self.rows.clone(),
            dead: Vec::new(),
            watermark: at(10),
        }
    }

    /// Every read says what the batch says.
    pub(super) async fn is_told_by(&self, analytics: &impl FeedSource) {
        let [new, _] = self.posts;
        let author = new.author_id;
        let followees = analytics.followees(self.reader, LONG_AGO, 9, 9).await.unwrap();
        assert_eq!(followees, self.posts);
        assert_eq!(analytics.trending(LONG_AGO, 9).await.unwrap(), [new]);
        let affinity = analytics.affinity(self.reader, LONG_AGO, LONG_AGO, 9, 9).await;
        assert_eq!(affinity.unwrap(), self.posts);
        let features = analytics
            .features(self.reader, &[new.post_id], &[author], LONG_AGO)
            .await
            .unwrap();
        let figures = PostFeatures {
            likes: 1,
            comments: 1,
            ..PostFeatures::default()
        };
        assert_eq!(features.posts[&new.post_id], figures);
        assert_eq!(features.interactions[&author], 2);
    }

    /// As many rows in every table as the batch has for it, no state twice.
    pub(super) const COUNTS: [&str; 7] = [
        "comments_cdc\t1",
        "follows_cdc\t1",
        "likes_cdc\t1",
        "post_counters_cdc\t1",
        "post_interactions_1h\t2",
        "posts_cdc\t2",
        "user_author_90d\t2",
    ];
}

/// The next owner takes over, writes what was left open, and everything is there once.
async fn taken_over(place: &ClickHouseDatabase, story: &Story, begun: bool, settled: bool, case: &str) {
    let analytics = place.open().await;
    let claim = analytics
        .claim(PIPELINE, TOPIC, 0, "the next owner")
        .await
        .unwrap();
    let batch = story.batch(&claim);
    if settled {
        assert_eq!((claim.next_offset, claim.pending), (batch.next, None), "{case}");
    } else {
        assert_eq!(claim.next_offset, 0, "{case}");
        assert_eq!(claim.pending, begun.then_some(batch.next), "{case}");
        analytics.apply(&batch).await.unwrap();
    }
    story.is_told_by(&analytics).await;
    assert_eq!(place.counts().await, Story::COUNTS, "{case}");
}

#[tokio::test]
async fn a_death_around_the_ledger_is_made_good() {
    for at in [At::BeforeBegin, At::AfterBegin, At::BeforeSettle, At::AfterSettle] {
        let (place, story) = (ClickHouseDatabase::new(), Story::new());
        place.open().await;
        let ledger = DyingLedger::new(place.ledger.clone(), at);
        let dying = place.connect(ledger.clone());
        let claim = dying.claim(PIPELINE, TOPIC, 0, "who dies").await.unwrap();
        let error = dying.apply(&story.batch(&claim)).await.unwrap_err();
        assert_eq!(error.kind(), &Kind::Unavailable, "{at:?}");
        assert_eq!(ledger.deaths.load(Ordering::SeqCst), 1);
        taken_over(
            &place,
            &story,
            at != At::BeforeBegin,
            at == At::AfterSettle,
            &format!("{at:?}"),
        )
        .await;
    }
}

#[tokio::test]
async fn a_death_at_any_insert_is_made_good() {
    for cut in [Cut::Before, Cut::Midway, Cut::After] {
        for number in 0..INSERTS {
            let (place, story) = (ClickHouseDatabase::new(), Story::new());
            place.open().await;
            let proxy = Proxy::to(ClickHouseDatabase::address()).await;
            proxy.down_at_insert(number, cut);
            let dying = place.through(&proxy.address(), place.ledger.clone());
            let claim = dying.claim(PIPELINE, TOPIC, 0, "who dies").await.unwrap();
            let error = dying.apply(&story.batch(&claim)).await.unwrap_err();
            assert_eq!(error.kind(), &Kind::Unavailable, "{cut:?} {number}");
            assert_eq!(proxy.seen(), number + 1, "the batch ends at the cut");
            taken_over(
                &place,
                &story,
                true,
                false,
                &format!("{cut:?} at insert {number}"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn an_insert_whose_answer_is_lost_is_repeated_under_its_token() {
    for number in 0..INSERTS {
        for cut in [Cut::After, Cut::HalfAnswered, Cut::Midway] {
            let (place, story) = (ClickHouseDatabase::new(), Story::new());
            place.open().await;
            let proxy = Proxy::to(ClickHouseDatabase::address()).await;
            proxy.cut_insert(number, cut);
            let analytics = place.through(&proxy.address(), place.ledger.clone());
            let claim = analytics.claim(PIPELINE, TOPIC, 0, "a test").await.unwrap();
            analytics.apply(&story.batch(&claim)).await.unwrap();
            assert_eq!(
                proxy.seen(),
                INSERTS + 1,
                "{cut:?} {number}: one insert came twice"
            );
            story.is_told_by(&analytics).await;
            assert_eq!(place.counts().await, Story::COUNTS, "{cut:?} {number}");
        }
    }
}
