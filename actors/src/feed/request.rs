//! What a reader may ask for, and what that means.

use super::cursor::{Cursor, CursorKey};
use super::ranking::Ranker;
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
    /// The ranker; the default one when absent. `ch` and `pg` are synonyms for a `source`.
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
    /// What a reader gets who asks for nothing in particular.
    pub(super) const DEFAULT: Self = Self {
        ranker: Ranker::V1,
        preference: Preference::Auto,
    };

    /// Whether the reader's current snapshot may answer. Only the default ranking is kept for the next
    /// request; others are made for each first page.
    pub(super) fn is_kept(self) -> bool {
        self == Self::DEFAULT
    }
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
        may_override: bool,
        key: &CursorKey,
        now: Timestamp,
    ) -> Result<Self> {
        let (ranker, synonym) = match request.algo.as_deref() {
            None => (Want::DEFAULT.ranker, None),
            Some(source @ ("ch" | "pg")) => (Want::DEFAULT.ranker, Some(source)),
            Some(name) => (Ranker::parse(name)?, None),
        };
        let preference = match request.source.as_deref().or(synonym) {
            None | Some("auto") => Preference::Auto,
            Some("ch") => Preference::Analytics,
            Some("pg") => Preference::Store,
            Some(_) => return Err(Error::field("source", "auto, ch or pg")),
        };
        if preference != Preference::Auto && !may_override {
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
        let request = FeedRequest {
            reader: UserId::new(),
            limit: 20,
            cursor: None,
            algo: algo.map(str::to_owned),
            source: source.map(str::to_owned),
        };
        let key = CursorKey::new(&[1; 32])?;
        Plan::of(&request, may_override, &key, Timestamp::from_millis(0))
    }

    fn refused_field(outcome: Result<Plan>) -> String {
        match outcome.unwrap_err().kind() {
            Kind::Validation(fields) => fields[0].field.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_in_particular_is_the_default_ranking() {
        assert!(plan(None, None, false).unwrap().want.is_kept());
        assert!(plan(Some("v1"), Some("auto"), false).unwrap().want.is_kept());
        assert!(!plan(Some("chrono"), None, false).unwrap().want.is_kept());
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
