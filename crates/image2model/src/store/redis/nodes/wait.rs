//! The time that a call has.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{RedisError, RedisResult};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::homes::Homes;

/// Waits between two tries: from the first on doubled up to the longest, each cut at random.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// The time that a call has, and its pauses between two tries.
pub(super) struct Wait {
    deadline: Instant,
    next: Duration,
}

impl Wait {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            next: FIRST_WAIT,
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// What comes too late is an error as if it had not come.
    pub(super) async fn within<T>(
        &self,
        sent: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        match timeout(self.left(), sent).await {
            Ok(sent) => sent,
            Err(_) => Err(late()),
        }
    }

    /// What is not done in time is left undone.
    pub(super) async fn at_most(&self, work: impl Future<Output = ()>) {
        let _ = timeout(self.left(), work).await;
    }

    /// Ends early when shards have moved.
    pub(super) async fn pause(&mut self, moves: &mut watch::Receiver<Arc<Homes>>) {
        moves.mark_unchanged();
        self.rest(async { drop(moves.changed().await) }).await;
    }

    /// Ends early with `early`.
    pub(super) async fn rest(&mut self, early: impl Future<Output = ()>) {
        let pause = self
            .next
            .mul_f64(0.5 + fastrand::f64() / 2.0)
            .min(self.left());
        self.next = (2 * self.next).min(LONGEST_WAIT);
        tokio::select! {
            () = sleep(pause) => {}
            () = early => {}
        }
    }
}

/// No answer came in time.
pub(super) fn late() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}
