//! The columns of a row state, checked as they are read. What is wrong is named `rows[n].<column>`.

use nova_actors::domain::change::CapturedTable;
use nova_actors::ports::analytics::RowState;
use nova_actors::{Error, Result};
use serde_json::Value;
use uuid::Uuid;

/// Reads the columns of one row of a batch.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    index: usize,
    state: &'a RowState,
}

impl<'a> Columns<'a> {
    /// Of the batch's row number `index`.
    pub(super) const fn new(index: usize, state: &'a RowState) -> Self {
        Self { index, state }
    }

    /// The row itself.
    pub(super) const fn state(&self) -> &'a RowState {
        self.state
    }

    /// Whether the row is gone. Posts are deleted softly in the store.
    pub(super) fn deleted(&self) -> Result<bool> {
        if self.state.table != CapturedTable::Posts || self.column("deleted_at").is_null() {
            return Ok(self.state.deleted);
        }
        self.time("deleted_at").map(|_| true)
    }

    /// An id.
    pub(super) fn id(&self, column: &str) -> Result<Uuid> {
        self.column(column)
            .as_str()
            .and_then(|text| Uuid::try_parse(text).ok())
            .ok_or_else(|| self.refused(column, "a UUID"))
    }

    /// Epoch milliseconds.
    pub(super) fn time(&self, column: &str) -> Result<i64> {
        self.column(column)
            .as_i64()
            .ok_or_else(|| self.refused(column, "epoch milliseconds"))
    }

    /// A count that every database can keep: at most 2^63 - 1.
    pub(super) fn count(&self, column: &str) -> Result<u64> {
        self.column(column)
            .as_i64()
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| self.refused(column, "a count"))
    }

    /// The error for a column that is not what was expected.
    pub(super) fn refused(&self, column: &str, expected: &'static str) -> Error {
        Error::field(format!("rows[{}].{column}", self.index), expected)
    }

    fn column(&self, name: &str) -> &Value {
        self.state.row.get(name).unwrap_or(&Value::Null)
    }
}
