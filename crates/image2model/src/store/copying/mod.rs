//! Takes all of one store into another while both are at rest: from a data directory into Redis, from one Redis into
//! another, and back.
//!
//! It knows no implementation: it reads and puts [`Record`]s. A job is copied with all its tasks exactly as they are,
//! so the copy can be repeated after a break and compared as a whole. What holds only while a process lives is not
//! copied: leases are taken back first, as when a data directory is opened, and news and newest progress go with those
//! who would read them. Scores of fair queueing mean nothing elsewhere; the tasks queue up anew, so each flow keeps its
//! own order and takes turns with the others from the start. Keys and what links are signed with go along, rates do not.

mod keys;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use sha2::{Digest as _, Sha256};

use super::{Put, Record, Records, SCHEDULER, Store, StoreError, WorkerReport};
use crate::job::{JobId, TaskState, WorkerId};

/// Records that are read and written together.
const CHUNK: usize = 100;

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why a copy was refused or broke off. What had been copied by then stays, and a repeat goes on from there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    #[error("both names lead to the same store")]
    SameStore,
    #[error("there are no jobs and no keys in it: is it the right one?")]
    Empty,
    #[error("the {side} is at work: {} reported within the last 30 s; end every server of it first", .workers.join(", "))]
    AtWork { side: Side, workers: Vec<String> },
    /// A worker began a task meanwhile.
    #[error(
        "a task of job {0} was taken by a worker while the source was copied; end every server of it first"
    )]
    Taken(JobId),
    #[error(
        "the target has a job {0} that the source has not: it must be empty or an earlier copy of this source"
    )]
    Foreign(JobId),
    #[error(
        "the target has a job {0} that differs from the source's: one of them has changed since an earlier copy"
    )]
    Differs(JobId),
    #[error("cannot use the {side}: {error}")]
    Broken { side: Side, error: StoreError },
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// For people.
    pub step: &'static str,
    /// Jobs, of `of`.
    pub done: usize,
    pub of: usize,
}

/// What was copied, and both sides as they are read anew after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Jobs that were written.
    pub jobs: u64,
    /// Their tasks.
    pub tasks: u64,
    /// Jobs that were there just so.
    pub present: u64,
    pub source: Sum,
    pub target: Sum,
}

/// All jobs and tasks of a store, in a few words. Equal sums are equal stores, whatever the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub jobs: u64,
    pub tasks: u64,
    /// The records' fingerprints, each bit the parity of theirs.
    pub digest: [u8; 32],
}

impl Sum {
    /// # Errors
    /// The record cannot be written as text.
    pub fn add(&mut self, record: &Record) -> Result<(), StoreError> {
        self.jobs += 1;
        self.tasks += record.tasks.len() as u64;
        for (all, one) in self.digest.iter_mut().zip(record.fingerprint()?) {
            *all ^= one;
        }
        Ok(())
    }
}

impl fmt::Display for Sum {
    /// The digest's first eight bytes are enough for eyes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            jobs,
            tasks,
            digest,
        } = self;
        write!(f, "{jobs} jobs, {tasks} tasks, digest ")?;
        digest
            .iter()
            .take(8)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Record {
    /// SHA-256 over the job and its tasks, whatever their order.
    ///
    /// # Errors
    /// It cannot be written as text.
    pub fn fingerprint(&self) -> Result<[u8; 32], StoreError> {
        let mut tasks: Vec<_> = self.tasks.iter().collect();
        tasks.sort_by(|a, b| a.id.cmp(&b.id));
        let text = serde_json::to_vec(&(&self.job, tasks))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Sha256::digest(text).into())
    }
}

/// Copies what the target has not yet, then reads both anew and sums them up; whether the sums are equal is for the
/// caller to see. `told` hears of each chunk.
///
/// # Errors
/// A [`CopyError`]; nothing is overwritten.
pub async fn copy(
    from: &Store,
    to: &Store,
    told: &mut (dyn FnMut(Stand) + Send),
) -> Result<Copied, CopyError> {
    at_rest(from, Side::Source).await?;
    at_rest(to, Side::Target).await?;
    if are_one(from, to).await? {
        return Err(CopyError::SameStore);
    }
    let (source, target) = (from.records.as_ref(), to.records.as_ref());
    on(Side::Source, source.take_back_leases().await)?;
    let ids = on(Side::Source, source.ids().await)?;
    if ids.is_empty()
        && on(Side::Source, from.keys.register().await)?
            .keys
            .is_empty()
    {
        return Err(CopyError::Empty);
    }
    refuse_others(target, &ids).await?;
    // Before any job: a copy that breaks off must not be a store with jobs and without keys, open to everybody.
    keys::copy(from.keys.as_ref(), to.keys.as_ref()).await?;
    let mut copied = Copied {
        jobs: 0,
        tasks: 0,
        present: 0,
        source: Sum::default(),
        target: Sum::default(),
    };
    for (number, some) in ids.chunks(CHUNK).enumerate() {
        let records = on(Side::Source, source.records(some).await)?;
        put(target, records.into_iter().flatten().collect(), &mut copied).await?;
        told(Stand {
            step: "copying",
            done: number * CHUNK + some.len(),
            of: ids.len(),
        });
    }
    copied.source = sum(source, Side::Source, "reading the source again", told).await?;
    copied.target = sum(target, Side::Target, "reading the target again", told).await?;
    Ok(copied)
}

fn on<T>(side: Side, outcome: Result<T, StoreError>) -> Result<T, CopyError> {
    outcome.map_err(|error| CopyError::Broken { side, error })
}

async fn at_rest(store: &Store, side: Side) -> Result<(), CopyError> {
    let workers = on(side, store.presence.workers().await)?;
    let workers = workers.into_iter().map(|report| report.worker);
    let leader = on(side, store.presence.leader(SCHEDULER).await)?;
    let mut workers: Vec<_> = workers.chain(leader.map(|leader| leader.0)).collect();
    workers.sort_unstable();
    workers.dedup();
    if workers.is_empty() {
        return Ok(());
    }
    Err(CopyError::AtWork { side, workers })
}

/// Whether what is told to one is heard at the other. Addresses do not tell: one server has many.
async fn are_one(from: &Store, to: &Store) -> Result<bool, CopyError> {
    let mark = format!("store-copy-{}", uuid::Uuid::new_v4().simple());
    let report = WorkerReport {
        worker: mark.clone(),
        role: "store copy".to_owned(),
        queues: BTreeMap::new(),
        seen: 0,
    };
    on(Side::Source, from.presence.report(report).await)?;
    let heard = to.presence.workers().await;
    on(
        Side::Source,
        from.presence.forget(&WorkerId(mark.clone())).await,
    )?;
    let heard = on(Side::Target, heard)?;
    Ok(heard.iter().any(|report| report.worker == mark))
}

/// The target may have no job but those of the source.
async fn refuse_others(target: &dyn Records, ids: &[JobId]) -> Result<(), CopyError> {
    let known: HashSet<_> = ids.iter().collect();
    let present = on(Side::Target, target.ids().await)?;
    let other = present.iter().find(|id| !known.contains(id));
    other.map_or(Ok(()), |id| Err(CopyError::Foreign(*id)))
}

async fn put(
    target: &dyn Records,
    records: Vec<Record>,
    copied: &mut Copied,
) -> Result<(), CopyError> {
    if let Some(taken) = records.iter().find(|record| is_taken(record)) {
        return Err(CopyError::Taken(taken.job.id));
    }
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.job.id, record.tasks.len() as u64))
        .collect();
    let put = on(Side::Target, target.put(records).await)?;
    for ((id, tasks), put) in told.into_iter().zip(put) {
        match put {
            Put::Written => {
                copied.jobs += 1;
                copied.tasks += tasks;
            }
            Put::Same => copied.present += 1,
            Put::Differs => return Err(CopyError::Differs(id)),
        }
    }
    Ok(())
}

fn is_taken(record: &Record) -> bool {
    let mut states = record.tasks.iter().map(|task| &task.state);
    states.any(|state| matches!(state, TaskState::Leased(_)))
}

async fn sum(
    records: &dyn Records,
    side: Side,
    step: &'static str,
    told: &mut (dyn FnMut(Stand) + Send),
) -> Result<Sum, CopyError> {
    let ids = on(side, records.ids().await)?;
    let mut sum = Sum::default();
    for (number, some) in ids.chunks(CHUNK).enumerate() {
        for record in on(side, records.records(some).await)?.iter().flatten() {
            on(side, sum.add(record))?;
        }
        told(Stand {
            step,
            done: number * CHUNK + some.len(),
            of: ids.len(),
        });
    }
    Ok(sum)
}
