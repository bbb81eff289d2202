//! A new job from an image that was uploaded before, and how long one will take.

use std::time::Duration;

use crate::{
    job::{FactKind, ItemId, ItemStatus, Job, Priority, Queue, TaskId, Work},
    provider::{Making, ModelRequest},
    store::StoreError,
};

use super::{
    Caller, Service, ServiceError,
    again::{self, Again},
};

/// What a picture takes on one core, for want of anything better known.
const TYPICAL: Duration = Duration::from_secs(5);

impl Service {
    /// Makes a job of the caller's image `from`, with other options. Every job owns its files, so the upload is copied.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the image; [`ServiceError::Conflict`] when it is a mesh or gone by now; else as
    /// [`submit`](super::Submission::submit).
    pub async fn generate(
        &self,
        caller: Caller,
        from: ItemId,
        request: &ModelRequest,
        idempotency_key: Option<&str>,
    ) -> Result<Job, ServiceError> {
        let fingerprint = again::fingerprint(from.job(), Some(from.number()), Some(request));
        if let Some(job) = self
            .made_before(&caller, idempotency_key, &fingerprint)
            .await?
        {
            return Ok(job);
        }
        let (job, item) = self.item(&caller, from).await?;
        if is_conversion(&job) {
            let why = format!(
                "{} is a mesh; models are generated of pictures",
                item.filename
            );
            return Err(ServiceError::Conflict(why));
        }
        let again = Again {
            jobs: &*self.store.jobs,
            artifacts: &self.artifacts,
            old: &job,
            items: vec![&item],
            request: Some(request),
            id: caller.new_job(idempotency_key),
            fingerprint,
            flow: caller.flow.clone(),
            priority: Priority::Normal,
        };
        self.make_again(&caller, again).await
    }

    /// Seconds until a job's end, as far as anybody can tell: by its own pace once it runs, before that by what waits
    /// ahead of it. 0 for one that has ended.
    pub async fn seconds_left(&self, job: &Job, percent: u32) -> u64 {
        if job.ended.is_some() {
            return 0;
        }
        let mut facts = job.facts.iter();
        let began = facts.find(|fact| matches!(fact.kind, FactKind::Started { .. }));
        if let Some(began) = began.filter(|_| (5..100).contains(&percent)) {
            let spent = self.now().since(began.at).max(0).unsigned_abs();
            return (spent * u64::from(100 - percent) / u64::from(percent)).div_ceil(1000);
        }
        let queue = match job.priority {
            Priority::Normal => Queue::ModelGeneration,
            Priority::High => Queue::Priority,
        };
        // An estimate that cannot be had is no reason to refuse an answer.
        let (ahead, slots) = tokio::join!(self.ahead(job), self.slots(queue));
        let (ahead, slots) = (ahead.unwrap_or(0), slots.unwrap_or(1));
        let own = job.items.iter().filter(|item| !item.status.is_final());
        let rounds = (ahead + own.count() as u64).div_ceil(slots.max(1));
        rounds * TYPICAL.as_secs()
    }

    /// Tasks that wait before the first waiting one of this job.
    async fn ahead(&self, job: &Job) -> Result<u64, StoreError> {
        let mut waiting = job.items.iter();
        let Some(item) = waiting.find(|item| item.status == ItemStatus::Queued) else {
            return Ok(0);
        };
        let work = Work::Generate { item: item.number };
        let task = TaskId { job: job.id, work };
        Ok(self.store.jobs.position(&task).await?.unwrap_or(0))
    }

    /// Tasks that all workers of a queue run at once.
    async fn slots(&self, queue: Queue) -> Result<u64, StoreError> {
        let workers = self.store.presence.workers().await?;
        let loads = workers
            .iter()
            .filter_map(|worker| worker.queues.get(queue.name()));
        Ok(loads.map(|load| load.concurrency as u64).sum())
    }
}

fn is_conversion(job: &Job) -> bool {
    let asked = ModelRequest::from_stored(&job.options, &job.formats);
    asked.is_ok_and(|asked| matches!(asked.making, Making::Import(_)))
}
