//! What a consumer needs from the rest of Nova when rows have landed.

use crate::domain::UserId;

/// Told after a batch landed, so that what readers see does not wait for a time to live.
pub trait Landed: Send + Sync {
    /// These authors have new posts in the analytics tables.
    fn posts_by(&self, authors: Vec<UserId>);
}

/// The consumer as operators name it; it accepts nothing.
pub type CdcHandle = crate::runtime::Address<super::actor::Msg>;
