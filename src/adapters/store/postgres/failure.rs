//! What an error of Postgres means to a caller.

use nova_actors::{Error, Kind};
use sqlx::error::DatabaseError;

/// A row that refers to something that is not there.
const FOREIGN_KEY: &str = "23503";
/// Also: a row that no partition takes.
const CHECK: &str = "23514";
/// A wait for a lock took too long.
const LOCK_TIMEOUT: &str = "55P03";

/// Classifies an error. Transient: no connection, a connection that broke (class 08), a lost race (40001, 40P01),
/// no resources (class 53), a server that stops, starts or was told to let go (57014, 57P0x, 25P03), a lock that
/// others hold (55P03), a server that only reads (25006, after a failover).
pub(super) fn failure(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let kind = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        _ => code.as_deref().map_or(Kind::Internal, of_code),
    };
    let message = match kind {
        Kind::Unavailable => "the store is not available",
        Kind::Validation(_) => return Error::field("text", "text without NUL").with_source(error),
        _ => "a statement on the store failed",
    };
    Error::new(kind, message).with_source(error)
}

fn of_code(code: &str) -> Kind {
    match code {
        "40001" | "40P01" | LOCK_TIMEOUT | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03"
        | "25006" => Kind::Unavailable,
        // Text that Postgres cannot hold: NUL.
        "22021" | "22P05" => Kind::Validation(Vec::new()),
        _ if code.starts_with("08") || code.starts_with("53") => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// As [`failure`], for a row that refers to a user.
pub(super) fn unless_user_is_missing(error: sqlx::Error) -> Error {
    if has_code(&error, FOREIGN_KEY) {
        Error::not_found("user").with_source(error)
    } else {
        failure(error)
    }
}

/// As [`failure`], for a lock that is held by the same request, sent twice.
pub(super) fn unless_in_flight(error: sqlx::Error) -> Error {
    if has_code(&error, LOCK_TIMEOUT) {
        let message = "a request with this Idempotency-Key is still running";
        Error::new(Kind::IdempotencyInFlight, message).with_source(error)
    } else {
        failure(error)
    }
}

/// Whether the table has no partition for the row.
pub(super) fn lacks_partition(error: &sqlx::Error) -> bool {
    has_code(error, CHECK)
        && error
            .as_database_error()
            .is_some_and(|refusal| refusal.constraint().is_none())
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error
        .as_database_error()
        .and_then(DatabaseError::code)
        .is_some_and(|given| given == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_unavailable() {
        for code in [
            "08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "57P03", "25P03", "25006",
        ] {
            assert_eq!(of_code(code), Kind::Unavailable, "{code}");
        }
        for code in ["23505", "42P01", "22003", "42501", "28P01"] {
            assert_eq!(of_code(code), Kind::Internal, "{code}");
        }
        for error in [
            sqlx::Error::PoolTimedOut,
            sqlx::Error::PoolClosed,
            super::super::silence(),
        ] {
            assert_eq!(failure(error).kind(), &Kind::Unavailable);
        }
        assert_eq!(failure(sqlx::Error::RowNotFound).kind(), &Kind::Internal);
    }
}
