//! What every journal of rooms promises (`RoomJournal`).

use nova::adapters::log::sqlite::SqliteJournal;
use nova_actors::domain::room::{ChatLine, RoomEvent, RoomId, RoomInfo, SequencedEvent};
use nova_actors::domain::{MessageId, Timestamp, UserId};
use nova_actors::ports::rooms::{DedupKey, JournalEntry, RoomJournal};

use super::{LogFile, soon};

/// See the module `contract`.
pub(crate) trait JournalPlace: Sized + Send + Sync {
    type Journal: RoomJournal + Clone + 'static;
    fn new() -> impl Future<Output = Self> + Send;
    fn open(&self) -> impl Future<Output = Self::Journal> + Send;
}

macro_rules! journal_contract {
    ($adapter:ident, $place:ty) => {
        mod $adapter {
            use super::*;
            contract_tests!(
                $place: entries_come_back_as_they_were_after_reopening,
                a_tail_has_at_least_the_count_and_all_since,
                rooms_are_kept_apart,
                a_place_in_the_sequence_is_taken_once_and_all_or_nothing_is_written,
                concurrent_appends_to_many_rooms_are_all_kept,
                another_epoch_starts_again_from_one,
                chat_pages_go_back_to_the_beginning,
                only_rooms_that_ended_are_trimmed,
            );
        }
    };
}

journal_contract!(sqlite, SqlitePlace);

pub(crate) struct SqlitePlace(LogFile);

impl JournalPlace for SqlitePlace {
    type Journal = SqliteJournal;

    async fn new() -> Self {
        Self(LogFile::fresh())
    }

    async fn open(&self) -> SqliteJournal {
        self.0.open().await.journal()
    }
}

const EVER: Timestamp = Timestamp::from_millis(i64::MIN);

fn chat(text: &str) -> RoomEvent {
    RoomEvent::Chat(ChatLine {
        m: MessageId::new(),
        u: UserId::new(),
        n: "ana".into(),
        x: text.into(),
    })
}

fn entry(room: RoomId, epoch: &str, seq: u64, at: i64, event: RoomEvent) -> JournalEntry {
    JournalEntry {
        room,
        epoch: epoch.into(),
        event: SequencedEvent {
            seq,
            at: Timestamp::from_millis(at),
            event,
        },
        dedup: None,
    }
}

fn lines(room: RoomId, numbers: std::ops::RangeInclusive<u64>) -> Vec<JournalEntry> {
    numbers
        .map(|seq| entry(room, "e1", seq, seq as i64, chat(&seq.to_string())))
        .collect()
}

fn seqs<'a>(entries: impl IntoIterator<Item = &'a JournalEntry>) -> Vec<u64> {
    entries.into_iter().map(|entry| entry.event.seq).collect()
}

async fn entries_come_back_as_they_were_after_reopening<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let room = RoomId::new();
    let mut entries = vec![
        entry(room, "e1", 1, 5, chat("quote \" and \\ and 🎉")),
        entry(
            room,
            "e1",
            2,
            6,
            RoomEvent::Info(RoomInfo {
                title: "t".into(),
                category: "music".into(),
            }),
        ),
        entry(room, "e1", 3, 6, RoomEvent::ended("abandoned")),
    ];
    entries[0].dedup = Some(DedupKey {
        user: UserId::new(),
        key: "c-1".into(),
    });
    journal.append(entries.clone()).await.unwrap();
    assert_eq!(journal.tail(room, 10, EVER).await.unwrap(), entries);
    drop(journal);
    let journal = place.open().await;
    assert_eq!(journal.tail(room, 10, EVER).await.unwrap(), entries);
}

async fn a_tail_has_at_least_the_count_and_all_since<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let room = RoomId::new();
    journal.append(lines(room, 1..=100)).await.unwrap();
    for (count, since, first) in [
        (10, 1_000, 91),
        (10, 100, 91),
        (10, 50, 50),
        (0, 60, 60),
        (1_000, 90, 1),
    ] {
        let tail = journal
            .tail(room, count, Timestamp::from_millis(since))
            .await
            .unwrap();
        let expected: Vec<_> = (first..=100).collect();
        assert_eq!(seqs(&tail), expected, "{count} entries or since {since}");
    }
    assert!(journal.tail(RoomId::new(), 10, EVER).await.unwrap().is_empty());
}

async fn rooms_are_kept_apart<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let (a, b) = (RoomId::new(), RoomId::new());
    let mixed: Vec<_> = lines(a, 1..=3)
        .into_iter()
        .zip(lines(b, 1..=3))
        .flat_map(|(a, b)| [a, b])
        .collect();
    journal.append(mixed).await.unwrap();
    for room in [a, b] {
        let tail = journal.tail(room, 10, EVER).await.unwrap();
        assert_eq!(seqs(&tail), [1, 2, 3]);
        assert!(tail.iter().all(|entry| entry.room == room));
    }
}

async fn a_place_in_the_sequence_is_taken_once_and_all_or_nothing_is_written<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let (room, other) = (RoomId::new(), RoomId::new());
    journal.append(lines(room, 1..=2)).await.unwrap();
    let mut clash = lines(other, 1..=2);
    clash.extend(lines(room, 2..=3));
    // A neighbour in the same group of writes is not hurt.
    let bystander = RoomId::new();
    let (refused, kept) = tokio::join!(journal.append(clash), journal.append(lines(bystander, 1..=1)));
    assert!(refused.is_err());
    kept.unwrap();
    assert_eq!(seqs(&journal.tail(room, 10, EVER).await.unwrap()), [1, 2]);
    assert!(journal.tail(other, 10, EVER).await.unwrap().is_empty());
    assert_eq!(seqs(&journal.tail(bystander, 10, EVER).await.unwrap()), [1]);
}

async fn concurrent_appends_to_many_rooms_are_all_kept<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let rooms: Vec<_> = (0..20).map(|_| RoomId::new()).collect();
    let mut writers = tokio::task::JoinSet::new();
    for room in rooms.clone() {
        let journal = journal.clone();
        writers.spawn(async move {
            for batch in 0..10 {
                let entries = lines(room, batch * 3 + 1..=batch * 3 + 3);
                journal.append(entries).await.unwrap();
            }
        });
    }
    soon(writers.join_all()).await;
    drop(journal);
    let journal = place.open().await;
    for room in rooms {
        let tail = journal.tail(room, 100, EVER).await.unwrap();
        assert_eq!(seqs(&tail), (1..=30).collect::<Vec<_>>());
    }
}

async fn another_epoch_starts_again_from_one<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let room = RoomId::new();
    journal.append(lines(room, 1..=3)).await.unwrap();
    let second = vec![
        entry(room, "e2", 1, 10, chat("new")),
        entry(room, "e2", 2, 11, chat("newer")),
    ];
    journal.append(second).await.unwrap();
    let tail = journal.tail(room, 10, EVER).await.unwrap();
    assert_eq!(seqs(&tail), [1, 2, 3, 1, 2]);
    assert_eq!(tail[2].epoch, "e1");
    assert_eq!(tail[3].epoch, "e2");
    let page = journal.chat(room, None, 10).await.unwrap();
    assert_eq!(page.messages.len(), 2, "chat is that of the newest epoch");
}

async fn chat_pages_go_back_to_the_beginning<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let room = RoomId::new();
    let entries = (1..=10)
        .map(|seq| {
            let event = if seq % 5 == 0 {
                RoomEvent::Info(RoomInfo {
                    title: "t".into(),
                    category: "talk".into(),
                })
            } else {
                chat(&seq.to_string())
            };
            entry(room, "e1", seq, seq as i64, event)
        })
        .collect();
    journal.append(entries).await.unwrap();
    let pages = [
        (None, 3, vec![7, 8, 9], Some(7)),
        (Some(7), 3, vec![3, 4, 6], Some(3)),
        (Some(3), 3, vec![1, 2], None),
        (Some(3), 2, vec![1, 2], None),
        (Some(1), 3, vec![], None),
        (Some(u64::MAX), 100, vec![1, 2, 3, 4, 6, 7, 8, 9], None),
    ];
    for (before, limit, expected, next) in pages {
        let page = journal.chat(room, before, limit).await.unwrap();
        let seqs: Vec<_> = page.messages.iter().map(|message| message.seq).collect();
        assert_eq!(seqs, expected, "before {before:?}");
        assert_eq!(page.next, next, "before {before:?}");
    }
    let empty = journal.chat(RoomId::new(), None, 10).await.unwrap();
    assert!(empty.messages.is_empty() && empty.next.is_none());
}

async fn only_rooms_that_ended_are_trimmed<P: JournalPlace>() {
    let place = P::new().await;
    let journal = place.open().await;
    let (over, silent, fresh) = (RoomId::new(), RoomId::new(), RoomId::new());
    // More than an adapter would remove in one step.
    journal.append(lines(over, 1..=6_000)).await.unwrap();
    journal
        .append(vec![entry(over, "e1", 6_001, 6_001, RoomEvent::ended("ended"))])
        .await
        .unwrap();
    journal.append(lines(silent, 1..=3)).await.unwrap();
    journal
        .append(vec![entry(fresh, "e1", 1, 9_000, RoomEvent::ended("ended"))])
        .await
        .unwrap();
    let removed = journal.trim(Timestamp::from_millis(7_000)).await.unwrap();
    assert_eq!(removed, 6_001);
    assert!(journal.tail(over, 10, EVER).await.unwrap().is_empty());
    assert!(journal.chat(over, None, 10).await.unwrap().messages.is_empty());
    assert_eq!(
        seqs(&journal.tail(silent, 10, EVER).await.unwrap()),
        [1, 2, 3],
        "goes on"
    );
    assert_eq!(
        seqs(&journal.tail(fresh, 10, EVER).await.unwrap()),
        [1],
        "ended just now"
    );
    assert_eq!(journal.trim(Timestamp::from_millis(7_000)).await.unwrap(), 0);
}
