//! What is only read of jobs: one of them, many, and an owner's over all shards.

use std::collections::BTreeMap;

use redis::{Cmd, cmd};

use super::{Redis, entry::Gone, record, unreadable};
use crate::{
    job::{FileRecord, Job, JobId, Owner, Task, TaskId, Timestamp},
    store::{Cursor, Page, StoreError},
};

/// The server's time from its answer to `TIME`, seconds and microseconds.
pub(super) fn server_time((seconds, micros): (i64, i64)) -> Timestamp {
    Timestamp(seconds.saturating_mul(1000).saturating_add(micros / 1000))
}

impl Redis {
    pub(super) async fn one(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.many(&[id]).await?.pop().flatten())
    }

    /// In one round trip to each server, in the order asked.
    pub(super) async fn many(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>, StoreError> {
        self.each(ids).await?.into_iter().collect()
    }

    /// As [`many`](Self::many), each for itself: one that is damaged is an error.
    async fn each(
        &self,
        ids: &[JobId],
    ) -> Result<Vec<Result<Option<Job>, StoreError>>, StoreError> {
        let read = ids.iter().map(|id| {
            let shard = self.shards.of(*id);
            (shard, cmd("HGET").arg(shard.job(*id)).arg("job").take())
        });
        let records: Vec<Option<Vec<u8>>> = self.nodes.read_all(read.collect()).await?;
        let parse = |record: Vec<u8>| record::read(&record);
        let each = records.into_iter();
        Ok(each.map(|record| record.map(parse).transpose()).collect())
    }

    /// Of a submission in whose place a removed job is remembered.
    pub(super) async fn why_removed(
        &self,
        id: JobId,
        fingerprint: Option<&str>,
    ) -> Result<StoreError, StoreError> {
        let shard = self.shards.of(id);
        let mut read = cmd("HGET");
        read.arg(shard.job(id)).arg("gone");
        let gone: Option<String> = self.nodes.read(shard, read).await?;
        let gone = gone.map(|gone| gone.parse::<Gone>()).transpose()?;
        Ok(gone.map_or(StoreError::Removed, |gone| {
            StoreError::removed(fingerprint, &gone.fingerprint)
        }))
    }

    /// Read with its job, at one moment.
    pub(super) async fn task_of(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        let loaded = self.load(id.job).await?;
        Ok(loaded.entry.and_then(|entry| entry.task(id).cloned()))
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
        // One that was removed since, or has vanished, is not there any more.
        let jobs = self.each(&ids).await?;
        let gone = ids.iter().zip(&jobs);
        let gone = gone.filter(|(_, job)| matches!(job, Ok(None)));
        let forget = gone.map(|(id, _)| {
            let shard = self.shards.of(*id);
            let mut forget = cmd("ZREM");
            (
                shard,
                forget.arg(shard.owner(owner)).arg(id.to_string()).take(),
            )
        });
        self.nodes.read_all::<()>(forget.collect()).await?;
        let readable = ids.iter().zip(jobs).filter_map(|(id, job)| {
            job.inspect_err(|error| tracing::error!(job = %id, %error, "left out of a list"))
                .ok()?
        });
        let jobs = readable.collect();
        Ok(Page { jobs, next })
    }

    /// Takes a job off the list of those to be removed, because it has vanished by itself or cannot be read.
    pub(super) async fn forget_ended(&self, id: JobId) -> Result<(), StoreError> {
        let shard = self.shards.of(id);
        let mut forget = cmd("ZREM");
        forget.arg(shard.key("ended")).arg(id.to_string());
        self.nodes.ask(shard, forget).await
    }

    /// Up to `limit` of each shard's jobs after the cursor, without order.
    async fn owned(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, JobId)>, StoreError> {
        let mut read = Vec::new();
        for shard in self.shards.all() {
            let key = shard.owner(owner);
            if let Some(Cursor { created, .. }) = after {
                // Those of the cursor's own millisecond, to be told apart by their ids.
                let own = created.0.to_string();
                read.push((shard, newest(&key, &own, &own, None)));
            }
            let from = after.map_or_else(
                || "+inf".to_owned(),
                |after| format!("({}", after.created.0),
            );
            read.push((shard, newest(&key, &from, "-inf", Some(limit))));
        }
        let parts: Vec<Vec<(String, f64)>> = self.nodes.read_all(read).await?;
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
        let read = self.shards.all().map(|shard| {
            let mut ended = cmd("ZRANGE");
            ended.arg(shard.key("ended")).arg("-inf");
            ended.arg(format!("({}", before.0)).arg("BYSCORE");
            ended.arg("LIMIT").arg(0).arg(limit).arg("WITHSCORES");
            (shard, ended)
        });
        let parts: Vec<Option<Vec<(String, f64)>>> =
            self.nodes.ask_reachable(read.collect()).await?;
        let mut ended: Vec<_> = parts.into_iter().flatten().flatten().collect();
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
        let jobs = self.each(&ids).await?;
        let jobs: BTreeMap<_, _> = ids.into_iter().zip(jobs).collect();
        let named = |(id, key): &(JobId, String)| match jobs.get(id) {
            Some(Ok(Some(job))) => job.artifact_keys().any(|known| known == key),
            // A record that cannot be read may name it.
            Some(Err(_)) => true,
            Some(Ok(None)) | None => false,
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

    /// To each server.
    pub(super) async fn write_ping(&self) -> Result<(), StoreError> {
        let homes = self.nodes.homes();
        let write = homes.nodes().into_iter().filter_map(|(_, shards)| {
            let shard = shards.into_iter().next()?;
            Some((shard, cmd("SET").arg(shard.key("ping")).arg("1").take()))
        });
        let written: Vec<Option<()>> = self.nodes.ask_reachable(write.collect()).await?;
        drop(written);
        Ok(())
    }
}

/// Members from the highest score down.
pub(super) fn newest(key: &str, from: &str, to: &str, limit: Option<usize>) -> Cmd {
    let mut newest = cmd("ZRANGE");
    newest.arg(key).arg(from).arg(to).arg("BYSCORE").arg("REV");
    if let Some(limit) = limit {
        newest.arg("LIMIT").arg(0).arg(limit);
    }
    newest.arg("WITHSCORES").take()
}
