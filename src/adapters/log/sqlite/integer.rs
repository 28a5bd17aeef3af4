//! SQLite's integers are signed; offsets, counts and sequence numbers are not.

use nova_actors::{Error, Result};

/// A number to bind.
pub(super) fn to_sql(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|e| Error::internal("a number exceeds 63 bits").with_source(e))
}

/// A number read back.
pub(super) fn from_sql<T: TryFrom<i64>>(value: i64) -> Result<T> {
    T::try_from(value)
        .map_err(|_| Error::internal(format!("the event log holds an impossible number: {value}")))
}
