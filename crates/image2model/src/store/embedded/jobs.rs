//! The trait, each method handed to the writer or to a reader.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{Embedded, queries, rows, tasks, transitions};
use crate::{
    job::{
        Fact, FileRecord, ItemId, Job, JobId, Lane, Lease, Owner, Queue, Task, TaskId, Timestamp,
        transition::{self, Completion, Failure, NewJob},
    },
    store::{
        Condition, Created, Cursor, Depth, Died, Held, Jobs, News, Page, Progress, Reserve,
        Reserved, StoreError, Swept,
    },
};

#[async_trait]
impl Jobs for Embedded {
    async fn create_job(&self, new: NewJob) -> Result<Created, StoreError> {
        self.writer
            .run(move |tx| transitions::create_job(tx, new))
            .await
    }

    async fn repeated(
        &self,
        id: JobId,
        owner: &Owner,
        fingerprint: &str,
    ) -> Result<Option<Job>, StoreError> {
        if let Some(job) = self.job(id).await? {
            transition::repeats(&job, owner, Some(fingerprint))?;
            return Ok(Some(job));
        }
        let now = self.clock.now();
        let remembered = self.readers.run(move |db| rows::remembered(db, id, now));
        match remembered.await? {
            Some(known) => Err(StoreError::removed(Some(fingerprint), &known)),
            None => Ok(None),
        }
    }

    async fn reserve(&self, ask: Reserve) -> Result<Vec<Reserved>, StoreError> {
        self.writer.run(move |tx| tasks::reserve(tx, &ask)).await
    }

    async fn start(&self, leases: &[Lease]) -> Result<Vec<Held>, StoreError> {
        let leases = leases.to_vec();
        self.writer
            .run(move |tx| {
                leases
                    .iter()
                    .map(|lease| transitions::start(tx, lease))
                    .collect()
            })
            .await
    }

    async fn extend(&self, leases: &[Lease], duration: Duration) -> Result<Vec<Held>, StoreError> {
        let leases = leases.to_vec();
        self.writer
            .run(move |tx| {
                let renew = |lease| transitions::extend(tx, lease, duration);
                leases.iter().map(renew).collect()
            })
            .await
    }

    async fn hand_back(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let leases = leases.to_vec();
        self.writer
            .run(move |tx| {
                leases
                    .iter()
                    .try_for_each(|lease| transitions::hand_back(tx, lease))
            })
            .await
    }

    async fn progress(&self, updates: Vec<Progress>) -> Result<(), StoreError> {
        self.live.progress(updates);
        Ok(())
    }

    async fn complete(&self, lease: &Lease, completion: Completion) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.writer
            .run(move |tx| transitions::complete(tx, &lease, completion))
            .await
    }

    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.writer
            .run(move |tx| transitions::fail(tx, &lease, failure))
            .await
    }

    async fn request_format(&self, item: ItemId, format: &str) -> Result<(), StoreError> {
        let format = format.to_owned();
        self.writer
            .run(move |tx| transitions::request_format(tx, item, &format))
            .await
    }

    async fn cancel(&self, id: JobId) -> Result<Job, StoreError> {
        self.writer.run(move |tx| transitions::cancel(tx, id)).await
    }

    async fn delete(&self, id: JobId) -> Result<Job, StoreError> {
        self.writer.run(move |tx| transitions::delete(tx, id)).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        if let Some(job) = self.live.recent.job(id) {
            return Ok(Some(Job::clone(&job)));
        }
        self.readers.run(move |db| rows::job(db, id)).await
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>, StoreError> {
        let ids = ids.to_vec();
        self.readers.run(move |db| queries::jobs(db, &ids)).await
    }

    async fn list(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let owner = owner.clone();
        self.readers
            .run(move |db| queries::list(db, &owner, after, limit))
            .await
    }

    async fn facts(&self, id: JobId, after: u32) -> Result<Option<Vec<Fact>>, StoreError> {
        self.readers
            .run(move |db| queries::facts(db, id, after))
            .await
    }

    async fn newest_progress(&self, ids: &[JobId]) -> Result<Vec<Progress>, StoreError> {
        Ok(self.live.newest_progress(ids))
    }

    fn watch(&self) -> broadcast::Receiver<News> {
        self.live.watch()
    }

    async fn wait_for_ready(&self, queue: Queue) {
        self.live.wait_for_ready(queue).await;
    }

    async fn task(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        let id = id.clone();
        self.readers.run(move |db| rows::find_task(db, &id)).await
    }

    async fn position(&self, task: &TaskId) -> Result<Option<u64>, StoreError> {
        let task = task.clone();
        self.readers
            .run(move |db| queries::position(db, &task))
            .await
    }

    async fn depths(&self) -> Result<BTreeMap<(Queue, Lane), Depth>, StoreError> {
        self.readers.run(queries::depths).await
    }

    async fn dead(&self, after: Option<&Died>, limit: usize) -> Result<Vec<Task>, StoreError> {
        let after = after.cloned();
        self.readers
            .run(move |db| queries::dead(db, after.as_ref(), limit))
            .await
    }

    async fn bury(&self, id: &TaskId) -> Result<(), StoreError> {
        let id = id.clone();
        self.writer.run(move |tx| transitions::bury(tx, &id)).await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        let mut all = Swept::default();
        loop {
            let step = self.writer.run(transitions::sweep).await?;
            all.promoted += step.promoted;
            all.expired_leases += step.expired_leases;
            all.poisoned += step.poisoned;
            if !transitions::more(&step) {
                return Ok(all);
            }
        }
    }

    async fn removable(
        &self,
        ended_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        self.readers
            .run(move |db| queries::removable(db, ended_before, limit))
            .await
    }

    async fn request_removal(&self, id: JobId) -> Result<(), StoreError> {
        self.writer
            .run(move |tx| transitions::request_removal(tx, id))
            .await
    }

    async fn removed(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.writer
            .run(move |tx| transitions::removed(tx, &lease))
            .await
    }

    async fn named(&self, keys: &[(JobId, String)]) -> Result<Vec<bool>, StoreError> {
        let keys = keys.to_vec();
        self.readers.run(move |db| queries::named(db, &keys)).await
    }

    async fn condition(&self) -> Result<Condition, StoreError> {
        Ok(Condition {
            promise: "the data directory: what was accepted outlives the process, and the power"
                .to_owned(),
            complaints: Vec::new(),
        })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.writer
            .run(|tx| {
                tx.connection
                    .prepare_cached("INSERT OR REPLACE INTO pings (id, at) VALUES (1, ?1)")?
                    .execute([tx.now.0])?;
                Ok(())
            })
            .await
    }

    async fn file(&self, name: &str) -> Result<Option<(JobId, FileRecord)>, StoreError> {
        let name = name.to_owned();
        self.readers.run(move |db| queries::file(db, &name)).await
    }
}
