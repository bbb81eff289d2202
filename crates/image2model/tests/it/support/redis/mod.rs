//! Real Redis servers for the tests of the store and of the whole service: one alone, primaries under Sentinels, a
//! cluster. They end with the test, however it ends, and keep their files in temporary folders. Included by path into
//! the store's own tests, so nothing here knows other parts of this folder's parent.

mod certificates;
mod cluster;
mod process;
mod sentinel;
mod single;

use std::time::{Duration, Instant};

pub(crate) use certificates::Certificates;
pub(crate) use cluster::{ClusterFleet, ClusterShape};
pub(crate) use process::{Frozen, free_port};
pub(crate) use sentinel::{SentinelFleet, SentinelShape};
pub(crate) use single::RealServer;

/// Polls until there is a value, and fails naming `what` after a time in which anything of this kind has happened.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
