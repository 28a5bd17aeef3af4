//! The decisions of a worker, with plain values.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::feed::Rung;
use crate::domain::{Timestamp, UserId};
use crate::feed::Watermark;
use crate::feed::ranking::Ranker;
use crate::feed::request::{Preference, Want};
use crate::feed::settings::FeedSettings;
use crate::feed::shelf::{Current, Found, Pointer};
use crate::feed::snapshot::{Generation, Origin, Snapshot};
use crate::feed::state::{RankerState, Verdict};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const USUAL: Want = Want {
    ranker: Ranker::V1,
    preference: Preference::Auto,
};

fn snapshot(at: Timestamp, rung: Rung) -> Arc<Snapshot> {
    let degraded = match rung {
        Rung::Partial | Rung::Store => vec!["trending".to_owned()],
        _ => Vec::new(),
    };
    Arc::new(Snapshot {
        origin: Origin {
            generation: Generation::new(at),
            built_at: at,
            ranker: Ranker::V1,
            rung,
            degraded,
            watermark: Watermark::default(),
        },
        entries: Vec::new(),
    })
}

fn state() -> (RankerState<u32>, UserId) {
    (RankerState::new(FeedSettings::default()), UserId::new())
}

/// Builds and stores the default ranking, as the actor does.
fn publish(state: &mut RankerState<u32>, reader: UserId, at: Timestamp, rung: Rung, jitter: f64) -> Pointer {
    let flight = state.join(reader, USUAL, 0).unwrap();
    let publication = state.built(flight, snapshot(at, rung), at, jitter).unwrap();
    assert_eq!(state.published(flight).unwrap().waiters, [0]);
    publication.pointer.unwrap()
}

fn judged(state: &RankerState<u32>, reader: UserId, pointer: Pointer, now: Timestamp) -> &'static str {
    let snapshot = snapshot(pointer.built_at, pointer.rung);
    state
        .judge(reader, Found::Current(Current { pointer, snapshot }), now)
        .1
}

#[test]
fn the_soft_time_to_live_spreads_by_a_tenth() {
    let (mut state, reader) = state();
    for (jitter, seconds) in [(-1.0, 108), (0.0, 120), (1.0, 132), (9.0, 132)] {
        let pointer = publish(&mut state, reader, NOW, Rung::Fresh, jitter);
        assert_eq!(pointer.soft_until, NOW.plus(seconds * SECOND));
    }
}

#[test]
fn what_is_not_complete_lives_shortly_and_is_never_served_stale() {
    for (rung, seconds) in [
        (Rung::Partial, 5),
        (Rung::Store, 5),
        (Rung::Chrono, 1),
        (Rung::Empty, 1),
    ] {
        let (mut state, reader) = state();
        let pointer = publish(&mut state, reader, NOW, rung, 0.0);
        let end = NOW.plus(seconds * SECOND);
        assert_eq!(pointer.soft_until, end);
        assert_eq!(
            judged(&state, reader, pointer, end.minus(SECOND / 1_000)),
            "fresh"
        );
        assert_eq!(judged(&state, reader, pointer, end), "miss");
    }
}

#[test]
fn a_complete_ranking_is_stale_until_a_quarter_of_an_hour() {
    let (mut state, reader) = state();
    let pointer = publish(&mut state, reader, NOW, Rung::Fresh, 0.0);
    assert_eq!(judged(&state, reader, pointer, NOW.plus(119 * SECOND)), "fresh");
    assert_eq!(judged(&state, reader, pointer, NOW.plus(120 * SECOND)), "stale");
    assert_eq!(judged(&state, reader, pointer, NOW.plus(900 * SECOND)), "stale");
    assert_eq!(judged(&state, reader, pointer, NOW.plus(901 * SECOND)), "miss");
}

#[test]
fn a_pointer_of_another_ranker_does_not_count() {
    let (mut state, reader) = state();
    let mut pointer = publish(&mut state, reader, NOW, Rung::Fresh, 0.0);
    pointer.ranker = Ranker::Chrono;
    assert_eq!(judged(&state, reader, pointer, NOW), "miss");
}

#[test]
fn without_the_cache_the_workers_own_snapshot_counts() {
    let (mut state, reader) = state();
    let (verdict, result) = state.judge(reader, Found::Failed, NOW);
    assert!(matches!(verdict, Verdict::Build) && result == "error");
    publish(&mut state, reader, NOW, Rung::Fresh, 0.0);
    let (verdict, result) = state.judge(reader, Found::Failed, NOW.plus(SECOND));
    assert!(matches!(verdict, Verdict::Serve(_)) && result == "error");
    state.mark(reader, NOW.plus(2 * SECOND));
    let (verdict, _) = state.judge(reader, Found::Failed, NOW.plus(3 * SECOND));
    assert!(matches!(verdict, Verdict::Build));
}

#[test]
fn rankings_of_different_kinds_do_not_share_a_build() {
    let (mut state, reader) = state();
    let other = Want {
        ranker: Ranker::Chrono,
        preference: Preference::Auto,
    };
    assert!(state.join(reader, USUAL, 1).is_some());
    assert!(state.join(reader, other, 2).is_some());
    assert!(state.join(UserId::new(), USUAL, 3).is_some());
    assert!(state.join(reader, USUAL, 4).is_none());
}

#[test]
fn only_the_default_ranking_becomes_the_current_one() {
    let (mut state, reader) = state();
    let chrono = Want {
        ranker: Ranker::Chrono,
        preference: Preference::Auto,
    };
    let flight = state.join(reader, chrono, 1).unwrap();
    let made = snapshot(NOW, Rung::Chrono);
    let publication = state.built(flight, Arc::clone(&made), NOW, 0.0).unwrap();
    assert_eq!(publication.pointer, None);
    assert!(state.known(reader, made.origin.generation).is_some());
    assert!(state.known(UserId::new(), made.origin.generation).is_none());
}

#[test]
fn a_build_from_before_a_mark_serves_its_waiters_and_nobody_else() {
    let (mut state, reader) = state();
    let flight = state.join(reader, USUAL, 1).unwrap();
    state.mark(reader, NOW);
    let publication = state.built(flight, snapshot(NOW, Rung::Fresh), NOW, 0.0).unwrap();
    assert_eq!(publication.pointer, None);
    let landed = state.published(flight).unwrap();
    assert_eq!((landed.waiters, landed.outdated), (vec![1], false));
    assert!(state.known_current(reader).is_none());
}

#[test]
fn a_mark_while_a_build_is_stored_takes_the_pointer_back() {
    let (mut state, reader) = state();
    let flight = state.join(reader, USUAL, 1).unwrap();
    let publication = state.built(flight, snapshot(NOW, Rung::Fresh), NOW, 0.0).unwrap();
    assert!(publication.pointer.is_some());
    state.mark(reader, NOW);
    assert!(state.published(flight).unwrap().outdated);
    assert!(state.known_current(reader).is_none());
}

#[test]
fn one_refresh_at_a_time_and_a_rest_after_one_in_vain() {
    let (mut state, reader) = state();
    let flight = state.refresh(reader, NOW).unwrap();
    assert_eq!(state.refresh(reader, NOW), None);
    assert!(
        state
            .built(flight, snapshot(NOW, Rung::Store), NOW, 0.0)
            .is_none()
    );
    assert_eq!(state.refresh(reader, NOW.plus(4 * SECOND)), None);
    assert!(state.refresh(reader, NOW.plus(5 * SECOND)).is_some());
}

#[test]
fn a_refresh_in_vain_still_answers_those_who_joined_it() {
    let (mut state, reader) = state();
    let flight = state.refresh(reader, NOW).unwrap();
    assert_eq!(state.join(reader, USUAL, 7), None);
    let publication = state.built(flight, snapshot(NOW, Rung::Store), NOW, 0.0).unwrap();
    assert_eq!(publication.pointer, None);
    assert_eq!(state.published(flight).unwrap().waiters, [7]);
}

#[test]
fn requests_beyond_the_bound_are_not_admitted() {
    let settings = FeedSettings {
        in_flight: 1,
        ..FeedSettings::default()
    };
    let mut state = RankerState::<u32>::new(settings);
    assert!(state.admit());
    assert!(!state.admit());
    state.release();
    assert!(state.admit());
}

#[test]
fn in_the_rollout_the_chronological_ranking_is_the_one_that_is_kept() {
    let settings = FeedSettings {
        chrono_percent: 100,
        ..FeedSettings::default()
    };
    let (mut state, reader) = (RankerState::<u8>::new(settings), UserId::new());
    let chrono = Want {
        ranker: Ranker::Chrono,
        ..USUAL
    };
    for (want, kept) in [(USUAL, false), (chrono, true)] {
        let flight = state.join(reader, want, 1).unwrap();
        let publication = state.built(flight, snapshot(NOW, Rung::Fresh), NOW, 0.0).unwrap();
        assert_eq!(publication.pointer.is_some(), kept);
        state.published(flight).unwrap();
    }
    let current = state.known_current(reader).unwrap();
    let (verdict, _) = state.judge(reader, Found::Current(current), NOW);
    assert!(matches!(verdict, Verdict::Serve(_)));
    // A ranking from before the reader got into the rollout.
    let made = snapshot(NOW, Rung::Fresh);
    let pointer = Pointer::to(&made.origin, Ranker::V1, NOW.plus(SECOND));
    let before = Current {
        pointer,
        snapshot: made,
    };
    let (verdict, _) = state.judge(reader, Found::Current(before), NOW);
    assert!(matches!(verdict, Verdict::Build));
}
