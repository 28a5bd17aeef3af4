//! One write of a user at a time, in the order in which they came. Pure.

use std::collections::{HashMap, VecDeque};

use crate::domain::{IdempotencyKey, UserId};

/// Work with what it needs to be told apart from a repeat.
#[derive(Debug)]
pub(super) struct Job<W> {
    pub(super) user: UserId,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) work: W,
}

/// The jobs of all users of one worker. The front job of each user is running.
#[derive(Debug)]
pub(super) struct Queue<W> {
    users: HashMap<UserId, VecDeque<Job<Option<W>>>>,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self {
            users: HashMap::new(),
        }
    }
}

/// What becomes of a new job.
#[derive(Debug)]
pub(super) enum Admission<W> {
    /// Run it now.
    Run(W),
    /// It runs when those before it are done.
    Queued,
    /// The same idempotency key is running or waiting.
    InFlight(W),
}

impl<W> Queue<W> {
    pub(super) fn add(&mut self, job: Job<W>) -> Admission<W> {
        let Job { user, key, work } = job;
        let jobs = self.users.entry(user).or_default();
        let same = |other: &Job<_>| match (&other.key, &key) {
            (Some(a), Some(b)) => a.route == b.route && a.key == b.key,
            _ => false,
        };
        if jobs.iter().any(same) {
            return Admission::InFlight(work);
        }
        if jobs.is_empty() {
            jobs.push_back(Job {
                user,
                key,
                work: None,
            });
            Admission::Run(work)
        } else {
            jobs.push_back(Job {
                user,
                key,
                work: Some(work),
            });
            Admission::Queued
        }
    }

    /// The running job of `user` is done; the next one to run.
    pub(super) fn finish(&mut self, user: UserId) -> Option<W> {
        let jobs = self.users.get_mut(&user)?;
        jobs.pop_front();
        match jobs.front_mut() {
            Some(next) => next.work.take(),
            None => {
                self.users.remove(&user);
                None
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.users.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(user: UserId, key: Option<&str>, work: u8) -> Job<u8> {
        let key = key.map(|key| IdempotencyKey {
            user,
            route: "POST /posts",
            key: key.into(),
            fingerprint: [0; 32],
        });
        Job { user, key, work }
    }

    #[test]
    fn writes_of_one_user_run_in_order_and_others_do_not_wait() {
        let (ana, ben) = (UserId::new(), UserId::new());
        let mut queue = Queue::default();
        assert!(matches!(queue.add(job(ana, None, 1)), Admission::Run(1)));
        assert!(matches!(queue.add(job(ana, None, 2)), Admission::Queued));
        assert!(matches!(queue.add(job(ben, None, 3)), Admission::Run(3)));
        assert_eq!(
            (queue.finish(ana), queue.finish(ana), queue.finish(ben)),
            (Some(2), None, None)
        );
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_key_that_is_running_or_waiting_is_in_flight() {
        let ana = UserId::new();
        let mut queue = Queue::default();
        queue.add(job(ana, Some("a"), 1));
        queue.add(job(ana, Some("b"), 2));
        assert!(matches!(
            queue.add(job(ana, Some("a"), 3)),
            Admission::InFlight(3)
        ));
        assert!(matches!(
            queue.add(job(ana, Some("b"), 4)),
            Admission::InFlight(4)
        ));
        assert!(matches!(queue.add(job(ana, Some("c"), 5)), Admission::Queued));
        queue.finish(ana);
        assert!(matches!(queue.add(job(ana, Some("a"), 6)), Admission::Queued));
    }
}
