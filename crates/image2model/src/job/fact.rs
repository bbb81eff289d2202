use serde::{Deserialize, Serialize};

use super::{JobStatus, Timestamp};

/// Something that happened to a job, once; its number is its place in the job's list, from 1.
#[derive(Debug, Clone, PartialEq, Hash, Serialize, Deserialize)]
pub struct Fact {
    pub at: Timestamp,
    pub kind: FactKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The job was accepted with all its items.
    Queued,
    /// An attempt at an item began.
    Started {
        item: u8,
    },
    /// An attempt failed or its worker died; another follows at `at`.
    Retrying {
        item: u8,
        at: Timestamp,
        code: String,
        /// The item's [`Item::reached`](super::Item::reached) by then.
        #[serde(default)]
        reached: u8,
    },
    ItemCompleted {
        item: u8,
    },
    ItemFailed {
        item: u8,
        code: String,
    },
    ItemCancelled {
        item: u8,
    },
    /// The last item has ended, and the job with it.
    Ended {
        status: JobStatus,
    },
}
