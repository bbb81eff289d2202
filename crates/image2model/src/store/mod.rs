//! The one door to shared state.
//!
//! A [`Store`] is one trait per aggregate; every method is a transition of the domain, atomic and durable
//! when it returns. Callers never read, decide and write back: what must be decided together is one method.
//!
//! It knows `job/` and nothing of HTTP, workers or artifacts. `embedded/` keeps it in SQLite for one process,
//! `redis/` in a Redis for many; both pass the same `conformance` suite.

mod access;
#[cfg(test)]
pub(crate) mod conformance;
pub mod copying;
pub mod embedded;
pub mod redis;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::job::{
    Fact, FileRecord, ItemId, Job, JobId, Lane, Lease, Owner, Queue, Task, TaskId, TaskState,
    Timestamp, WorkerId,
    transition::{Completion, Failure, NewJob, Refused},
};

pub use access::{Keys, Limits, Register, VALID_SECRETS};

/// All shared state.
#[derive(Clone)]
pub struct Store {
    pub jobs: Arc<dyn Jobs>,
    pub keys: Arc<dyn Keys>,
    pub limits: Arc<dyn Limits>,
    pub presence: Arc<dyn Presence>,
    pub records: Arc<dyn Records>,
}

/// What a caller can do about a failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The caller no longer holds the lease: it must drop its work.
    #[error("the lease was lost")]
    LeaseLost,
    /// The same idempotency key came with different content.
    #[error("this idempotency key was used for a different request")]
    KeyReused,
    /// The job that this idempotency key made was removed, and the key is not free yet.
    #[error("the job of this idempotency key was removed")]
    Removed,
    /// There is no such job or item.
    #[error("not found")]
    NotFound,
    /// The job is in no state for this.
    #[error("{0}")]
    Conflict(String),
    /// The disk is full; nothing was written.
    #[error("the store's disk is full")]
    Full,
    /// What is kept cannot be read; asking again tells the same.
    #[error("a record of the store is damaged: {0}")]
    Damaged(String),
    /// The store cannot be reached or is broken for now. Nothing was half written; what was written whole before its
    /// answer was lost is found by the same call, made again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// Why a submission makes no job in place of a removed one that is remembered by its fingerprint.
    fn removed(asked: Option<&str>, fingerprint: &str) -> Self {
        if asked == Some(fingerprint) {
            Self::Removed
        } else {
            Self::KeyReused
        }
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::LeaseLost => Self::LeaseLost,
            Refused::KeyReused => Self::KeyReused,
            Refused::Deleted => Self::Removed,
            Refused::NoSuchItem | Refused::NotDead => Self::NotFound,
            other => Self::Conflict(other.to_string()),
        }
    }
}

/// Whether `create_job` made the job or found it.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    New(Job),
    /// A repeat under the same idempotency key, with the same content.
    Existing(Job),
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Reserve {
    pub queue: Queue,
    pub lane: Lane,
    pub worker: WorkerId,
    pub limit: usize,
    pub lease: Duration,
}

/// A reserved task and all that its work needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Reserved {
    pub task: Task,
    pub lease: Lease,
}

/// What became of one lease of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Still held.
    Yes,
    /// Lost: drop the work.
    Lost,
    /// Held, but the job was cancelled: stop and hand in a failure.
    Cancelled,
    /// The part of the store that has it does not answer, while others do.
    Unknown,
}

/// Newest progress of a running item.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub item: ItemId,
    /// 0 to 100.
    pub percent: u8,
    /// The step's name, for people.
    pub step: String,
}

/// News of all jobs, live. A reader that sees a jump in fact numbers reads [`Jobs::facts`].
#[derive(Debug, Clone)]
pub enum News {
    /// Facts `first`, `first + 1`, … of a job.
    Facts {
        job: JobId,
        first: u32,
        facts: Arc<[Fact]>,
    },
    Progress(Progress),
    /// What no fact says: a further file was attached or given up, or the job was removed. Read it anew.
    Beyond {
        job: JobId,
    },
    /// Anything may have been missed: everybody catches up.
    Missed,
}

/// Depth of one queue and lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    pub ready: u64,
    pub delayed: u64,
    pub leased: u64,
    pub dead: u64,
    /// When the oldest ready task was enqueued.
    pub oldest: Option<i64>,
}

/// A page of an owner's jobs, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub jobs: Vec<Job>,
    pub next: Option<Cursor>,
}

/// Where a page ended: the last job's creation and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub created: Timestamp,
    pub id: JobId,
}

impl Cursor {
    /// A page that ends with this job.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let (created, id) = (job.created, job.id);
        Self { created, id }
    }
}

/// Where a page of dead tasks ended: the last one's death and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Died {
    pub at: Timestamp,
    pub task: TaskId,
}

impl Died {
    /// `None` for a task that is not dead.
    #[must_use]
    pub fn of(task: &Task) -> Option<Self> {
        let TaskState::Dead { at, .. } = task.state else {
            return None;
        };
        let task = task.id.clone();
        Some(Self { at, task })
    }
}

/// What one sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    pub promoted: u64,
    pub expired_leases: u64,
    pub poisoned: u64,
}

/// How a store stands, for its operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// What it keeps, and over what.
    pub promise: String,
    /// A sentence for each thing that should be mended.
    pub complaints: Vec<String>,
}

/// Jobs, their tasks, facts and progress.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Writes job and items, enqueues the items and records the first fact; finds the job when its id exists
    /// with the same owner and fingerprint.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] when the id exists with another fingerprint; [`StoreError::Removed`] when it existed
    /// with this one, and was deleted or made less than [`KEY_KEPT`](crate::job::KEY_KEPT) ago;
    /// [`StoreError::Conflict`] when it has no items or too many.
    async fn create_job(&self, new: NewJob) -> Result<Created, StoreError>;

    /// The job that `create_job` would find with this id, owner and fingerprint; `None` where it would make one. For
    /// whoever has much to do before a job can be made.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`], [`StoreError::Removed`], as of `create_job`.
    async fn repeated(
        &self,
        id: JobId,
        owner: &Owner,
        fingerprint: &str,
    ) -> Result<Option<Job>, StoreError>;

    /// Hands out up to `limit` ready tasks in fair order.
    async fn reserve(&self, ask: Reserve) -> Result<Vec<Reserved>, StoreError>;

    /// Begins reserved tasks, durably, before any work. `Held::Cancelled` means: do not begin.
    async fn start(&self, leases: &[Lease]) -> Result<Vec<Held>, StoreError>;

    /// Renews leases for `duration` from now. A lease is lost when `sweep` has taken it back, not before.
    async fn extend(&self, leases: &[Lease], duration: Duration) -> Result<Vec<Held>, StoreError>;

    /// Gives tasks back untouched, to be reserved again at once; counts as neither attempt nor crash.
    async fn hand_back(&self, leases: &[Lease]) -> Result<(), StoreError>;

    /// Records newest progress; never goes back, never changes a job's state, may be lost. Of an item between two
    /// attempts it is not taken; what the last attempt told by its end is the item's `reached`, durably.
    async fn progress(&self, updates: Vec<Progress>) -> Result<(), StoreError>;

    /// Ends a task's work. For `Generate` it ends the item and perhaps the job; for `Convert` it attaches the
    /// files to the ended item and changes neither outcome nor facts, which [`News::Beyond`] tells. Handing the same
    /// files in again, because the answer was lost, is no error.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]: the files are not the item's, remove them. [`StoreError::Conflict`] when the work
    /// was not started.
    async fn complete(&self, lease: &Lease, completion: Completion) -> Result<(), StoreError>;

    /// Ends an attempt: schedules the next, or gives the task up and fails the item. The item of a cancelled job
    /// ends as cancelled instead. That a `Convert` was given up is told as [`News::Beyond`].
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] when the work was not started.
    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<(), StoreError>;

    /// Queues the writing of a completed item's model in a further format, unless it exists or is queued already;
    /// one that was given up is tried anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the item has no model.
    async fn request_format(&self, item: ItemId, format: &str) -> Result<(), StoreError>;

    /// Ends queued items at once and tells running ones through `extend`; an ended job stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn cancel(&self, id: JobId) -> Result<Job, StoreError>;

    /// Marks a job as deleted and cancels it; one that has ended is to be removed at once, one that has not is
    /// [`removable`](Self::removable) before all others when it has. It stays readable until its artifacts are gone.
    /// What no fact says of it is told as [`News::Beyond`]. Deleting again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn delete(&self, id: JobId) -> Result<Job, StoreError>;

    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// Many at once, in the order asked.
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>, StoreError>;

    /// An owner's jobs, newest first.
    async fn list(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// A job's facts after number `after`; `None` for an unknown job.
    async fn facts(&self, id: JobId, after: u32) -> Result<Option<Vec<Fact>>, StoreError>;

    /// Newest progress of the jobs' running items, also between their attempts; in the jobs' order.
    async fn newest_progress(&self, ids: &[JobId]) -> Result<Vec<Progress>, StoreError>;

    /// Live news from now on; a slow reader sees `Lagged` and catches up by [`Jobs::facts`].
    fn watch(&self) -> broadcast::Receiver<News>;

    /// Returns when tasks of the queue may have become ready, or after a second at most.
    async fn wait_for_ready(&self, queue: Queue);

    /// A task as it stands; `None` when there is none or it has done its work.
    async fn task(&self, id: &TaskId) -> Result<Option<Task>, StoreError>;

    /// Tasks ahead of a waiting one, `None` when it does not wait.
    async fn position(&self, task: &TaskId) -> Result<Option<u64>, StoreError>;

    async fn depths(&self) -> Result<BTreeMap<(Queue, Lane), Depth>, StoreError>;

    /// Dead tasks, newest first; those that died together by their names, the last first.
    async fn dead(&self, after: Option<&Died>, limit: usize) -> Result<Vec<Task>, StoreError>;

    /// Takes a dead task off the list, because another does its work now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none or it is not dead.
    async fn bury(&self, id: &TaskId) -> Result<(), StoreError>;

    /// Promotes due retries and takes back expired leases.
    async fn sweep(&self) -> Result<Swept, StoreError>;

    /// Jobs that ended before `ended_before`, oldest end first, that are not being removed yet; one whose removal
    /// was given up is among them. One that was deleted counts by [`Job::kept_since`].
    async fn removable(
        &self,
        ended_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError>;

    /// Queues the removal of an ended job, unless it is queued already; it stays readable until its artifacts are
    /// gone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the job has not ended.
    async fn request_removal(&self, id: JobId) -> Result<(), StoreError>;

    /// Ends a `Remove` task: deletes record, tasks, index and counters in one transition, and tells
    /// [`News::Beyond`].
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    async fn removed(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Of these artifact keys, those that some record names.
    async fn named(&self, keys: &[(JobId, String)]) -> Result<Vec<bool>, StoreError>;

    /// Writes something small, durably: answers when the store can take a write.
    async fn ping(&self) -> Result<(), StoreError>;

    /// What the store promises to keep, and what an operator should know of it.
    async fn condition(&self) -> Result<Condition, StoreError>;

    /// One file's record by its unique name.
    async fn file(&self, name: &str) -> Result<Option<(JobId, FileRecord)>, StoreError>;
}

/// Who is alive and how busy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerReport {
    pub worker: String,
    /// The command that it runs as, `serve` or `worker`.
    pub role: String,
    /// Per queue: running and waiting tasks.
    pub queues: BTreeMap<&'static str, WorkerLoad>,
    pub seen: i64,
}

/// One worker's load in one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLoad {
    pub running: usize,
    pub waiting: usize,
    pub concurrency: usize,
    /// Tasks done since its start.
    pub done: u64,
    /// Tasks after which a worker process is replaced; threads of one that serves stay.
    pub max_tasks_per_child: u64,
}

/// The role whose leader does the periodic sweeps.
pub const SCHEDULER: &str = "scheduler";

/// The workers' register, and who leads a role that several could do.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Announces a worker; forgotten 30 s after its last report.
    async fn report(&self, report: WorkerReport) -> Result<(), StoreError>;

    async fn forget(&self, worker: &WorkerId) -> Result<(), StoreError>;

    async fn workers(&self) -> Result<Vec<WorkerReport>, StoreError>;

    /// Takes the lead of a role where nobody has it, or keeps it, until `for_` from now: true while `holder` leads.
    async fn lead(&self, role: &str, holder: &WorkerId, for_: Duration)
    -> Result<bool, StoreError>;

    /// Gives the lead up; of one who does not lead it is no error.
    async fn resign(&self, role: &str, holder: &WorkerId) -> Result<(), StoreError>;

    /// Who leads a role now.
    async fn leader(&self, role: &str) -> Result<Option<WorkerId>, StoreError>;
}

/// A job with its tasks as it stands, to be put into another store.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub job: Job,
    /// In the order in which they were enqueued.
    pub tasks: Vec<Task>,
}

/// What putting a record came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The job was not there.
    Written,
    /// It was there, just like this.
    Same,
    /// It was there and is not like this; it stays as it is.
    Differs,
}

/// All of a store at rest, for [`copying`] into another one. Nothing here is part of serving.
#[async_trait]
pub trait Records: Send + Sync {
    /// Takes back every lease as one whose time has passed: the caller knows that the holders are dead.
    async fn take_back_leases(&self) -> Result<(), StoreError>;

    /// All jobs, ordered by their first waiting task (by `enqueued`, then by its place), those without one last.
    async fn ids(&self) -> Result<Vec<JobId>, StoreError>;

    /// Many at once, in the order asked.
    async fn records(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError>;

    /// Writes jobs with their tasks exactly as they are, each atomically or so that a repeat goes on where a break was.
    /// Waiting tasks queue up in the order given, each behind its flow's last.
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Put>, StoreError>;
}
