//! This room's share of the gauge of all viewers.

use ::metrics::{Gauge, gauge};

use crate::runtime::metrics;

/// This room's part of the gauge, given back when the actor goes, however it goes.
pub(super) struct ViewerGauge {
    gauge: Gauge,
    shown: u32,
}

impl ViewerGauge {
    pub(super) fn new() -> Self {
        Self {
            gauge: gauge!(metrics::ROOM_VIEWERS),
            shown: 0,
        }
    }

    pub(super) fn set(&mut self, viewers: u64) {
        let viewers = u32::try_from(viewers).unwrap_or(u32::MAX);
        self.gauge.increment(f64::from(viewers) - f64::from(self.shown));
        self.shown = viewers;
    }
}

impl Drop for ViewerGauge {
    fn drop(&mut self) {
        self.set(0);
    }
}
