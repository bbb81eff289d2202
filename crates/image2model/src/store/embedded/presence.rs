//! The workers' register, in memory: it dies with the only process that could ask.

use async_trait::async_trait;

use super::{Embedded, live::locked};
use crate::{
    job::WorkerId,
    store::{Presence, StoreError, WorkerReport},
};

/// Milliseconds after which a silent worker is forgotten.
const SILENCE: i64 = 30_000;

#[async_trait]
impl Presence for Embedded {
    async fn report(&self, mut report: WorkerReport) -> Result<(), StoreError> {
        report.seen = self.clock.now().0;
        locked(&self.live.workers).insert(report.worker.clone(), report);
        Ok(())
    }

    async fn forget(&self, worker: &WorkerId) -> Result<(), StoreError> {
        locked(&self.live.workers).remove(&worker.0);
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerReport>, StoreError> {
        let now = self.clock.now().0;
        let mut workers = locked(&self.live.workers);
        workers.retain(|_, report| now - report.seen < SILENCE);
        let mut reports: Vec<_> = workers.values().cloned().collect();
        reports.sort_by(|a, b| a.worker.cmp(&b.worker));
        Ok(reports)
    }
}
