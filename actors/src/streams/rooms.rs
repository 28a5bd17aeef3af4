//! Where the rooms of this node are: read by every join, changed only by the directory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::domain::room::RoomInfo;
use crate::domain::{StreamId, ViewerTotals};
use crate::runtime::Address;
use crate::streams::stream::StreamMsg;

/// How a room is reached, and what outlives a restart of its actor.
#[derive(Debug, Clone)]
pub(super) struct RoomEntry {
    pub(super) address: Address<StreamMsg>,
    pub(super) memory: Arc<RoomMemory>,
}

/// What one incarnation of a room's actor leaves to the next, and shows to readers without a message.
#[derive(Debug, Default)]
pub(super) struct RoomMemory(Mutex<Remembered>);

#[derive(Debug, Clone, Default)]
struct Remembered {
    totals: Option<ViewerTotals>,
    told: Option<RoomInfo>,
    rev: u64,
}

impl RoomMemory {
    /// Figures now; `None` before the room has any.
    pub(super) fn totals(&self) -> Option<ViewerTotals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).totals
    }

    pub(super) fn set_totals(&self, totals: ViewerTotals) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).totals = Some(totals);
    }

    /// Number of the newest state frame.
    pub(super) fn rev(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rev
    }

    pub(super) fn set_rev(&self, rev: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rev = rev;
    }

    /// Title and category that viewers were told last.
    pub(super) fn told(&self) -> Option<RoomInfo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }

    pub(super) fn set_told(&self, info: RoomInfo) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).told = Some(info);
    }
}

/// The rooms by live stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Rooms(Arc<RwLock<HashMap<StreamId, RoomEntry>>>);

impl Rooms {
    pub(super) fn get(&self, id: StreamId) -> Option<RoomEntry> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    pub(super) fn insert(&self, id: StreamId, entry: RoomEntry) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, entry);
    }

    pub(super) fn remove(&self, id: StreamId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn all(&self) -> Vec<(StreamId, RoomEntry)> {
        let rooms = self.0.read().unwrap_or_else(PoisonError::into_inner);
        rooms.iter().map(|(id, entry)| (*id, entry.clone())).collect()
    }
}
