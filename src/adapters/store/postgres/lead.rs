//! Which process sends what is owed: the one whose session holds an advisory lock.
//!
//! The lock lives as long as its session, so the session is asked before every batch. A session that was killed, or
//! lost on the way, is replaced; whether the new one gets the lock is open. Two processes may send the same rows for
//! the length of one batch, when the older one has not asked again yet: the same records with the same event ids.

use nova_actors::Result;
use sqlx::{Connection, PgConnection, Row};

use super::failure::failure;
use super::{PostgresStore, answered_within};

/// The number of the lock, in the database of the store: "novarela" in ASCII.
const LOCK: i64 = 0x6e6f_7661_7265_6c61;

/// A session, and whether it holds the lock.
#[derive(Debug)]
pub(super) struct Leader {
    session: PgConnection,
    leads: bool,
}

impl PostgresStore {
    /// Whether this process leads now. While this waits, the session is out of the store: a caller that gives up in
    /// the middle drops it, and the lock with it.
    pub(super) async fn stay_leader(&self) -> Result<bool> {
        let mut held = self.leader.lock().await;
        if let Some(mut leader) = held.take()
            && answered_within(self.overall, self.ask(&mut leader)).await.is_ok()
        {
            let leads = leader.leads;
            *held = Some(leader);
            return Ok(leads);
        }
        let fresh = async {
            let session = PgConnection::connect_with(&self.connect).await?;
            let mut leader = Leader {
                session,
                leads: false,
            };
            self.ask(&mut leader).await?;
            Ok(leader)
        };
        let leader = answered_within(self.overall, fresh).await.map_err(failure)?;
        let leads = leader.leads;
        *held = Some(leader);
        Ok(leads)
    }

    /// Lets someone else lead.
    pub(super) async fn resign(&self) {
        let leader = self.leader.lock().await.take();
        if let Some(leader) = leader {
            // The server frees the lock in any case, as soon as it notices that the session is gone.
            let _ = answered_within(self.patience, leader.session.close()).await;
        }
    }

    /// One round trip: a sign of life of a session that leads, an attempt of one that does not.
    async fn ask(&self, leader: &mut Leader) -> sqlx::Result<()> {
        self.count();
        let statement = if leader.leads {
            sqlx::query("select true as leads")
        } else {
            sqlx::query("select pg_try_advisory_lock($1) as leads").bind(LOCK)
        };
        let row = statement.fetch_one(&mut leader.session).await?;
        leader.leads = row.try_get("leads")?;
        Ok(())
    }
}
