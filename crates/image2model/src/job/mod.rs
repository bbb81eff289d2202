//! The rule of the whole service: what a job is and how it may change.
//!
//! Pure: no clock (time comes in as `now`), no I/O, no serialisation format, no HTTP. Every store calls or
//! imitates these functions, and the model-based test holds each store against them.
//!
//! A client submits a [`Job`] of one to 25 [`Item`]s. Each item is one [`Task`] of work; further tasks do what
//! is asked for beyond the items. [`transition`] holds the legal moves; each records its [`Fact`]s.

mod about;
mod fact;
pub mod fair;
mod id;
mod retry;
mod task;
pub mod transition;

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use about::{About, AboutError, MAX_LABEL, MAX_LABELS, MAX_REFERENCE};
pub use fact::{Fact, FactKind};
pub use id::{ItemId, JobId, MAX_ITEMS};
pub use retry::RetryPolicy;
pub use task::{Lane, Lease, LeaseState, Queue, Task, TaskId, TaskState, Work, WorkerId};

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time plus a duration.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This time less a duration.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Milliseconds from `earlier` to this time; negative when it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// As RFC 3339 in UTC; a time that no calendar has as its milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

/// Whose a job is, for access, lists and idempotency: a key's id, or `open` without keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner(pub String);

impl Owner {
    /// The one owner of a service without keys.
    #[must_use]
    pub fn open() -> Self {
        Self("open".to_owned())
    }
}

/// What fair queueing goes by: the owner, or the client's address where there is no key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flow(pub String);

/// Whether a job's items wait in `model_generation` or in `priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    #[default]
    Normal,
    High,
}

/// Where a job stands; derived from its items, except that an accepted cancel wins at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Queued,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

/// Where one image of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    Queued,
    Processing,
    /// Failed for now; waits for its next attempt.
    Retrying,
    Completed,
    Failed,
    Cancelled,
}

impl ItemStatus {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a client submits: one to 25 images with one set of options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub owner: Owner,
    pub flow: Flow,
    pub priority: Priority,
    pub created: Timestamp,
    /// Set by the last item's end, together with `status`; never changed afterwards.
    pub ended: Option<Timestamp>,
    /// Cancel was accepted before the end.
    pub cancel_requested: bool,
    /// The options as `name, value` texts; opaque here.
    pub options: Vec<(String, String)>,
    /// Further formats that each item is written in besides GLB.
    pub formats: Vec<String>,
    /// SHA-256 (hex) of what was submitted, to tell a repeat from another request under the same key.
    pub fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "About::is_empty")]
    pub about: About,
    /// Its owner wants it gone: hidden from him, and removed once it has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    pub items: Vec<Item>,
    pub facts: Vec<Fact>,
}

/// One image of a job and its outcome; fixed when the job is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// 1 to 25.
    pub number: u8,
    pub filename: String,
    pub media_type: String,
    pub size: u64,
    /// Artifact key of the upload.
    pub upload: String,
    pub status: ItemStatus,
    /// Errors that counted as an attempt.
    pub attempts: u32,
    /// Lost leases of a started attempt.
    pub crashes: u32,
    /// Percent that attempts without a result had come to; what follows is never shown below it.
    #[serde(default)]
    pub reached: u8,
    pub warnings: Vec<Notice>,
    pub error: Option<Notice>,
    pub files: Vec<FileRecord>,
}

/// A machine-readable code and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub code: String,
    pub message: String,
}

/// A produced file that readers may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Unique over the service; starts with the job's id.
    pub name: String,
    /// `glb`, `obj`, `obj.zip`, `stl`, `ply` or `preview`.
    pub format: String,
    pub media_type: String,
    pub size: u64,
    /// Artifact key.
    pub key: String,
    pub created: Timestamp,
}

/// What one owner's jobs come to, or one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holding {
    /// Items that have not ended.
    pub images: u64,
    /// Sizes of uploads and produced files.
    pub bytes: u64,
}

/// How long from a job's creation its idempotency key makes no second job, also once the job is removed.
pub const KEY_KEPT: Duration = Duration::from_secs(86_400);

impl Job {
    /// What it adds to its owner's.
    #[must_use]
    pub fn holding(&self) -> Holding {
        let unended = self.items.iter().filter(|item| !item.status.is_final());
        let sizes = self.items.iter().flat_map(|item| {
            std::iter::once(item.size).chain(item.files.iter().map(|file| file.size))
        });
        Holding {
            images: unended.count() as u64,
            bytes: sizes.fold(0, u64::saturating_add),
        }
    }

    /// Whether there is somebody whose holding it counts in: without keys everybody is one owner.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.owner != Owner::open()
    }

    /// The fingerprint by which a repeat of this job is known when it is removed now, and until when: `None` where no
    /// repeat is to find it, or no more.
    #[must_use]
    pub fn remembered(&self, now: Timestamp) -> Option<(&str, Timestamp)> {
        let until = self.created.after(KEY_KEPT);
        let fingerprint = self.fingerprint.as_deref()?;
        (now < until).then_some((fingerprint, until))
    }

    /// Queued until the first item starts, then processing until the last has ended.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        if self.ended.is_some() {
            if self.cancel_requested {
                JobStatus::Cancelled
            } else if self
                .items
                .iter()
                .any(|item| item.status == ItemStatus::Completed)
            {
                JobStatus::Completed
            } else {
                JobStatus::Failed
            }
        } else if self
            .items
            .iter()
            .all(|item| item.status == ItemStatus::Queued)
        {
            JobStatus::Queued
        } else {
            JobStatus::Processing
        }
    }

    /// When it ended, as its removal goes by: a deleted one has had its time, and comes before all others.
    #[must_use]
    pub fn kept_since(&self) -> Option<Timestamp> {
        self.ended
            .map(|ended| if self.deleted { Timestamp(0) } else { ended })
    }

    /// The item with that number.
    #[must_use]
    pub fn item(&self, number: u8) -> Option<&Item> {
        self.items.iter().find(|item| item.number == number)
    }

    /// Number of the newest fact; facts are numbered from 1 without gaps.
    #[must_use]
    pub fn last_fact(&self) -> u32 {
        u32::try_from(self.facts.len()).unwrap_or(u32::MAX)
    }

    /// Every artifact key that this job's record names, uploads included.
    pub fn artifact_keys(&self) -> impl Iterator<Item = &str> {
        self.items.iter().flat_map(|item| {
            std::iter::once(item.upload.as_str())
                .chain(item.files.iter().map(|file| file.key.as_str()))
        })
    }
}
