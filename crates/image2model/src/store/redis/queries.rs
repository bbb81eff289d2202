//! What is only read of jobs: one of them, many, and an owner's over all shards.

use std::collections::BTreeMap;

use redis::{Pipeline, cmd, pipe};

use super::{Redis, entry::task, unreadable};
use crate::{
    job::{FileRecord, Job, JobId, Owner, Task, TaskId, Timestamp},
    store::{Cursor, Page, StoreError},
};

/// The server's time from its answer to `TIME`, seconds and microseconds.
pub(super) fn server_time((seconds, micros): (i64, i64)) -> Timestamp {
    Timestamp(seconds * 1000 + micros / 1000)
}

impl Redis {
    pub(super) async fn one(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.many(&[id]).await?.pop().flatten())
    }

    /// In one round trip, in the order asked.
    pub(super) async fn many(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = pipe();
        for id in ids {
            read.hget(self.shards.of(*id).job(*id), "job");
        }
        let records: Vec<Option<String>> = self.server.ask(&read).await?;
        let parse = |record: String| serde_json::from_str(&record).map_err(unreadable);
        records
            .into_iter()
            .map(|record| record.map(parse).transpose())
            .collect()
    }

    /// Record and lease are read at one moment.
    pub(super) async fn task_of(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        let (shard, name) = (self.shards.of(id.job), id.to_string());
        let mut read = pipe();
        read.atomic()
            .hget(shard.key("tasks"), &name)
            .hget(shard.key("leases"), &name);
        let (record, lease): (Option<String>, Option<String>) = self.server.ask(&read).await?;
        record
            .map(|record| task(&record, lease.as_ref()))
            .transpose()
    }

    /// Every shard's part of the page, merged.
    pub(super) async fn page(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut found = self.owned(owner, after, limit + 1).await?;
        found.sort_unstable_by(|a, b| b.cmp(a));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(created, id)| Cursor {
            created: *created,
            id: *id,
        });
        let ids: Vec<_> = found.into_iter().map(|(_, id)| id).collect();
        // One that was removed since is not there any more.
        let jobs = self.many(&ids).await?.into_iter().flatten().collect();
        Ok(Page { jobs, next })
    }

    /// Up to `limit` of each shard's jobs after the cursor, without order.
    async fn owned(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, JobId)>, StoreError> {
        let mut read = pipe();
        for shard in self.shards.all() {
            let key = shard.owner(owner);
            if let Some(Cursor { created, .. }) = after {
                // Those of the cursor's own millisecond, to be told apart by their ids.
                newest(
                    &mut read,
                    &key,
                    &created.0.to_string(),
                    &created.0.to_string(),
                    None,
                );
            }
            let from = after.map_or_else(
                || "+inf".to_owned(),
                |after| format!("({}", after.created.0),
            );
            newest(&mut read, &key, &from, "-inf", Some(limit));
        }
        let parts: Vec<Vec<(String, f64)>> = self.server.ask(&read).await?;
        let mut found = Vec::new();
        for (id, created) in parts.into_iter().flatten() {
            let job = (Timestamp(created as i64), id.parse().map_err(unreadable)?);
            if after.is_none_or(|after| job < (after.created, after.id)) {
                found.push(job);
            }
        }
        Ok(found)
    }

    /// Oldest end first, over all shards.
    pub(super) async fn ended(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let mut read = pipe();
        for shard in self.shards.all() {
            read.cmd("ZRANGE")
                .arg(shard.key("ended"))
                .arg("-inf")
                .arg(format!("({}", before.0))
                .arg("BYSCORE")
                .arg("LIMIT")
                .arg(0)
                .arg(limit)
                .arg("WITHSCORES");
        }
        let parts: Vec<Vec<(String, f64)>> = self.server.ask(&read).await?;
        let mut ended: Vec<_> = parts.into_iter().flatten().collect();
        ended.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        ended.truncate(limit);
        let ids = ended.into_iter().map(|(id, _)| id.parse());
        ids.collect::<Result<_, _>>().map_err(unreadable)
    }

    pub(super) async fn some_named(
        &self,
        keys: &[(JobId, String)],
    ) -> Result<Vec<bool>, StoreError> {
        let mut ids: Vec<_> = keys.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let jobs = self.many(&ids).await?;
        let jobs: BTreeMap<_, _> = ids.into_iter().zip(jobs).collect();
        let named = |(id, key): &(JobId, String)| {
            let job = jobs.get(id).and_then(Option::as_ref);
            job.is_some_and(|job| job.artifact_keys().any(|known| known == key))
        };
        Ok(keys.iter().map(named).collect())
    }

    pub(super) async fn file_of(
        &self,
        name: &str,
    ) -> Result<Option<(JobId, FileRecord)>, StoreError> {
        let Some(id) = name.get(..36).and_then(|id| id.parse().ok()) else {
            return Ok(None);
        };
        let items = self.one(id).await?.map_or_else(Vec::new, |job| job.items);
        let mut files = items.into_iter().flat_map(|item| item.files);
        Ok(files.find(|file| file.name == name).map(|file| (id, file)))
    }

    /// The key lies in a shard, as what it stands for does.
    pub(super) async fn write_ping(&self) -> Result<(), StoreError> {
        let shards = self.shards.all();
        let Some(shard) = shards.last() else {
            return Ok(());
        };
        self.server
            .ask(cmd("SET").arg(shard.key("ping")).arg("1"))
            .await
    }
}

/// Members from the highest score down.
fn newest(read: &mut Pipeline, key: &str, from: &str, to: &str, limit: Option<usize>) {
    let command = read.cmd("ZRANGE").arg(key).arg(from).arg(to);
    command.arg("BYSCORE").arg("REV");
    if let Some(limit) = limit {
        command.arg("LIMIT").arg(0).arg(limit);
    }
    command.arg("WITHSCORES");
}
