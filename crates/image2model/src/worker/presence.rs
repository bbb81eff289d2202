//! Tells the register that this worker is alive and how busy.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    job::{Queue, WorkerId},
    store::{Presence, WorkerLoad, WorkerReport},
};

const INTERVAL: Duration = Duration::from_secs(5);

/// What each pool is doing right now.
#[derive(Debug, Clone, Default)]
pub(super) struct Loads(Arc<Mutex<BTreeMap<&'static str, WorkerLoad>>>);

impl Loads {
    pub(super) fn set(&self, queue: Queue, load: WorkerLoad) {
        let mut loads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loads.insert(queue.name(), load);
    }

    fn all(&self) -> BTreeMap<&'static str, WorkerLoad> {
        let loads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loads.clone()
    }
}

/// What is told of a worker.
pub(super) struct Entry {
    pub(super) worker: WorkerId,
    pub(super) role: &'static str,
    pub(super) loads: Loads,
}

/// Reports until `ended`, then has the worker forgotten.
pub(super) async fn run(
    register: Arc<dyn Presence>,
    clock: Arc<dyn Clock>,
    entry: Entry,
    ended: CancellationToken,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    while ended.run_until_cancelled(ticks.tick()).await.is_some() {
        let report = WorkerReport {
            worker: entry.worker.0.clone(),
            role: entry.role.to_owned(),
            queues: entry.loads.all(),
            seen: clock.now().0,
        };
        if let Err(error) = register.report(report).await {
            tracing::warn!(%error, "the worker's report was not taken");
        }
    }
    if let Err(error) = register.forget(&entry.worker).await {
        tracing::debug!(%error, "the worker was not forgotten");
    }
}
