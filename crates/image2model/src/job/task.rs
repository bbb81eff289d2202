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

impl Work {
    /// The item whose model it makes; the other works move no item.
    #[must_use]
    pub fn generated(&self) -> Option<u8> {
        match self {
            Self::Generate { item } => Some(*item),
            Self::Convert { .. } | Self::Remove => None,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generate { item } => write!(f, "generate/{item}"),
            Self::Convert { item, format } => write!(f, "convert/{item}/{format}"),
            Self::Remove => f.write_str("remove"),
        }
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '/');
        let verb = parts.next();
        let item = parts.next().map(str::parse::<u8>);
        match (verb, item, parts.next()) {
            (Some("generate"), Some(Ok(item)), None) => Ok(Self::Generate { item }),
            (Some("convert"), Some(Ok(item)), Some(format)) => Ok(Self::Convert {
                item,
                format: format.to_owned(),
            }),
            (Some("remove"), None, None) => Ok(Self::Remove),
            _ => Err(format!("{text:?} names no work")),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.job, self.work)
    }
}

impl FromStr for TaskId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (job, work) = text
            .split_once('/')
            .ok_or_else(|| format!("{text:?} names no task"))?;
        Ok(Self {
            job: job.parse().map_err(|error| format!("{text:?}: {error}"))?,
            work: work.parse()?,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tasks_name_leads_back_to_it() {
        let job = JobId::random();
        let format = "obj.zip".to_owned();
        for work in [
            Work::Generate { item: 25 },
            Work::Convert { item: 3, format },
            Work::Remove,
        ] {
            let id = TaskId { job, work };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_task_is_refused() {
        let job = JobId::random();
        for rest in [
            "",
            "/",
            "/generate",
            "/generate/300",
            "/generate/1/glb",
            "/convert/1",
            "/remove/1",
            "/x",
        ] {
            let text = format!("{job}{rest}");
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
        assert!("nobody/remove".parse::<TaskId>().is_err());
    }
}
