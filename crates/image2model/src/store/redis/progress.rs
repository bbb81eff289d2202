//! Newest progress of running items, beside the job: losing it changes no state.

use std::collections::BTreeMap;

use redis::{Cmd, cmd};

use super::{Redis, keys::Shard, live::Told, unreadable};
use crate::{
    job::{ItemId, JobId, TaskId, Work},
    store::{Progress, StoreError},
};

impl Redis {
    /// One script for each job, all in one round trip to each server. What a server that is gone would have kept is lost.
    pub(super) async fn note_progress(&self, updates: Vec<Progress>) -> Result<(), StoreError> {
        let mut jobs: BTreeMap<JobId, Vec<Progress>> = BTreeMap::new();
        for update in updates {
            jobs.entry(update.item.job()).or_default().push(update);
        }
        let notes = jobs
            .into_iter()
            .map(|(job, updates)| self.note_of_job(job, updates))
            .collect::<Result<Vec<_>, _>>()?;
        if notes.is_empty() {
            return Ok(());
        }
        let noted: Vec<Option<()>> = self.nodes.ask_reachable(notes).await?;
        drop(noted);
        Ok(())
    }

    fn note_of_job(&self, job: JobId, updates: Vec<Progress>) -> Result<(Shard, Cmd), StoreError> {
        let shard = self.shards.of(job);
        let mut note = self.scripts.progress.call();
        note.key(shard.key("leases")).key(shard.key("news"));
        for update in updates {
            let (item, percent, step) = (update.item.number(), update.percent, update.step);
            let work = Work::Generate { item };
            note.key(shard.progress(job, item))
                .arg(TaskId { job, work }.to_string())
                .arg(percent)
                .arg(&step);
            let told = Told::Progress {
                item: update.item,
                percent,
                step,
            };
            note.arg(serde_json::to_string(&[told]).map_err(unreadable)?);
        }
        Ok((shard, note.cmd()))
    }

    /// Of items that have not ended: their jobs in one round trip to each server, and then their progress in another.
    pub(super) async fn newest_of(&self, ids: &[JobId]) -> Result<Vec<Progress>, StoreError> {
        let jobs = self.many(ids).await?;
        let (mut running, mut reads) = (Vec::new(), Vec::new());
        for job in jobs.into_iter().flatten() {
            let shard = self.shards.of(job.id);
            let mut read = cmd("MGET");
            let before = running.len();
            for item in job.items.iter().filter(|item| !item.status.is_final()) {
                read.arg(shard.progress(job.id, item.number));
                running.push(job.id.item(item.number));
            }
            if running.len() > before {
                reads.push((shard, read));
            }
        }
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let kept: Vec<Vec<Option<String>>> = self.nodes.read_all(reads).await?;
        let progress = |(item, kept): (ItemId, Option<String>)| {
            let kept = kept?;
            let (percent, step) = kept.split_once(' ')?;
            Some(Progress {
                item,
                percent: percent.parse().ok()?,
                step: step.to_owned(),
            })
        };
        let kept = kept.into_iter().flatten();
        Ok(running.into_iter().zip(kept).filter_map(progress).collect())
    }
}
