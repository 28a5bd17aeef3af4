//! How a consumer tells that posts have landed.

use super::actor::Msg;
use crate::consumers::cdc::Landed;
use crate::domain::UserId;
use crate::runtime::Address;

/// A way to the invalidator.
#[derive(Debug, Clone)]
pub struct InvalidatorHandle(Address<Msg>);

impl InvalidatorHandle {
    /// A handle to the invalidator at `address`.
    #[must_use]
    pub const fn new(address: Address<Msg>) -> Self {
        Self(address)
    }
}

impl Landed for InvalidatorHandle {
    fn posts_by(&self, authors: Vec<UserId>) {
        if let Err(error) = self.0.tell(Msg::posted(authors)) {
            tracing::debug!(%error, "followers see these posts when their snapshots expire");
        }
    }
}
