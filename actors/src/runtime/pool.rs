//! Equal actors that share work by key: everything of one key meets one actor, in order.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::actor::Actor;
use super::address::Address;
use super::group::GroupSpec;
use super::restart::ChildSpec;

/// Addresses of equal actors.
#[derive(Debug)]
pub struct Pool<M> {
    members: Vec<Address<M>>,
}

impl<M> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self {
            members: self.members.clone(),
        }
    }
}

impl<M: Send + 'static> Pool<M> {
    /// Places for `size` (at least one) actors of `kind`, named `<prefix>/<n>`, each with a mailbox bound.
    #[must_use]
    pub fn vacant(kind: &'static str, prefix: &str, size: usize, capacity: usize) -> Self {
        let name = |n| format!("{prefix}/{n}");
        Self {
            members: (0..size.max(1))
                .map(|n| Address::vacant(kind, name(n), capacity))
                .collect(),
        }
    }

    /// The member that owns `key`.
    #[must_use]
    pub fn for_key(&self, key: &impl Hash) -> &Address<M> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let members = self.members.len() as u64;
        // A pool has at least one member, and the remainder is below their number.
        &self.members[usize::try_from(hasher.finish() % members).unwrap_or(0)]
    }

    /// Every member.
    pub fn members(&self) -> impl Iterator<Item = &Address<M>> {
        self.members.iter()
    }

    /// Adds all members to a group, each a permanent child.
    #[must_use]
    pub fn supervise<A: Actor<Msg = M>>(&self, mut group: GroupSpec, args: &A::Args) -> GroupSpec {
        for member in &self.members {
            group = group.child::<A>(member, ChildSpec::permanent(member.name()), args.clone());
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_always_meets_the_same_member() {
        let pool = Pool::<()>::vacant("test", "t", 4, 1);
        for key in 0..100_u32 {
            assert_eq!(pool.for_key(&key).name(), pool.for_key(&key).name());
        }
        let used: std::collections::HashSet<_> = (0..100_u32).map(|k| pool.for_key(&k).name()).collect();
        assert_eq!(used.len(), 4);
    }
}
