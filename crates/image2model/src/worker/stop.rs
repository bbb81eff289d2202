use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio_util::sync::CancellationToken;

/// Why running work shall stop; a later reason outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// The job was cancelled: hand in a failure.
    Cancelled,
    /// The worker goes away: give the task back.
    Draining,
    /// The lease was lost: the result is nobody's.
    Lost,
}

/// Tells one attempt to stop.
#[derive(Debug, Default)]
pub(super) struct Stop {
    token: CancellationToken,
    why: Mutex<Option<Why>>,
    only_waits: AtomicBool,
}

impl Stop {
    pub(super) fn now(&self, why: Why) {
        let mut slot = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = slot.max(Some(why));
        self.token.cancel();
    }

    pub(super) fn why(&self) -> Option<Why> {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.why() == Some(Why::Lost)
    }

    /// Notes that the work is done, and only waits for the store to take what came of it.
    pub(super) fn note_wait(&self) {
        self.only_waits.store(true, Ordering::Relaxed);
    }

    /// Whether the work is done, and only waits for the store to take what came of it.
    pub(super) fn only_waits(&self) -> bool {
        self.only_waits.load(Ordering::Relaxed)
    }

    /// Cancelled as soon as there is any reason.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }
}
