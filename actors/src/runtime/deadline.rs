//! The deadline of one piece of work.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::error::{Error, Kind, Result};

/// `work`, given up after `deadline`. `what` names for the caller what took too long, e.g. `the store`.
///
/// # Errors
/// What `work` gives; `Timeout` when it was given up: whether it had an effect is unknown then.
pub async fn within<T>(what: &str, deadline: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(deadline, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::new(Kind::Timeout, format!("{what} took too long"))),
    }
}
