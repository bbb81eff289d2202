//! Newest progress of running items, beside the job: losing it changes no state.

use std::collections::BTreeMap;

use redis::cmd;

use super::{Redis, live::Told, unreadable};
use crate::{
    job::{JobId, TaskId, Work},
    store::{Progress, StoreError},
};

impl Redis {
    /// One call per job, all at once.
    pub(super) async fn note_progress(&self, updates: Vec<Progress>) -> Result<(), StoreError> {
        let mut jobs: BTreeMap<JobId, Vec<Progress>> = BTreeMap::new();
        for update in updates {
            jobs.entry(update.item.job()).or_default().push(update);
        }
        let calls = jobs
            .into_iter()
            .map(|(job, updates)| self.note_of_job(job, updates));
        futures::future::try_join_all(calls).await?;
        Ok(())
    }

    async fn note_of_job(&self, job: JobId, updates: Vec<Progress>) -> Result<(), StoreError> {
        let shard = self.shards.of(job);
        let mut note = self.scripts.progress.prepare_invoke();
        note.key(shard.key("leases"))
            .key(shard.progress(job))
            .key(shard.key("news"));
        for Progress {
            item,
            percent,
            step,
        } in updates
        {
            let work = Work::Generate {
                item: item.number(),
            };
            note.arg(TaskId { job, work }.to_string())
                .arg(item.number())
                .arg(percent)
                .arg(&step);
            let told = [Told::Progress {
                item,
                percent,
                step,
            }];
            note.arg(serde_json::to_string(&told).map_err(unreadable)?);
        }
        self.server.ask(&note).await
    }

    /// Of items that have not ended.
    pub(super) async fn newest_of(&self, id: JobId) -> Result<Vec<Progress>, StoreError> {
        let Some(job) = self.one(id).await? else {
            return Ok(Vec::new());
        };
        let key = self.shards.of(id).progress(id);
        let kept: BTreeMap<u8, String> = self.server.ask(cmd("HGETALL").arg(key)).await?;
        let running = job.items.iter().filter(|item| !item.status.is_final());
        Ok(running
            .filter_map(|item| {
                let (percent, step) = kept.get(&item.number)?.split_once(' ')?;
                Some(Progress {
                    item: id.item(item.number),
                    percent: percent.parse().ok()?,
                    step: step.to_owned(),
                })
            })
            .collect())
    }
}
