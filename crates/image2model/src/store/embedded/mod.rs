//! The store in one SQLite file in the data directory: WAL, one writer thread with group commit and a savepoint
//! per transition, `synchronous=FULL`; readers on their own connections. Progress and presence live in memory.
//!
//! One serving process per data directory, kept by a file lock. Opening it takes back all leases: the lock
//! proves that their holder is dead.

use std::{path::Path, sync::Arc};

use crate::{clock::Clock, job::RetryPolicy, store::Store};

/// Why the store cannot be opened; one sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// Opens (or makes) the store under `data_dir` and locks it until the last clone is dropped.
///
/// # Errors
/// The directory is not writable, in use by another process, or of a newer version.
pub fn open(
    data_dir: &Path,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
) -> Result<Store, OpenError> {
    let _ = (data_dir, clock, retry);
    todo!()
}
