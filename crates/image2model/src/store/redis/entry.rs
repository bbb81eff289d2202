//! A job as it was loaded, and the round of loading, deciding and writing.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use super::{Redis, changes::text, commit::Commit, keys::Shard, record, unreadable};
use crate::{
    job::{Job, JobId, Task, TaskId, TaskState, Timestamp},
    store::StoreError,
};

/// Rounds before a transition gives up: far more than a job has items that can end at once.
const ROUNDS: u32 = 100;

/// A job and its tasks, in the order in which they were enqueued: what `job/` decides on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) tasks: Vec<Task>,
    /// How far running items have come, of those that were asked for.
    pub(super) progress: BTreeMap<u8, u8>,
}

impl Entry {
    pub(super) fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == *id)
    }

    /// The job and one of its tasks, to be changed together.
    pub(super) fn with_task(&mut self, id: &TaskId) -> Option<(&mut Job, &mut Task)> {
        let task = self.tasks.iter_mut().find(|task| task.id == *id)?;
        Some((&mut self.job, task))
    }
}

/// Whether somebody is told what is written, so that replicas must have it, too, where that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    Plain,
    Told,
    /// As `Told`, but of new work, which a server whose memory is full refuses.
    New,
    /// As `Plain`, of one of many jobs at once: a server that is gone is not waited for where there are others.
    OneOfMany,
}

/// A task's name, record and lease; the last is empty where there is none.
pub(super) type TaskRead = (String, String, String);

/// Time, version, record, fingerprint of one that is gone, progress and tasks.
type Answer = (i64, String, Vec<u8>, String, Vec<String>, Vec<TaskRead>);

/// What is left of a removed job: `until fingerprint`, in ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) until: Timestamp,
    pub(super) fingerprint: String,
}

impl FromStr for Gone {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let parts = text.split_once(' ');
        let read = parts.and_then(|(until, fingerprint)| {
            Some(Self {
                until: Timestamp(until.parse().ok()?),
                fingerprint: fingerprint.to_owned(),
            })
        });
        read.ok_or_else(|| unreadable(format!("{text:?} is no removed job")))
    }
}

/// What the server had at one moment.
pub(super) struct Loaded {
    pub(super) shard: Shard,
    pub(super) id: JobId,
    /// Empty when there is no job.
    pub(super) version: String,
    pub(super) entry: Option<Entry>,
    /// Whether a removed job is remembered there.
    pub(super) gone: Option<Gone>,
    /// As written, since it is compared as written.
    pub(super) leases: BTreeMap<TaskId, String>,
    pub(super) now: Timestamp,
}

impl Redis {
    /// Lets `decide` change a job (or make one, or take it away) and writes the difference; as often as it takes for
    /// nobody to come between. What it refuses changes nothing.
    pub(super) async fn transact<T>(
        &self,
        id: JobId,
        decide: impl FnMut(&mut Option<Entry>, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transact_with(id, &[], Writing::Plain, decide).await
    }

    /// As [`transact`](Self::transact), for what somebody is told of: returns when enough replicas have it.
    pub(super) async fn transact_told<T>(
        &self,
        id: JobId,
        decide: impl FnMut(&mut Option<Entry>, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transact_with(id, &[], Writing::Told, decide).await
    }

    /// As [`transact`](Self::transact), for the holder of a lease: decided on the job as it is known here, if it is. A
    /// task that is known as ready may be leased by now, without a new version of its job: an answer that depends on
    /// that is no answer.
    pub(super) async fn transact_held<T>(
        &self,
        id: JobId,
        writing: Writing,
        is_answer: impl FnOnce(&T) -> bool,
        mut decide: impl FnMut(&mut Option<Entry>, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let known = self.known.take(id);
        match self
            .transact_on(known, writing, is_answer, &mut decide)
            .await?
        {
            Some(answer) => Ok(answer),
            None => self.transact_with(id, &[], writing, decide).await,
        }
    }

    /// As [`transact_told`](Self::transact_told), of new work, and so of a job that most likely is not there yet.
    pub(super) async fn transact_new<T>(
        &self,
        id: JobId,
        mut decide: impl FnMut(&mut Option<Entry>, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let nothing = Loaded::nothing(self.shards.of(id), id);
        match self
            .transact_on(Some(nothing), Writing::New, |_| true, &mut decide)
            .await?
        {
            Some(answer) => Ok(answer),
            None => self.transact_with(id, &[], Writing::New, decide).await,
        }
    }

    /// Decides on what may have changed meanwhile: `None` unless it was written, and so still was as it is here.
    async fn transact_on<T>(
        &self,
        loaded: Option<Loaded>,
        writing: Writing,
        is_answer: impl FnOnce(&T) -> bool,
        decide: impl FnOnce(&mut Option<Entry>, Timestamp) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(loaded) = loaded else {
            return Ok(None);
        };
        let Some(now) = self.time.known(&self.known, loaded.shard) else {
            return Ok(None);
        };
        let mut entry = loaded.entry.clone();
        let decided = decide(&mut entry, now);
        let Some(answer) = decided.ok().filter(is_answer) else {
            return Ok(None);
        };
        let written = entry != loaded.entry && self.commit(loaded, entry, writing).await?;
        Ok(written.then_some(answer))
    }

    /// As [`transact`](Self::transact), with the progress of these items at hand.
    pub(super) async fn transact_with<T>(
        &self,
        id: JobId,
        items: &[u8],
        writing: Writing,
        mut decide: impl FnMut(&mut Option<Entry>, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        for round in 0..ROUNDS {
            let loaded = self.load_for(id, items, writing).await?;
            if writing == Writing::New && loaded.is_remembered() {
                return Err(StoreError::Removed);
            }
            let mut entry = loaded.entry.clone();
            let answer = match decide(&mut entry, loaded.now) {
                // It may be a repeat of what was written, but not confirmed.
                Err(StoreError::LeaseLost) if writing == Writing::Told => {
                    self.confirm(loaded.shard).await?;
                    return Err(StoreError::LeaseLost);
                }
                decided => decided?,
            };
            if entry == loaded.entry {
                let shard = loaded.shard;
                self.known.keep(loaded);
                if matches!(writing, Writing::Told | Writing::New) {
                    self.confirm(shard).await?;
                }
                return Ok(answer);
            }
            if self.commit(loaded, entry, writing).await? {
                return Ok(answer);
            }
            // Those that met here must not meet again.
            let longest = u64::from(round + 1).min(20) * 2;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=longest))).await;
        }
        let why = "too many changed the same job at once";
        Err(StoreError::Unavailable(why.to_owned()))
    }

    pub(super) async fn load(&self, id: JobId) -> Result<Loaded, StoreError> {
        self.load_for(id, &[], Writing::Plain).await
    }

    async fn load_for(
        &self,
        id: JobId,
        items: &[u8],
        writing: Writing,
    ) -> Result<Loaded, StoreError> {
        let shard = self.shards.of(id);
        let mut load = self.scripts.load.call();
        load.key(shard.job(id))
            .key(shard.key("tasks"))
            .key(shard.key("leases"));
        for item in items {
            load.key(shard.progress(id, *item));
        }
        let (time, version, record, gone, progress, tasks): Answer = match writing {
            Writing::OneOfMany => self.nodes.ask_if_there(shard, load.cmd()).await?,
            _ => self.nodes.ask(shard, load.cmd()).await?,
        };
        let told = Timestamp(time);
        self.known.hear(shard, told);
        let mut loaded = Loaded {
            version,
            now: self.time.or(told),
            gone: gone.parse().ok(),
            ..Loaded::nothing(shard, id)
        };
        if !record.is_empty() {
            let known = items.iter().zip(&progress);
            let progress = known.filter_map(|(item, kept)| Some((*item, percent(kept)?)));
            loaded.entry = Some(Entry {
                job: record::read(&record)?,
                tasks: loaded.tasks(&tasks)?,
                progress: progress.collect(),
            });
        }
        Ok(loaded)
    }

    /// Whether it was written; then the job is known as it is now.
    async fn commit(
        &self,
        loaded: Loaded,
        entry: Option<Entry>,
        writing: Writing,
    ) -> Result<bool, StoreError> {
        let Commit { next, keys, args } =
            Commit::between(&loaded, entry.as_ref(), self.vanishes_after)?;
        let script = match writing {
            Writing::New => &self.scripts.commit,
            _ => &self.scripts.commit_anyway,
        };
        let mut commit = script.call();
        for key in keys {
            commit.key(key);
        }
        for arg in args {
            commit.arg(arg);
        }
        let (shard, commit) = (loaded.shard, commit.cmd());
        let written = match writing {
            Writing::Plain => self.nodes.ask(shard, commit).await?,
            Writing::OneOfMany => self.nodes.ask_if_there(shard, commit).await?,
            Writing::Told | Writing::New => self.nodes.ask_confirmed(shard, commit).await?,
        };
        if written && let Some(entry) = entry {
            self.known.keep(loaded.then(entry, next)?);
        }
        Ok(written)
    }

    /// Returns when enough replicas have all that was written to the shard until now: what is being repeated may have
    /// been written, but not confirmed.
    async fn confirm(&self, shard: Shard) -> Result<(), StoreError> {
        if !self.nodes.confirms() {
            return Ok(());
        }
        let mut write = redis::cmd("SET");
        write.arg(shard.key("ping")).arg("1");
        self.nodes.ask_confirmed(shard, write).await
    }
}

impl Loaded {
    /// Where there is no job.
    pub(super) fn nothing(shard: Shard, id: JobId) -> Self {
        Self {
            shard,
            id,
            version: String::new(),
            entry: None,
            gone: None,
            leases: BTreeMap::new(),
            now: Timestamp(0),
        }
    }

    fn is_remembered(&self) -> bool {
        self.gone.as_ref().is_some_and(|gone| self.now < gone.until)
    }

    /// As the server has it once `entry` is written.
    fn then(mut self, entry: Entry, version: String) -> Result<Self, StoreError> {
        let before = self.entry.take();
        let before = |id: &TaskId| before.as_ref().and_then(|entry| entry.task(id));
        let mut leases = BTreeMap::new();
        for task in &entry.tasks {
            let TaskState::Leased(lease) = &task.state else {
                continue;
            };
            let lease = match self.leases.remove(&task.id) {
                Some(as_written) if before(&task.id) == Some(task) => as_written,
                _ => text(lease)?,
            };
            leases.insert(task.id.clone(), lease);
        }
        Ok(Self {
            version,
            entry: Some(entry),
            leases,
            ..self
        })
    }

    /// Tasks as they were read, with their leases.
    pub(super) fn tasks(&mut self, read: &[TaskRead]) -> Result<Vec<Task>, StoreError> {
        let mut tasks = Vec::with_capacity(read.len());
        for (_, record, lease) in read {
            let task = task(record, Some(lease).filter(|lease| !lease.is_empty()))?;
            if !lease.is_empty() {
                self.leases.insert(task.id.clone(), lease.clone());
            }
            tasks.push(task);
        }
        Ok(tasks)
    }
}

/// Of progress as it is kept.
fn percent(kept: &str) -> Option<u8> {
    kept.split_once(' ')?.0.parse().ok()
}

/// A task from its record; a lease says more than the record's own state.
pub(super) fn task(record: &str, lease: Option<&String>) -> Result<Task, StoreError> {
    let mut task: Task = serde_json::from_str(record).map_err(unreadable)?;
    if let Some(lease) = lease {
        task.state = TaskState::Leased(serde_json::from_str(lease).map_err(unreadable)?);
    }
    Ok(task)
}
