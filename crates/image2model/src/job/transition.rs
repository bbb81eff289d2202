//! Every legal move of a job and its tasks.
//!
//! | move | task before → after | item before → after | facts |
//! | --- | --- | --- | --- |
//! | `create` | – → ready | – → queued | queued |
//! | `reserve` | ready → leased | | |
//! | `start` | leased → leased, started | queued, retrying → processing | started |
//! | `extend` | leased → leased | | |
//! | `hand_back` | leased → ready | processing → retrying | retrying, if it had started |
//! | `complete` | leased → gone | processing → completed | item completed, job ended |
//! | `fail`, attempts left | leased → delayed | processing → retrying | retrying |
//! | `fail`, none left | leased → dead | processing → failed | item failed, job ended |
//! | `promote` | delayed → ready | | |
//! | `expire`, not started | leased → ready | | |
//! | `expire`, started | leased → ready, or dead when poison | processing → retrying, failed | retrying, or item failed, job ended |
//! | `cancel` | ready, delayed → gone | queued, retrying → cancelled | item cancelled, job ended |
//!
//! A move that is not in the table is [`Refused`] and changes nothing.

use super::{FileRecord, Flow, JobId, Notice, Owner, Priority};

/// What a client asks to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub id: JobId,
    pub owner: Owner,
    pub flow: Flow,
    pub priority: Priority,
    pub options: Vec<(String, String)>,
    pub formats: Vec<String>,
    pub fingerprint: Option<String>,
    /// In order; the first becomes item 1. 1 to [`super::MAX_ITEMS`].
    pub items: Vec<NewItem>,
}

/// One uploaded image, already stored under its artifact key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    pub filename: String,
    pub media_type: String,
    pub size: u64,
    pub upload: String,
}

/// What a successful attempt made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Completion {
    pub files: Vec<FileRecord>,
    pub warnings: Vec<Notice>,
}

/// Why an attempt failed, and whether another can help.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub error: Notice,
    pub retry: Retry,
}

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same input will fail again.
    Never,
    /// With the policy's backoff.
    Backoff,
    /// Not before this long.
    After(std::time::Duration),
}

/// A move that the table does not allow; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the lease was lost")]
    LeaseLost,
    #[error("the task is not in a state for this")]
    WrongState,
    #[error("the job has ended")]
    Ended,
    #[error("the job has no such item")]
    NoSuchItem,
}
