use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Flow, JobId, Timestamp};

/// The four partitions of work, each with its own pool of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    BatchProcessing,
    ModelGeneration,
    Maintenance,
    Priority,
}

impl Queue {
    pub const ALL: [Self; 4] = [
        Self::BatchProcessing,
        Self::ModelGeneration,
        Self::Maintenance,
        Self::Priority,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BatchProcessing => "batch_processing",
            Self::ModelGeneration => "model_generation",
            Self::Maintenance => "maintenance",
            Self::Priority => "priority",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Tasks kept apart by what they need: `local`, or the provider they are routed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane(pub String);

impl Lane {
    #[must_use]
    pub fn local() -> Self {
        Self("local".to_owned())
    }
}

/// A worker process's name, unique per start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub String);

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Makes the item's model: `model_generation` or `priority`.
    Generate { item: u8 },
    /// Writes an item's stored model in a further format: `batch_processing`.
    Convert { item: u8, format: String },
    /// Deletes an ended job's artifacts, then its record: `maintenance`.
    Remove,
}

/// A task's name: its job and its work; at most one of each exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    pub job: JobId,
    pub work: Work,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Generate { item } => write!(f, "{}/generate/{item}", self.job),
            Work::Convert { item, format } => write!(f, "{}/convert/{item}/{format}", self.job),
            Work::Remove => write!(f, "{}/remove", self.job),
        }
    }
}

impl FromStr for TaskId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} names no task");
        let mut parts = text.splitn(4, '/');
        let job = parts
            .next()
            .and_then(|id| id.parse().ok())
            .ok_or_else(wrong)?;
        let (verb, item, rest) = (
            parts.next(),
            parts.next().map(str::parse::<u8>),
            parts.next(),
        );
        let work = match (verb, item, rest) {
            (Some("generate"), Some(Ok(item)), None) => Work::Generate { item },
            (Some("convert"), Some(Ok(item)), Some(format)) => Work::Convert {
                item,
                format: format.to_owned(),
            },
            (Some("remove"), None, None) => Work::Remove,
            _ => return Err(wrong()),
        };
        Ok(Self { job, work })
    }
}

/// A unit of queued work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub queue: Queue,
    pub lane: Lane,
    pub flow: Flow,
    pub enqueued: Timestamp,
    pub state: TaskState,
    pub attempts: u32,
    pub crashes: u32,
}

/// Where a task stands; one that has done its work is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskState {
    Ready,
    /// Waits for its next attempt.
    Delayed {
        until: Timestamp,
    },
    Leased(LeaseState),
    /// Given up; kept with its error until requeued or removed with its job.
    Dead {
        at: Timestamp,
        code: String,
        message: String,
    },
}

/// The right of one worker to one task until a deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaseState {
    pub worker: WorkerId,
    /// Unique per reservation: a later holder has another, which fences the earlier one off.
    pub token: String,
    pub until: Timestamp,
    /// Work has begun; losing the lease now counts as a crash.
    pub started: bool,
}

/// What a holder shows to prove its lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    pub task: TaskId,
    pub token: String,
}
