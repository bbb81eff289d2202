//! The store in one SQLite file in the data directory: WAL, one writer thread with group commit and a savepoint
//! per transition, `synchronous=FULL`; readers on their own connections. Progress and presence live in memory.
//!
//! One serving process per data directory, kept by a file lock. Opening it takes back all leases: the lock
//! proves that their holder is dead. The command line may make transitions beside that process: all that they
//! go by is in the file, and workers find what they add when they look for themselves.
//!
//! A transition is a closure that the writer thread runs: it loads rows (`rows`, `tasks`), lets `job/` decide,
//! and writes them back (`transitions`). Once the whole batch is durable, `live` tells the watchers and the
//! callers get their answers. Reads (`queries`) never wait for the writer; jobs that were written last are told without
//! one (`recent`).

mod copying;
mod jobs;
mod keys;
mod limits;
mod live;
mod open;
mod presence;
mod queries;
mod readers;
mod recent;
mod rows;
mod tasks;
#[cfg(test)]
mod tests;
mod transitions;
mod writer;

use std::{
    fs::File,
    sync::{Arc, Mutex},
};

use self::{keys::KeyFile, live::Live, readers::Readers, writer::Writer};
use crate::{
    access::Tally,
    clock::Clock,
    store::{Store, StoreError},
};

pub use open::{OpenError, beside, is_home, is_served, lies_in, note_moved, open};

/// All parts of an opened store. The fields are dropped in this order: the writer finishes what it was given,
/// then the files are closed, and only then another process may have the directory.
struct Embedded {
    writer: Writer,
    readers: Readers,
    keys: KeyFile,
    rates: Mutex<Tally>,
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    /// None beside the process that has it.
    _lock: Option<File>,
}

impl From<Embedded> for Store {
    fn from(embedded: Embedded) -> Self {
        let embedded = Arc::new(embedded);
        Self {
            jobs: embedded.clone(),
            keys: Arc::new(embedded.keys.clone()),
            limits: embedded.clone(),
            presence: embedded.clone(),
            records: embedded,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{ErrorCode, ffi};
        match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.code == ErrorCode::DiskFull
                    || failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE =>
            {
                Self::Full
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
