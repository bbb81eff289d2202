//! The store in Redis 7 (one server, masters under Sentinels, or a cluster), shared by any number of processes; as
//! durable as its servers are configured. A job and all that belongs to it lies in one of a fixed number of shards (`keys`), each on one node.
//!
//! A transition is optimistic. `load.lua` reads the job with its tasks and leases in one round trip, `job/` decides
//! on that [`entry::Entry`] here, and `commit.lua` writes the difference (`changes`) if the job's version and the
//! touched tasks' leases are what was loaded; else it is loaded and decided anew. A job that is `known` is not loaded at
//! first. So no rule of `job/` is written a second time in Lua, where no property test would reach it; only the place
//! of a ready task is computed on the server, since it depends on other jobs. `reserve.lua` alone changes tasks without
//! their job: that a ready task may be leased is what being in the set of ready ones says.
//!
//! Every key that a script touches is passed to it and carries its shard's tag. No step changes two shards: lists and
//! sums are read from all of them and merged. The order of service is fair within a shard and close to it over all.
//! News go through one stream per shard, which each process reads once (`live`).

mod access;
mod changes;
mod commit;
mod condition;
mod copying;
mod entry;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod jobs;
mod keys;
mod known;
mod live;
mod nodes;
mod open;
mod presence;
mod progress;
mod queries;
mod queues;
mod record;
mod reserve;
mod rights;
mod script;
mod sweep;
#[cfg(test)]
pub(super) mod tests;
mod transitions;

use std::{sync::Arc, time::Duration};

use self::{
    keys::{Shard, Shards},
    known::Known,
    live::Live,
    nodes::Nodes,
    script::Scripts,
};
use crate::{
    clock::Clock,
    job::{RetryPolicy, Timestamp},
    store::{Store, StoreError},
};

pub use nodes::Certificates;
pub use open::{OpenError, Settings, open};

/// All parts of an opened store.
struct Redis {
    nodes: Arc<Nodes>,
    scripts: Arc<Scripts>,
    shards: Shards,
    time: Time,
    retry: RetryPolicy,
    /// How long after its end a job vanishes that nobody has removed.
    vanishes_after: Option<Duration>,
    known: Known,
    live: Live,
}

/// Whose time it is.
#[derive(Clone)]
pub enum Time {
    /// The server's own, the same for all processes.
    Server,
    /// A test's.
    Given(Arc<dyn Clock>),
}

impl Time {
    /// The time given instead of the server's, as scripts take it.
    fn given(&self) -> String {
        match self {
            Self::Server => String::new(),
            Self::Given(clock) => clock.now().0.to_string(),
        }
    }

    /// The time now, if it is known without asking.
    fn known(&self, known: &Known, shard: Shard) -> Option<Timestamp> {
        match self {
            Self::Server => known.time(shard),
            Self::Given(clock) => Some(clock.now()),
        }
    }

    /// The time now, where the server has told its own.
    fn or(&self, told: Timestamp) -> Timestamp {
        match self {
            Self::Server => told,
            Self::Given(clock) => clock.now(),
        }
    }
}

impl From<Redis> for Store {
    fn from(redis: Redis) -> Self {
        let redis = Arc::new(redis);
        Self {
            jobs: redis.clone(),
            keys: redis.clone(),
            limits: redis.clone(),
            presence: redis.clone(),
            records: redis,
        }
    }
}

/// A record that is not what we write.
fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}
