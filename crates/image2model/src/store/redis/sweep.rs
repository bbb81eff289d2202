//! Due retries and lapsed leases of all shards, each job's in one transition.

use std::collections::BTreeMap;

use redis::cmd;

use super::{Redis, entry::Writing, queues::Seen, transitions};
use crate::{
    job::{JobId, TaskId},
    store::{StoreError, Swept},
};

/// Most tasks of each shard, queue and lane that one step moves, so that others get their turn between.
const CHUNK: usize = 100;
/// Jobs that are swept at the same time.
const AT_ONCE: usize = 64;

impl Redis {
    pub(super) async fn sweep_all(&self) -> Result<Swept, StoreError> {
        let seen = self.seen().await?;
        let mut all = Swept::default();
        if seen.is_empty() {
            return Ok(all);
        }
        loop {
            let (due, full) = self.due(&seen).await?;
            let swept = self.sweep_jobs(due, &seen).await?;
            all.promoted += swept.promoted;
            all.expired_leases += swept.expired_leases;
            all.poisoned += swept.poisoned;
            let moved = swept.promoted + swept.expired_leases;
            // What others moved meanwhile is not due any more.
            if !full || moved == 0 {
                return Ok(all);
            }
        }
    }

    /// Due tasks by job, the first due first, and whether there may be more.
    async fn due(&self, seen: &[Seen]) -> Result<(BTreeMap<JobId, Vec<TaskId>>, bool), StoreError> {
        let due = |set,
                   Seen {
                       shard,
                       queue,
                       lane,
                       now,
                   }: &Seen| {
            let mut due = cmd("ZRANGE");
            due.arg(shard.lane(set, *queue, lane))
                .arg("-inf")
                .arg(now.0);
            due.arg("BYSCORE").arg("LIMIT").arg(0).arg(CHUNK);
            (*shard, due)
        };
        let read = seen
            .iter()
            .flat_map(|seen| ["delayed", "leased"].map(|set| due(set, seen)));
        let parts: Vec<Option<Vec<String>>> = self.nodes.ask_reachable(read.collect()).await?;
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        let full = parts.iter().any(|part| part.len() == CHUNK);
        let mut jobs: BTreeMap<JobId, Vec<TaskId>> = BTreeMap::new();
        for name in parts.iter().flatten() {
            match name.parse::<TaskId>() {
                Ok(id) => jobs.entry(id.job).or_default().push(id),
                Err(error) => tracing::error!(name, %error, "no task has such a name"),
            }
        }
        Ok((jobs, full))
    }

    /// One that fails does not keep the others from their turn.
    async fn sweep_jobs(
        &self,
        due: BTreeMap<JobId, Vec<TaskId>>,
        seen: &[Seen],
    ) -> Result<Swept, StoreError> {
        let due: Vec<_> = due.into_iter().collect();
        let (mut all, mut failed) = (Swept::default(), None);
        for some in due.chunks(AT_ONCE) {
            let calls = some
                .iter()
                .map(|(id, tasks)| self.sweep_job(*id, tasks, seen));
            for swept in futures::future::join_all(calls).await {
                match swept {
                    Ok(swept) => {
                        all.promoted += swept.promoted;
                        all.expired_leases += swept.expired_leases;
                        all.poisoned += swept.poisoned;
                    }
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(all), Err)
    }

    async fn sweep_job(
        &self,
        id: JobId,
        tasks: &[TaskId],
        seen: &[Seen],
    ) -> Result<Swept, StoreError> {
        let items: Vec<_> = tasks
            .iter()
            .filter_map(|task| task.work.generated())
            .collect();
        let swept = self.transact_with(id, &items, Writing::OneOfMany, |entry, now| {
            if entry.is_none() {
                return Err(StoreError::NotFound);
            }
            transitions::sweep(entry, tasks, &self.retry, now)
        });
        match swept.await {
            // Most often it has been removed since its task was seen to be due, and then there is none to set aside.
            Err(StoreError::NotFound) => self.set_aside(id, tasks, seen).await,
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(job = %id, %error, "the tasks of a job are set aside as dead");
                self.set_aside(id, tasks, seen).await
            }
            swept => swept,
        }
    }

    /// Lays tasks whose job cannot be read among the dead ones, so that they are not due for ever.
    async fn set_aside(
        &self,
        id: JobId,
        tasks: &[TaskId],
        seen: &[Seen],
    ) -> Result<Swept, StoreError> {
        let shard = self.shards.of(id);
        let mut swept = Swept::default();
        for seen in seen.iter().filter(|seen| seen.shard == shard) {
            let mut set_aside = self.scripts.set_aside.call();
            set_aside.key(shard.key("leases"));
            for set in ["delayed", "leased", "dead"] {
                set_aside.key(shard.lane(set, seen.queue, &seen.lane));
            }
            set_aside.arg(seen.now.0);
            for task in tasks {
                set_aside.arg(task.to_string());
            }
            let moved: u64 = self.nodes.ask_if_there(shard, set_aside.cmd()).await?;
            swept.poisoned += moved;
        }
        Ok(swept)
    }
}
