//! Time as a part that tests can hold still.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::job::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_millis());
        Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
