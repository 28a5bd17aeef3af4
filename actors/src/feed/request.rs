//! What a reader may ask for, and what that means.

use sha2::{Digest as _, Sha256};

use super::cursor::{Cursor, CursorKey};
use super::ranking::Ranker;
use super::settings::FeedSettings;
use crate::domain::{Timestamp, UserId};
use crate::error::{Error, Result};

/// Most posts of a page.
pub const MAX_LIMIT: u32 = 100;

/// A feed page, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRequest {
    /// Who reads.
    pub reader: UserId,
    /// Posts on the page, 1 to [`MAX_LIMIT`]; anything else is taken as the nearest of these.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// The ranker; when absent, the one that the rollout gives this reader. `ch` and `pg` are synonyms for a `source`.
    pub algo: Option<String>,
    /// Where the candidates come from: `auto`, `ch` or `pg`.
    pub source: Option<String>,
}

/// Where candidates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Preference {
    /// From the best place that answers, and from the cache.
    Auto,
    /// From analytics, anew.
    Analytics,
    /// From the store, anew.
    Store,
}

/// A kind of ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Want {
    pub(super) ranker: Ranker,
    pub(super) preference: Preference,
}

impl Want {
    /// What `reader` gets who asks for nothing in particular. Only this ranking is kept for the reader's next
    /// request; others are made for each first page.
    pub(super) fn usual(reader: UserId, settings: &FeedSettings) -> Self {
        let chrono = percentile(reader, Ranker::Chrono) < u64::from(settings.chrono_percent);
        Self {
            ranker: if chrono { Ranker::Chrono } else { Ranker::V1 },
            preference: Preference::Auto,
        }
    }
}

/// Where a reader stands, 0 to 99, among those who may get `ranker`: the same on every node and in every
/// build. Each ranker has an order of its own, so that not the same readers are the first to get everything.
fn percentile(reader: UserId, ranker: Ranker) -> u64 {
    let hash = Sha256::new()
        .chain_update(ranker.as_str())
        .chain_update(reader.uuid().as_bytes())
        .finalize();
    hash.iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
        % 100
}

/// A request that was found valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) reader: UserId,
    pub(super) limit: usize,
    pub(super) want: Want,
    pub(super) cursor: Option<Cursor>,
}

impl Plan {
    /// Checks a request.
    pub(super) fn of(
        request: &FeedRequest,
        settings: &FeedSettings,
        key: &CursorKey,
        now: Timestamp,
    ) -> Result<Self> {
        let usual = Want::usual(request.reader, settings).ranker;
        let (ranker, synonym) = match request.algo.as_deref() {
            None => (usual, None),
            Some(source @ ("ch" | "pg")) => (usual, Some(source)),
            Some(name) => (Ranker::parse(name)?, None),
        };
        let preference = match request.source.as_deref().or(synonym) {
            None | Some("auto") => Preference::Auto,
            Some("ch") => Preference::Analytics,
            Some("pg") => Preference::Store,
            Some(_) => return Err(Error::field("source", "auto, ch or pg")),
        };
        if preference != Preference::Auto && !settings.allow_source_override {
            return Err(Error::field(
                "source",
                "auto, since feed.allow_source_override is not set",
            ));
        }
        let cursor = request
            .cursor
            .as_deref()
            .map(|text| Cursor::decode(text, key, request.reader, now))
            .transpose()?;
        Ok(Self {
            reader: request.reader,
            limit: usize::try_from(request.limit.clamp(1, MAX_LIMIT)).unwrap_or(1),
            want: Want { ranker, preference },
            cursor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn plan(algo: Option<&str>, source: Option<&str>, may_override: bool) -> Result<Plan> {
        let settings = FeedSettings {
            allow_source_override: may_override,
            ..FeedSettings::default()
        };
        plan_of(UserId::new(), algo, source, &settings)
    }

    fn plan_of(
        reader: UserId,
        algo: Option<&str>,
        source: Option<&str>,
        settings: &FeedSettings,
    ) -> Result<Plan> {
        let request = FeedRequest {
            reader,
            limit: 20,
            cursor: None,
            algo: algo.map(str::to_owned),
            source: source.map(str::to_owned),
        };
        let key = CursorKey::new(&[1; 32])?;
        Plan::of(&request, settings, &key, Timestamp::from_millis(0))
    }

    fn refused_field(outcome: Result<Plan>) -> String {
        match outcome.unwrap_err().kind() {
            Kind::Validation(fields) => fields[0].field.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_in_particular_is_the_default_ranking() {
        let usual = Want::usual(UserId::new(), &FeedSettings::default());
        assert_eq!(plan(None, None, false).unwrap().want, usual);
        assert_eq!(plan(Some("v1"), Some("auto"), false).unwrap().want, usual);
        assert_ne!(plan(Some("chrono"), None, false).unwrap().want, usual);
    }

    fn rollout(chrono_percent: u8) -> FeedSettings {
        FeedSettings {
            chrono_percent,
            allow_source_override: true,
            ..FeedSettings::default()
        }
    }

    fn gets_chrono(reader: &UserId, percent: u8) -> bool {
        let plan = plan_of(*reader, None, None, &rollout(percent)).unwrap();
        plan.want.ranker == Ranker::Chrono
    }

    #[test]
    fn the_rollout_gives_its_share_of_the_readers_chrono() {
        let readers: Vec<_> = (0..10_000).map(|_| UserId::new()).collect();
        let share = |percent| readers.iter().filter(|r| gets_chrono(r, percent)).count();
        assert_eq!((share(0), share(100)), (0, 10_000));
        // Four standard deviations of a fair draw around the share.
        assert!((840..=1_160).contains(&share(10)), "{}", share(10));
        assert!((4_800..=5_200).contains(&share(50)), "{}", share(50));
    }

    #[test]
    fn a_reader_stays_on_his_side_and_a_growing_share_only_adds_readers() {
        for _ in 0..1_000 {
            let reader = UserId::new();
            let sides: Vec<_> = (0..=100).map(|percent| gets_chrono(&reader, percent)).collect();
            assert!(sides.is_sorted(), "left the rollout while it grew: {reader}");
        }
        // Worked out elsewhere: no build and no node may decide otherwise.
        let fixed: UserId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(percentile(fixed, Ranker::Chrono), 56);
    }

    #[test]
    fn who_asks_for_a_ranker_gets_it_whatever_the_rollout() {
        let want = |algo| {
            plan_of(UserId::new(), Some(algo), None, &rollout(100))
                .unwrap()
                .want
        };
        assert_eq!(want("v1").ranker, Ranker::V1);
        assert_eq!(
            (want("pg").ranker, want("pg").preference),
            (Ranker::Chrono, Preference::Store)
        );
    }

    #[test]
    fn an_override_needs_leave() {
        assert_eq!(refused_field(plan(None, Some("pg"), false)), "source");
        assert_eq!(refused_field(plan(Some("ch"), None, false)), "source");
        let want = plan(None, Some("pg"), true).unwrap().want;
        assert_eq!(want.preference, Preference::Store);
        let want = plan(Some("ch"), None, true).unwrap().want;
        assert_eq!(
            (want.ranker, want.preference),
            (Ranker::V1, Preference::Analytics)
        );
    }

    #[test]
    fn words_that_mean_nothing_are_refused() {
        assert_eq!(refused_field(plan(None, Some("mysql"), true)), "source");
        assert_eq!(
            plan(Some("v1n"), None, true).unwrap_err().kind(),
            &Kind::UnknownRanker
        );
        assert_eq!(
            plan(Some(""), None, true).unwrap_err().kind(),
            &Kind::UnknownRanker
        );
    }
}
