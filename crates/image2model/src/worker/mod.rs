//! Pools that take tasks, run attempts and hand in results.
//!
//! One pool per queue: it holds leases for up to `concurrency × prefetch_multiplier` tasks, renews them
//! together, runs `concurrency` at once and hands the rest back when it drains. Knows store, artifacts and
//! provider; never HTTP.
//!
//! A task runs through `pool` (reserve, start, extend) into one `attempt`, which makes files, and `hand_in`, which
//! stores them and then tells the store. `maintenance` runs beside: it sweeps leases, removes old jobs and
//! deletes files that no record names.

mod attempt;
mod backoff;
mod hand_in;
mod maintenance;
mod naming;
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

use self::{pool::Pool, presence::Loads, progress::ProgressSink};

/// What every pool shares.
#[derive(Clone)]
pub struct Worker {
    pub store: Store,
    pub artifacts: Artifacts,
    pub provider: Arc<dyn Provider>,
    pub config: Arc<Config>,
    pub clock: Arc<dyn Clock>,
    pub space: ReadSpace,
}

impl Worker {
    /// Runs the pools of all queues and the maintenance until `drain` is cancelled, then drains within the grace
    /// time: waiting tasks go back at once, running ones when they have not ended by then.
    pub async fn run(self, drain: CancellationToken) {
        let id = worker_id();
        let loads = Loads::default();
        let progress = ProgressSink::new(self.store.jobs.clone());
        let ended = CancellationToken::new();

        let beside = TaskTracker::new();
        beside.spawn(progress.clone().run(ended.clone()));
        beside.spawn(presence::run(
            self.store.presence.clone(),
            self.clock.clone(),
            id.clone(),
            loads.clone(),
            ended.clone(),
        ));
        beside.spawn(maintenance::sweep(self.clone(), ended.clone()));
        beside.spawn(maintenance::retain(self.clone(), drain.clone()));
        beside.spawn(maintenance::collect(self.clone(), drain.clone()));

        let pools = TaskTracker::new();
        for queue in Queue::ALL {
            let pool = Pool::new(
                self.clone(),
                queue,
                id.clone(),
                loads.clone(),
                progress.clone(),
            );
            pools.spawn(pool.run(drain.clone()));
        }
        pools.close();
        pools.wait().await;

        ended.cancel();
        beside.close();
        beside.wait().await;
    }
}

/// A name that says where the worker runs and is never used again.
fn worker_id() -> WorkerId {
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "host".to_owned());
    let start = uuid::Uuid::new_v4().simple().to_string();
    WorkerId(format!("{host}-{}-{}", std::process::id(), &start[..8]))
}
