//! `StreamStore`, and the sweep over running streams.

use futures_util::future::join_all;
use nova_actors::domain::{
    EndedReason, LiveStream, StreamId, StreamPatch, Timestamp, UserId, ViewerTotals, WriteContext, Written,
};
use nova_actors::ports::store::{PendingChanges, StreamStore};
use nova_actors::{Kind, Result};
use serde_json::{Value, json};

use super::{Backend, World, at, fresh, keyed, new_stream, plain, replayed};

const FIGURES: ViewerTotals = ViewerTotals {
    viewers: 5,
    peak: 9,
    unique: 30,
};

impl<B: Backend> World<B> {
    pub(super) async fn end(&self, id: StreamId, now: Timestamp) -> Result<Written<LiveStream>> {
        self.store
            .end(id, EndedReason::Ended, ViewerTotals::default(), plain(), now)
            .await
    }

    async fn stored(&self, id: StreamId) -> LiveStream {
        self.store.streams(&[id]).await.unwrap()[&id].clone()
    }

    pub(super) async fn events(&self) -> Vec<Value> {
        let rows = self.store.outbox(1_000).await.unwrap();
        let value = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
        rows.iter()
            .map(|row| value(row.record.value.as_deref().unwrap()))
            .collect()
    }
}

pub(super) async fn a_start_commits_with_its_event<B: Backend>() {
    let world = World::<B>::new().await;
    let (creator, ctx) = (UserId::new(), WriteContext::untracked());
    let new = new_stream("on air", "music");
    let stream = fresh(world.store.start(creator, &new, &ctx, at(5)).await.unwrap());
    assert_eq!(stream.creator_id, creator);
    assert_eq!((&stream.title, &stream.category), (&new.title, &new.category));
    assert_eq!(stream.description, new.description);
    assert_eq!(stream.thumbnail_url, new.thumbnail_url);
    assert_eq!((stream.started_at, stream.owner_seen_at), (at(5), at(5)));
    assert!(stream.is_live() && stream.ended_reason.is_none() && !stream.epoch.is_empty());
    assert_eq!(world.stored(stream.id).await, stream);

    let rows = world.store.outbox(10).await.unwrap();
    assert_eq!(rows.len(), 1);
    let record = &rows[0].record;
    assert_eq!(record.topic, "streams");
    assert_eq!(record.key, stream.id.to_string().as_bytes());
    assert_eq!((&*record.headers.kind, record.at), ("stream.started", at(5)));
    assert_eq!(record.headers.traceparent, ctx.traceparent);
    assert_eq!(
        world.events().await[0],
        json!({
            "event_id": record.headers.event_id,
            "type": "stream.started",
            "stream_id": stream.id,
            "creator_id": creator,
            "title": "on air",
            "category": "music",
            "at_ms": at(5),
        })
    );
}

pub(super) async fn a_creator_has_one_live_stream<B: Backend>() {
    let world = World::<B>::new().await;
    let creator = UserId::new();
    let first = fresh(world.try_start(creator, "one", at(1)).await.unwrap());
    let error = world.try_start(creator, "two", at(2)).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::AlreadyLive(first.id));
    assert_eq!(world.events().await.len(), 1);
    assert_eq!(world.store.live(None, 1, 10).await.unwrap().total, 1);

    fresh(world.end(first.id, at(3)).await.unwrap());
    let second = fresh(world.try_start(creator, "two", at(4)).await.unwrap());
    assert_ne!(second.id, first.id);
    assert_ne!(second.epoch, first.epoch);
}

pub(super) async fn of_starts_at_the_same_time_one_wins<B: Backend>() {
    let world = World::<B>::new().await;
    let creator = UserId::new();
    let starts = join_all((0..10).map(|n| world.try_start(creator, "race", at(n)))).await;
    let (won, lost): (Vec<_>, Vec<_>) = starts.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let winner = won.into_iter().next().unwrap().unwrap().into_inner();
    for start in lost {
        assert_eq!(start.unwrap_err().kind(), &Kind::AlreadyLive(winner.id));
    }
    assert_eq!(world.events().await.len(), 1);
}

pub(super) async fn an_end_commits_with_its_event<B: Backend>() {
    let world = World::<B>::new().await;
    let stream = world.start("on air", "art", at(1)).await;
    let ctx = WriteContext::untracked();
    let ended = world
        .store
        .end(stream.id, EndedReason::Abandoned, FIGURES, &ctx, at(9));
    let ended = fresh(ended.await.unwrap());
    assert_eq!(ended.ended_at, Some(at(9)));
    assert_eq!(ended.ended_reason, Some(EndedReason::Abandoned));
    assert_eq!(
        (ended.viewers, ended.peak_viewers, ended.unique_viewers),
        (5, 9, 30)
    );
    assert_eq!(world.stored(stream.id).await, ended);

    let rows = world.store.outbox(10).await.unwrap();
    let record = &rows[1].record;
    assert_eq!(record.key, stream.id.to_string().as_bytes());
    assert_eq!((&*record.headers.kind, record.at), ("stream.ended", at(9)));
    assert_eq!(record.headers.traceparent, ctx.traceparent);
    assert_eq!(
        world.events().await[1],
        json!({
            "event_id": record.headers.event_id,
            "type": "stream.ended",
            "stream_id": stream.id,
            "creator_id": stream.creator_id,
            "title": "on air",
            "category": "art",
            "at_ms": at(9),
            "reason": "abandoned",
        })
    );
}

pub(super) async fn ending_twice_changes_nothing<B: Backend>() {
    let world = World::<B>::new().await;
    let stream = world.start("on air", "music", at(1)).await;
    let ended = fresh(world.end(stream.id, at(2)).await.unwrap());
    let again = world
        .store
        .end(stream.id, EndedReason::Abandoned, FIGURES, plain(), at(3));
    assert_eq!(replayed(again.await.unwrap()), ended);
    let under_a_key = keyed(stream.creator_id, "POST /streams/end", "k", 1);
    let again = world
        .store
        .end(stream.id, EndedReason::Ended, FIGURES, &under_a_key, at(4));
    assert_eq!(replayed(again.await.unwrap()), ended);
    assert_eq!(world.stored(stream.id).await, ended);
    assert_eq!(world.events().await.len(), 2);

    let unknown = world.end(StreamId::new(), at(2)).await.unwrap_err();
    assert_eq!(unknown.kind(), &Kind::NotFound);
    assert_eq!(world.events().await.len(), 2);
}

pub(super) async fn of_ends_at_the_same_time_one_counts<B: Backend>() {
    let world = World::<B>::new().await;
    let stream = world.start("on air", "music", at(1)).await;
    let ends = join_all((2..12).map(|n| world.end(stream.id, at(n)))).await;
    let (mut fresh, mut answers) = (0, Vec::new());
    for end in ends {
        let end = end.unwrap();
        fresh += usize::from(matches!(end, Written::Fresh(_)));
        answers.push(end.into_inner());
    }
    assert_eq!(fresh, 1);
    let stored = world.stored(stream.id).await;
    assert!(answers.iter().all(|answer| *answer == stored), "{answers:?}");
    assert_eq!(world.events().await.len(), 2);
}

pub(super) async fn a_patch_changes_what_it_names<B: Backend>() {
    let world = World::<B>::new().await;
    let stream = world.start("before", "music", at(1)).await;
    let title = StreamPatch {
        title: Some("after".to_owned()),
        ..StreamPatch::default()
    };
    let patched = world.store.patch(stream.id, &title, at(5)).await.unwrap();
    let expected = LiveStream {
        title: "after".to_owned(),
        owner_seen_at: at(5),
        ..stream.clone()
    };
    assert_eq!(patched, expected);

    let rest = StreamPatch {
        title: None,
        description: Some(String::new()),
        category: Some("art".to_owned()),
        thumbnail_url: Some(None),
    };
    let patched = world.store.patch(stream.id, &rest, at(6)).await.unwrap();
    let expected = LiveStream {
        description: String::new(),
        category: "art".to_owned(),
        thumbnail_url: None,
        owner_seen_at: at(6),
        ..expected
    };
    assert_eq!(patched, expected);
    assert_eq!(world.stored(stream.id).await, expected);

    let unknown = world.store.patch(StreamId::new(), &title, at(7)).await;
    assert_eq!(unknown.unwrap_err().kind(), &Kind::NotFound);
}

pub(super) async fn an_ended_stream_is_not_patched<B: Backend>() {
    let world = World::<B>::new().await;
    let stream = world.start("before", "music", at(1)).await;
    let ended = fresh(world.end(stream.id, at(2)).await.unwrap());
    let title = StreamPatch {
        title: Some("after".to_owned()),
        ..StreamPatch::default()
    };
    let error = world.store.patch(stream.id, &title, at(3)).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::StreamEnded);
    assert_eq!(world.stored(stream.id).await, ended);
}

pub(super) async fn a_touch_stores_figures_and_signs_of_life<B: Backend>() {
    let world = World::<B>::new().await;
    let stream = world.start("on air", "music", at(1)).await;
    world.store.touch(stream.id, FIGURES, Some(at(20))).await.unwrap();
    let touched = world.stored(stream.id).await;
    let expected = LiveStream {
        viewers: 5,
        peak_viewers: 9,
        unique_viewers: 30,
        owner_seen_at: at(20),
        ..stream.clone()
    };
    assert_eq!(touched, expected);

    // Neither a missing nor a late sign of life moves it back, and what was reached stays reached.
    let fewer = ViewerTotals {
        viewers: 2,
        peak: 2,
        unique: 2,
    };
    world.store.touch(stream.id, fewer, None).await.unwrap();
    world.store.touch(stream.id, fewer, Some(at(10))).await.unwrap();
    let expected = LiveStream {
        viewers: 2,
        ..expected
    };
    assert_eq!(world.stored(stream.id).await, expected);
    assert_eq!(world.events().await.len(), 1);

    let ended = fresh(world.end(stream.id, at(30)).await.unwrap());
    let kept = (ended.viewers, ended.peak_viewers, ended.unique_viewers);
    assert_eq!(kept, (0, 9, 30));
}

pub(super) async fn an_ended_stream_is_not_touched<B: Backend>() {
    let world = World::<B>::new().await;
    let stream = world.start("on air", "music", at(1)).await;
    let ended = fresh(world.end(stream.id, at(2)).await.unwrap());
    world.store.touch(stream.id, FIGURES, Some(at(3))).await.unwrap();
    assert_eq!(world.stored(stream.id).await, ended);
    world.store.touch(StreamId::new(), FIGURES, None).await.unwrap();
    assert_eq!(world.store.live(None, 1, 10).await.unwrap().total, 0);
}

pub(super) async fn known_streams_are_read_at_once<B: Backend>() {
    let world = World::<B>::new().await;
    let one = world.start("one", "music", at(1)).await;
    let two = world.start("two", "art", at(2)).await;
    let two = fresh(world.end(two.id, at(3)).await.unwrap());
    let ids = [two.id, StreamId::new(), one.id];
    let (streams, queries) = world.count(world.store.streams(&ids)).await;
    assert_eq!((streams.len(), queries), (2, 1));
    assert_eq!((&streams[&one.id], &streams[&two.id]), (&one, &two));

    let (none, queries) = world.count(world.store.streams(&[])).await;
    assert_eq!((none.len(), queries), (0, 0));
}

pub(super) async fn the_live_list_is_newest_first<B: Backend>() {
    let world = World::<B>::new().await;
    let mut expected = vec![world.start("old", "music", at(1)).await];
    for _ in 0..4 {
        expected.push(world.start("tie", "art", at(2)).await);
    }
    let gone = world.start("gone", "art", at(3)).await;
    fresh(world.end(gone.id, at(4)).await.unwrap());
    expected.push(world.start("late", "music", at(3)).await);
    expected.sort_by_key(|stream| std::cmp::Reverse((stream.started_at, stream.id)));

    let mut listed = Vec::new();
    for page in 1..=3 {
        let (live, queries) = world.count(world.store.live(None, page, 2)).await;
        assert_eq!((live.total, live.streams.len(), queries), (6, 2, 1));
        listed.extend(live.streams);
    }
    assert_eq!(listed, expected);

    expected.retain(|stream| stream.category == "art");
    let art = world.store.live(Some("art"), 1, 10).await.unwrap();
    assert_eq!((art.streams, art.total), (expected, 4));
}

pub(super) async fn every_page_has_the_total<B: Backend>() {
    let world = World::<B>::new().await;
    let nothing = world.store.live(None, 1, 10).await.unwrap();
    assert_eq!((nothing.streams.len(), nothing.total), (0, 0));
    for n in 0..3 {
        world.start("on air", "music", at(n)).await;
    }
    for page in [2, u32::MAX] {
        for category in [None, Some("music")] {
            let (live, queries) = world.count(world.store.live(category, page, 3)).await;
            assert_eq!((live.streams.len(), live.total, queries), (0, 3, 1));
        }
    }
    let other = world.store.live(Some("art"), 1, 3).await.unwrap();
    assert_eq!((other.streams.len(), other.total), (0, 0));
}

pub(super) async fn running_streams_come_oldest_first<B: Backend>() {
    let world = World::<B>::new().await;
    let mut expected = Vec::new();
    for n in 0..5 {
        expected.push(world.start("on air", "music", at(n)).await);
    }
    let gone = expected.remove(2);
    fresh(world.end(gone.id, at(9)).await.unwrap());
    expected.sort_by_key(|stream| stream.id);

    let first = world.store.running(None, 3).await.unwrap();
    let rest = world.store.running(Some(first[2].id), 3).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, 1));
    assert_eq!([first, rest].concat(), expected);
    let none = world.store.running(Some(expected[3].id), 3).await.unwrap();
    assert!(none.is_empty());
}

/// A caller that goes away in the middle, at any point, leaves a stream with its event or neither, and the
/// store ready for the next one.
pub(super) async fn an_abandoned_start_is_whole_or_nothing<B: Backend>() {
    let world = World::<B>::new().await;
    for patience in 0..60 {
        tokio::select! {
            biased;
            _ = world.try_start(UserId::new(), "left", at(1)) => {}
            () = async { for _ in 0..patience * patience { tokio::task::yield_now().await; } } => {}
        }
        world.start("stays", "music", at(2)).await;
    }
    let running = world.store.running(None, 1_000).await.unwrap();
    let mut streams: Vec<_> = running.iter().map(|stream| json!(stream.id)).collect();
    let events = world.events().await;
    let mut announced: Vec<_> = events.iter().map(|event| event["stream_id"].clone()).collect();
    streams.sort_by_key(Value::to_string);
    announced.sort_by_key(Value::to_string);
    assert_eq!(streams, announced);
    assert!(running.iter().filter(|stream| stream.title == "stays").count() == 60);
}
