//! Authors whose followers are still to be told. Shared by the handle and every incarnation of the actor, so that
//! nothing is forgotten while the actor restarts. Pure, but for its lock.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::UserId;

/// Most authors that wait at one time.
const MAX_WAITING: usize = 10_000;

/// An author, and how often they had posted when their round began.
pub(super) type Round = (UserId, u64);

#[derive(Debug, Default)]
pub(super) struct Waiting {
    authors: Mutex<HashMap<UserId, u64>>,
}

impl Waiting {
    /// Notes that these authors have posted; answers how many there was no room for.
    pub(super) fn add(&self, authors: Vec<UserId>) -> usize {
        let mut waiting = self.lock();
        let mut left_out = 0;
        for author in authors {
            if waiting.len() < MAX_WAITING || waiting.contains_key(&author) {
                *waiting.entry(author).or_default() += 1;
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// Some author whose followers are to be told next. It stays until [`Waiting::told`].
    pub(super) fn next(&self) -> Option<Round> {
        self.lock().iter().next().map(|(author, posts)| (*author, *posts))
    }

    /// A round is over; an author who has posted meanwhile stays for another one.
    pub(super) fn told(&self, (author, posts): Round) {
        let mut waiting = self.lock();
        if waiting.get(&author) == Some(&posts) {
            waiting.remove(&author);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, u64>> {
        self.authors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_stays_until_told_and_for_another_round_after_posting_meanwhile() {
        let (waiting, ana) = (Waiting::default(), UserId::new());
        assert_eq!(waiting.add(vec![ana]), 0);
        let round = waiting.next().unwrap();
        assert_eq!(
            waiting.next(),
            Some(round),
            "a round that was cut off is begun again"
        );
        waiting.add(vec![ana]);
        waiting.told(round);
        assert_eq!(waiting.len(), 1);
        waiting.told(waiting.next().unwrap());
        assert_eq!(waiting.next(), None);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let waiting = Waiting::default();
        assert_eq!(
            waiting.add((0..MAX_WAITING + 3).map(|_| UserId::new()).collect()),
            3
        );
        assert_eq!(waiting.len(), MAX_WAITING);
    }
}
