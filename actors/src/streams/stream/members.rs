//! Who is in the room, and in which shard. Pure.

use std::collections::HashSet;

/// Most viewers of one shard.
pub(in crate::streams) const SHARD_VIEWERS: usize = 1_000;

/// Names a viewer within one incarnation of the room's actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::streams) struct ViewerId(u64);

/// One shard as the room sees it.
#[derive(Debug)]
pub(super) struct Slot {
    /// Grows with each incarnation of the shard; viewers of an older one are lost.
    pub(super) generation: u64,
    /// Newest event that the shard was given.
    pub(super) sent: u64,
    /// Whether the shard was told that the broadcast is over.
    pub(super) closed: bool,
    viewers: HashSet<ViewerId>,
    watching: u64,
}

/// All shards with their viewers.
#[derive(Debug, Default)]
pub(super) struct Members {
    slots: Vec<Slot>,
    owners: HashSet<ViewerId>,
    connected: u64,
    next: u64,
}

impl Members {
    /// Viewers connected to this node: exact.
    pub(super) const fn connected(&self) -> u64 {
        self.connected
    }

    /// Viewers with a recent beat.
    pub(super) fn watching(&self) -> u64 {
        self.slots.iter().map(|slot| slot.watching).sum()
    }

    /// Whether the owner has a connection.
    pub(super) fn owner_here(&self) -> bool {
        !self.owners.is_empty()
    }

    /// The shards, by number.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// One shard.
    pub(super) fn slot_mut(&mut self, shard: usize) -> Option<&mut Slot> {
        self.slots.get_mut(shard)
    }

    /// The shard with room for one more, or `None` when another shard is needed.
    pub(super) fn place(&self) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.viewers.len() < SHARD_VIEWERS)
    }

    /// A new, empty shard that is up to date with event `sent`; answers its number.
    pub(super) fn add_shard(&mut self, sent: u64) -> usize {
        self.slots.push(Slot {
            generation: 0,
            sent,
            closed: false,
            viewers: HashSet::new(),
            watching: 0,
        });
        self.slots.len() - 1
    }

    /// An id for the next viewer, who is only counted by [`Members::joined`].
    pub(super) fn next_id(&mut self) -> ViewerId {
        self.next += 1;
        ViewerId(self.next)
    }

    /// A viewer was handed to a shard.
    pub(super) fn joined(&mut self, shard: usize, viewer: ViewerId, owner: bool) {
        let Some(slot) = self.slots.get_mut(shard) else {
            return;
        };
        if slot.viewers.insert(viewer) {
            self.connected += 1;
            if owner {
                self.owners.insert(viewer);
            }
        }
    }

    /// A shard's report. One of an earlier incarnation says nothing.
    pub(super) fn report(&mut self, shard: usize, generation: u64, left: &[ViewerId], watching: u64) {
        let Some(slot) = self.slots.get_mut(shard) else {
            return;
        };
        if slot.generation != generation {
            return;
        }
        slot.watching = watching;
        for viewer in left {
            if slot.viewers.remove(viewer) {
                self.connected -= 1;
                self.owners.remove(viewer);
            }
        }
    }

    /// A new incarnation of a shard has no viewers.
    pub(super) fn restarted(&mut self, shard: usize, generation: u64) {
        let Some(slot) = self.slots.get_mut(shard) else {
            return;
        };
        if generation <= slot.generation {
            return;
        }
        for viewer in slot.viewers.drain() {
            self.connected -= 1;
            self.owners.remove(&viewer);
        }
        slot.watching = 0;
        slot.generation = generation;
        slot.closed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(members: &mut Members, shard: usize, viewers: usize) -> Vec<ViewerId> {
        (0..viewers)
            .map(|_| {
                let viewer = members.next_id();
                members.joined(shard, viewer, false);
                viewer
            })
            .collect()
    }

    #[test]
    fn a_full_shard_takes_nobody_until_someone_leaves() {
        let mut members = Members::default();
        assert_eq!(members.place(), None);
        let shard = members.add_shard(0);
        let viewers = fill(&mut members, shard, SHARD_VIEWERS);
        assert_eq!(members.place(), None);
        members.report(shard, 0, &viewers[..1], 0);
        assert_eq!(members.place(), Some(shard));
        assert_eq!(members.connected(), 999);
    }

    #[test]
    fn leaving_twice_counts_once() {
        let mut members = Members::default();
        let shard = members.add_shard(0);
        let viewers = fill(&mut members, shard, 2);
        members.report(shard, 0, &viewers[..1], 0);
        members.report(shard, 0, &viewers[..1], 0);
        assert_eq!(members.connected(), 1);
    }

    #[test]
    fn a_restarted_shard_has_lost_its_viewers_and_its_old_reports_say_nothing() {
        let mut members = Members::default();
        let (one, two) = (members.add_shard(0), members.add_shard(0));
        let lost = fill(&mut members, one, 3);
        fill(&mut members, two, 2);
        members.restarted(one, 1);
        assert_eq!(members.connected(), 2);
        members.report(one, 0, &lost, 5);
        assert_eq!((members.connected(), members.watching()), (2, 0));
    }

    #[test]
    fn the_owner_is_here_while_one_of_the_owners_connections_is() {
        let mut members = Members::default();
        let shard = members.add_shard(0);
        let (a, b) = (members.next_id(), members.next_id());
        members.joined(shard, a, true);
        members.joined(shard, b, true);
        members.report(shard, 0, &[a], 0);
        assert!(members.owner_here());
        members.report(shard, 0, &[b], 0);
        assert!(!members.owner_here());
    }
}
