//! What an error of ClickHouse means to the caller.

use std::fmt;

use clickhouse::error::Error as Cause;
use nova_actors::{Error, Kind};

/// Longest text of the server that is kept; it may repeat whole statements.
const KEPT: usize = 400;

/// Time-outs, limits, lost connections, too many parts, read-only for now: the same request may succeed later.
const TRANSIENT: &[u32] = &[
    159, 160, 164, 202, 203, 209, 210, 225, 236, 241, 242, 252, 285, 319, 425, 999,
];
/// The rows cannot be rows of the table.
const DATA: &[u32] = &[6, 27, 33, 53, 117, 131, 349, 469];
/// A table, column or database is missing or is another one.
const SCHEMA: &[u32] = &[8, 16, 20, 47, 60, 81];
/// Unknown user, wrong password, missing grant.
const ACCESS: &[u32] = &[192, 193, 194, 291, 497, 516];
/// The insert was recognised by its token.
const DEDUPLICATED: u32 = 389;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Writing rows.
    Insert,
    /// Anything else.
    Other,
}

/// How an insert ended that was not answered with success.
#[derive(Debug)]
pub(super) enum Ending {
    /// The server has had these rows before.
    Landed,
    /// The server may have written the rows or not.
    Unknown(Error),
    /// The server has not written the rows.
    Refused(Error),
}

/// How an insert ended that gave `cause`.
pub(super) fn ending(cause: Cause) -> Ending {
    match &cause {
        Cause::BadResponse(text) if code(text) == Some(DEDUPLICATED) => Ending::Landed,
        // A server that ran out of time may have written the source and not yet the views.
        Cause::BadResponse(text) if code(text).is_none_or(|code| TRANSIENT.contains(&code)) => {
            Ending::Unknown(classify(cause, Doing::Insert))
        }
        Cause::Network(source) if !never_connected(source.as_ref()) => {
            Ending::Unknown(classify(cause, Doing::Insert))
        }
        Cause::TimedOut => Ending::Unknown(classify(cause, Doing::Insert)),
        _ => Ending::Refused(classify(cause, Doing::Insert)),
    }
}

/// The error for the caller: transient is `Unavailable`, rows that cannot be are `Validation`, and what an operator
/// has to change is `Internal` and says what.
pub(super) fn classify(cause: Cause, doing: Doing) -> Error {
    match cause {
        Cause::BadResponse(text) => refusal(&text, doing),
        Cause::Network(source) => Error::unavailable("ClickHouse").with_source(Said::new(&chain(&*source))),
        Cause::TimedOut => silent(),
        Cause::SchemaMismatch(text) => schema().with_source(Said::new(&text)),
        other => Error::internal("ClickHouse gave an answer that cannot be read")
            .with_source(Said::new(&chain(&other))),
    }
}

/// The server did not answer in time.
pub(super) fn silent() -> Error {
    Error::new(Kind::Unavailable, "ClickHouse did not answer in time")
}

fn refusal(text: &str, doing: Doing) -> Error {
    let said = Said::new(text);
    let Some(code) = code(text) else {
        // Not ClickHouse speaks, but something before it.
        return Error::unavailable("ClickHouse").with_source(said);
    };
    let error = if TRANSIENT.contains(&code) {
        Error::unavailable("ClickHouse")
    } else if SCHEMA.contains(&code) {
        schema()
    } else if ACCESS.contains(&code) {
        Error::internal("ClickHouse refuses the user: check the user, password and grants of analytics.url")
    } else if doing == Doing::Insert && DATA.contains(&code) {
        Error::field("rows", "rows that ClickHouse can store")
    } else {
        Error::internal("ClickHouse refuses a statement")
    };
    error.with_source(said)
}

fn schema() -> Error {
    Error::internal("ClickHouse has not the tables of this release: run `nova migrate up`")
}

/// The number in `Code: N. DB::Exception: …`.
fn code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("Code: ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn never_connected(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error
        .downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What the server or the connection said, for the log.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn new(text: &str) -> Self {
        Self(text.trim().chars().take(KEPT).collect())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u32) -> Cause {
        Cause::BadResponse(format!("Code: {code}. DB::Exception: something. (SOMETHING)"))
    }

    #[test]
    fn codes_are_classified() {
        for code in [159, 202, 241, 242, 252, 319, 999] {
            assert_eq!(
                classify(said(code), Doing::Insert).kind(),
                &Kind::Unavailable,
                "{code}"
            );
            assert!(matches!(ending(said(code)), Ending::Unknown(_)), "{code}");
        }
        for code in [6, 27, 53, 117, 349] {
            assert!(
                matches!(classify(said(code), Doing::Insert).kind(), Kind::Validation(_)),
                "{code}"
            );
            assert_eq!(
                classify(said(code), Doing::Other).kind(),
                &Kind::Internal,
                "{code}"
            );
        }
        for (code, cure) in [
            (60, "nova migrate up"),
            (81, "nova migrate up"),
            (516, "password"),
            (497, "grants"),
        ] {
            let error = classify(said(code), Doing::Insert);
            assert_eq!(error.kind(), &Kind::Internal, "{code}");
            assert!(error.message().contains(cure), "{code}: {error}");
            assert!(matches!(ending(said(code)), Ending::Refused(_)), "{code}");
        }
        assert_eq!(classify(said(62), Doing::Insert).kind(), &Kind::Internal);
        assert!(matches!(ending(said(389)), Ending::Landed));
    }

    #[test]
    fn a_proxy_without_a_server_is_unavailable() {
        let error = classify(Cause::BadResponse("503 Service Unavailable".into()), Doing::Other);
        assert_eq!(error.kind(), &Kind::Unavailable);
    }

    #[test]
    fn long_answers_are_cut() {
        let error = classify(
            Cause::BadResponse(format!("Code: 62. {}", "x".repeat(10_000))),
            Doing::Other,
        );
        assert!(error.to_string().len() < 500);
    }
}
