//! What a room decides, with plain values.

use super::*;
use crate::domain::StreamId;
use crate::domain::room::RoomEvent;

const BOOT: Timestamp = Timestamp::from_millis(1_000_000);

fn row() -> LiveStream {
    LiveStream {
        id: StreamId::new(),
        creator_id: UserId::new(),
        title: "t".into(),
        description: String::new(),
        category: "music".into(),
        thumbnail_url: None,
        started_at: BOOT,
        ended_at: None,
        ended_reason: None,
        epoch: "e1".into(),
        viewers: 0,
        peak_viewers: 0,
        unique_viewers: 0,
        owner_seen_at: Timestamp::from_millis(0),
    }
}

fn room() -> Room {
    Room::new(row(), Ring::default(), Before::default(), BOOT, 1_000)
}

fn event(seq: u64) -> SequencedEvent {
    SequencedEvent {
        seq,
        at: BOOT,
        event: RoomEvent::Info(RoomInfo {
            title: "x".into(),
            category: "art".into(),
        }),
    }
}

fn join(room: &mut Room, user: Option<UserId>) -> ViewerId {
    let shard = match room.members.place() {
        Some(shard) => shard,
        None => room.members.add_shard(room.seq()),
    };
    let viewer = room.members.next_id();
    let who = user.map_or_else(|| Who::Anonymous("sid".into()), Who::User);
    room.joined(shard, viewer, &who, BOOT);
    viewer
}

fn deliver(room: &mut Room) -> Vec<Delivery> {
    let all = room.deliveries();
    for delivery in &all {
        room.delivered(delivery.shard, delivery.upto);
    }
    all
}

#[test]
fn shards_at_the_same_point_share_one_encoding_and_one_behind_gets_its_own() {
    let mut room = room();
    for _ in 0..3 {
        room.members.add_shard(0);
    }
    room.heard(&[event(1)], Instant::now()).unwrap();
    room.delivered(2, 1);
    room.heard(&[event(2)], Instant::now()).unwrap();
    let all = room.deliveries();
    assert!(Arc::ptr_eq(&all[0].frames, &all[1].frames));
    assert_eq!((all[0].frames[0].first, all[2].frames[0].first), (1, 2));
}

#[test]
fn a_shard_that_could_not_be_told_gets_everything_with_the_next_flush() {
    let mut room = room();
    room.members.add_shard(0);
    room.heard(&[event(1)], Instant::now()).unwrap();
    assert_eq!(room.deliveries().len(), 1);
    room.heard(&[event(2)], Instant::now()).unwrap();
    let all = deliver(&mut room);
    assert_eq!((all[0].frames[0].first, all[0].frames[0].last), (1, 2));
    assert!(deliver(&mut room).is_empty());
}

#[test]
fn events_heard_twice_go_out_once() {
    let mut room = room();
    room.members.add_shard(0);
    assert!(room.heard(&[event(1)], Instant::now()).unwrap().is_some());
    assert_eq!(room.heard(&[event(1)], Instant::now()).unwrap(), None);
}

#[test]
fn a_viewer_with_another_epoch_is_fresh() {
    let mut room = room();
    room.members.add_shard(0);
    let admission = room.admit(0, Some(&("e0".into(), 0))).unwrap();
    assert_eq!(admission.resume.kind, frame::ResumeKind::Fresh);
    let admission = room.admit(0, Some(&("e1".into(), 0))).unwrap();
    assert_eq!(admission.resume.kind, frame::ResumeKind::Ok);
}

#[test]
fn events_that_wait_for_the_tick_are_not_replayed_to_a_viewer_who_will_get_them_live() {
    let mut room = room();
    room.members.add_shard(0);
    room.heard(&[event(1)], Instant::now()).unwrap();
    deliver(&mut room);
    room.heard(&[event(2)], Instant::now()).unwrap();
    let admission = room.admit(0, Some(&("e1".into(), 0))).unwrap();
    assert_eq!(admission.live_from, 1);
    assert_eq!(admission.resume.replay.last().unwrap().last, 1);
    assert!(room.is_ahead(0, Some(&("e1".into(), 2))));
    assert!(!room.is_ahead(0, Some(&("e1".into(), 3))), "from the future");
}

#[test]
fn a_state_frame_is_only_made_when_something_changed() {
    let mut room = room();
    assert!(room.next_state().unwrap().is_some());
    assert!(room.next_state().unwrap().is_none());
    join(&mut room, None);
    assert!(room.next_state().unwrap().is_some());
    room.elsewhere(4);
    assert!(room.next_state().unwrap().is_some());
    assert_eq!(
        room.totals(),
        ViewerTotals {
            viewers: 5,
            peak: 5,
            unique: 1
        }
    );
}

#[test]
fn the_peak_stays_when_viewers_leave_and_one_person_is_unique_once() {
    let mut room = room();
    let user = UserId::new();
    let first = join(&mut room, Some(user));
    join(&mut room, Some(user));
    room.members.report(0, 0, &[first], 0);
    assert_eq!(
        room.totals(),
        ViewerTotals {
            viewers: 1,
            peak: 2,
            unique: 1
        }
    );
}

#[test]
fn an_owner_without_a_sign_of_life_has_abandoned_the_stream() {
    let mut room = room();
    let limit = Duration::from_secs(600);
    let later = |s| BOOT.plus(Duration::from_secs(s));
    assert!(
        !room.is_abandoned(limit, later(599)),
        "counted from the start of the process"
    );
    assert!(room.is_abandoned(limit, later(600)));
    assert!(!room.is_abandoned(Duration::ZERO, later(600)), "zero is never");
    room.owner_seen(later(300));
    assert!(!room.is_abandoned(limit, later(899)));
    let owner = room.row().creator_id;
    let viewer = join(&mut room, Some(owner));
    assert!(!room.is_abandoned(limit, later(5_000)), "the owner is connected");
    room.members.report(0, 0, &[viewer], 0);
    assert!(!room.is_abandoned(limit, later(5_500)));
    assert!(room.is_abandoned(limit, later(5_600)));
}

#[test]
fn only_what_the_store_lacks_is_stored() {
    let mut room = room();
    let fresh = Duration::from_secs(30);
    assert_eq!(room.unstored(fresh), None);
    join(&mut room, None);
    let (totals, owner) = room.unstored(fresh).unwrap();
    assert_eq!((totals.viewers, owner), (1, None));
    room.stored(totals, owner);
    assert_eq!(room.unstored(fresh), None);
}

#[test]
fn a_new_title_is_untold_until_it_was_published() {
    let mut room = room();
    assert_eq!(room.untold(), None);
    let mut row = room.row().clone();
    row.title = "new".into();
    room.changed(row);
    let info = room.untold().unwrap();
    room.told(info);
    assert_eq!(room.untold(), None);
}

#[test]
fn a_room_whose_end_is_among_its_events_is_shown_as_ended() {
    let mut room = room();
    assert_eq!(room.view().state, "live");
    let end = SequencedEvent {
        event: RoomEvent::ended("ended"),
        ..event(1)
    };
    room.heard(&[end], Instant::now()).unwrap();
    assert_eq!(room.view().state, "ended");
}
