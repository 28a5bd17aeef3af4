//! How others tell the relay that there is something to send.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::actor::Msg;
use crate::runtime::Address;

/// A way to the relay.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    address: Address<Msg>,
    woken: Arc<AtomicBool>,
}

impl RelayHandle {
    /// A handle to the relay at `address`, which must have been given the same flag.
    #[must_use]
    pub fn new(address: Address<Msg>, woken: Arc<AtomicBool>) -> Self {
        Self { address, woken }
    }

    /// Something was committed: fire and forget. A wake that finds another waiting, or the relay down, is not
    /// needed: the relay reads everything that is owed when it gets to it or comes back.
    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) && self.address.tell(Msg::wake()).is_err() {
            self.woken.store(false, Ordering::Release);
        }
    }
}
