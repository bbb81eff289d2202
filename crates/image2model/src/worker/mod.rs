//! Pools that take tasks, run attempts and hand in results.
//!
//! One pool per queue: it holds leases for up to `concurrency × prefetch_multiplier` tasks, renews them
//! together, runs `concurrency` at once and hands the rest back when it drains. Knows store, artifacts and
//! provider; never HTTP.
//!
//! A task runs through `pool` (reserve, start, extend) into one `attempt`, which makes files, and `hand_in`, which
//! stores them and then tells the store. Of all processes that can, one leads (`lead`) and does `maintenance`: it
//! sweeps leases, has old jobs removed and deletes files that no record names.

mod attempt;
mod backoff;
mod hand_in;
mod lead;
mod maintenance;
mod naming;
pub mod ownership;
mod pool;
mod presence;
mod progress;
mod stop;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifacts::Artifacts,
    capacity::disk::ReadSpace,
    clock::Clock,
    config::Config,
    job::{Queue, WorkerId},
    provider::Provider,
    store::Store,
};

use self::{backoff::Backoff, pool::Pool, presence::Loads, progress::ProgressSink};

/// What every pool shares.
#[derive(Clone)]
pub struct Worker {
    /// This process's, in the register and in every lease.
    pub id: WorkerId,
    pub store: Store,
    pub artifacts: Artifacts,
    pub provider: Arc<dyn Provider>,
    pub config: Arc<Config>,
    pub clock: Arc<dyn Clock>,
    pub space: ReadSpace,
}

/// What a worker does, and as what.
#[derive(Debug, Clone)]
pub struct Duty {
    /// The command that it runs as, for the register.
    pub role: &'static str,
    pub queues: Vec<Queue>,
    /// Whether it ends when a pool has begun `max_tasks_per_child` tasks, to be replaced.
    pub is_replaced: bool,
}

/// Why a worker came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was asked to drain.
    Drained,
    /// A pool has done its share, and nothing runs any more: a new process shall go on.
    WornOut,
}

impl Worker {
    /// Runs the pools of a duty's queues until `drain` is cancelled, then drains within the grace time: waiting tasks
    /// go back at once, running ones when they have not ended by then. A worker that is worn out takes no more,
    /// gives back what waits and sees through what runs.
    pub async fn run(self, duty: Duty, drain: CancellationToken) -> End {
        let loads = Loads::default();
        let progress = ProgressSink::new(self.store.jobs.clone());
        let worn_out = CancellationToken::new();
        let pools = TaskTracker::new();
        for queue in &duty.queues {
            let mut pool = Pool::new(self.clone(), *queue, loads.clone(), progress.clone());
            if duty.is_replaced {
                pool.wear_out(worn_out.clone());
            }
            pools.spawn(pool.run(drain.clone()));
        }

        let ended = CancellationToken::new();
        let beside = TaskTracker::new();
        beside.spawn(progress.run(ended.clone()));
        beside.spawn(presence::run(
            self.store.presence.clone(),
            self.clock.clone(),
            presence::Entry {
                worker: self.id.clone(),
                role: duty.role,
                loads,
            },
            ended.clone(),
        ));
        pools.close();
        pools.wait().await;
        if !drain.is_cancelled() {
            self.wait_for_store(&drain).await;
        }

        ended.cancel();
        beside.close();
        beside.wait().await;
        if drain.is_cancelled() {
            End::Drained
        } else {
            End::WornOut
        }
    }

    /// Until the store answers, or `drain`: a new process could not begin without it.
    async fn wait_for_store(&self, drain: &CancellationToken) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.store.jobs.ping().await {
            tracing::warn!(%error, "the store does not answer; this worker starts anew when it does");
            let waited = tokio::time::sleep(backoff.wait());
            if drain.run_until_cancelled(waited).await.is_none() {
                return;
            }
        }
    }

    /// Does the periodic sweeps whenever this process leads, until `drain`; then the next one leads at once.
    pub async fn schedule(self, drain: CancellationToken) {
        lead::run(self, drain).await;
    }
}

/// A name that says where the process runs and is never used again.
#[must_use]
pub fn process_id() -> WorkerId {
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "host".to_owned());
    let start = uuid::Uuid::new_v4().simple().to_string();
    WorkerId(format!("{host}-{}-{}", std::process::id(), &start[..8]))
}
