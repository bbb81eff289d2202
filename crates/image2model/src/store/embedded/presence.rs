//! The workers' register and who leads, in memory: both die with the only process that could ask.

use std::time::Duration;

use async_trait::async_trait;

use super::{Embedded, live::locked};
use crate::{
    job::{Timestamp, WorkerId},
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

    async fn lead(
        &self,
        role: &str,
        holder: &WorkerId,
        for_: Duration,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut leaders = locked(&self.live.leaders);
        if leads(leaders.get(role), now).is_some_and(|leader| leader != holder) {
            return Ok(false);
        }
        leaders.insert(role.to_owned(), (holder.clone(), now.after(for_)));
        Ok(true)
    }

    async fn resign(&self, role: &str, holder: &WorkerId) -> Result<(), StoreError> {
        locked(&self.live.leaders).retain(|of, (leader, _)| of != role || leader != holder);
        Ok(())
    }

    async fn leader(&self, role: &str) -> Result<Option<WorkerId>, StoreError> {
        let leaders = locked(&self.live.leaders);
        Ok(leads(leaders.get(role), self.clock.now()).cloned())
    }
}

/// Whose lead has not lapsed.
fn leads(lead: Option<&(WorkerId, Timestamp)>, now: Timestamp) -> Option<&WorkerId> {
    lead.filter(|(_, until)| now < *until)
        .map(|(leader, _)| leader)
}
