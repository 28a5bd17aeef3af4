//! How a consumer tells that posts have landed.

use std::sync::Arc;

use super::actor::Msg;
use super::waiting::Waiting;
use crate::consumers::cdc::Landed;
use crate::domain::UserId;
use crate::runtime::Address;

/// A way to the invalidator.
#[derive(Debug, Clone)]
pub struct InvalidatorHandle {
    address: Address<Msg>,
    pub(super) waiting: Arc<Waiting>,
}

impl InvalidatorHandle {
    /// A handle to the invalidator at `address`.
    #[must_use]
    pub fn new(address: Address<Msg>) -> Self {
        Self {
            address,
            waiting: Arc::default(),
        }
    }
}

impl Landed for InvalidatorHandle {
    fn posts_by(&self, authors: Vec<UserId>) {
        let left_out = self.waiting.add(authors);
        if left_out > 0 {
            tracing::warn!(left_out, "followers see these posts when their snapshots expire");
        }
        // An actor that is down or busy looks at what waits when it comes to it.
        if let Err(error) = self.address.tell(Msg::wake()) {
            tracing::debug!(%error, "the invalidator was not woken");
        }
    }
}
