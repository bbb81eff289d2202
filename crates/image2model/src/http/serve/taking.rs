//! Whether the client of a stream of HTTP/2 takes what is sent to it. One that keeps the stream's window shut and its
//! connection alive is seen by nobody else: bytes come and go all the while.
//!
//! A stream's task is run by [`unless_untaken`], which its [answer](super::answer) tells when something is handed out
//! and when more is asked for, as it is once there is room in the window.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

tokio::task_local! {
    static TAKING: Arc<Taking>;
}

/// What one client does with one answer.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// Since when something handed out waits to be taken.
    waits_since: Mutex<Option<Instant>>,
}

/// Runs a stream's task until its end, or until what was handed out of its answer has waited for so long; then the
/// stream is reset.
pub(super) async fn unless_untaken(answering: impl Future<Output = ()>, limit: Duration) {
    let taking = Arc::<Taking>::default();
    let watched = taking.clone();
    tokio::select! {
        () = TAKING.scope(taking, answering) => {}
        () = watched.is_untaken(limit) => {}
    }
}

impl Taking {
    /// Of the stream whose task this is; `None` in another one.
    pub(super) fn of_this_stream() -> Option<Arc<Self>> {
        TAKING.try_with(Arc::clone).ok()
    }

    pub(super) fn handed_out(&self) {
        self.set(Some(Instant::now()));
    }

    pub(super) fn asked_for_more(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.waits_since() = since;
    }

    fn waits_since(&self) -> MutexGuard<'_, Option<Instant>> {
        let place = self.waits_since.lock();
        place.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when what was handed out has waited for so long.
    async fn is_untaken(&self, limit: Duration) {
        loop {
            let since = *self.waits_since();
            let until = since.unwrap_or_else(Instant::now) + limit;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_stream_lasts_while_its_client_takes_something_and_its_limit_longer() {
        let began = Instant::now();
        let answering = async {
            // What takes its time to be answered waits for no client.
            tokio::time::sleep(20 * SECOND).await;
            let taking = Taking::of_this_stream().unwrap();
            for _ in 0..3 {
                taking.handed_out();
                tokio::time::sleep(4 * SECOND).await;
                taking.asked_for_more();
                tokio::time::sleep(7 * SECOND).await;
            }
            taking.handed_out();
            std::future::pending::<()>().await;
        };
        unless_untaken(answering, 5 * SECOND).await;
        assert_eq!(began.elapsed(), (20 + 33 + 5) * SECOND);
    }

    #[tokio::test]
    async fn what_ends_is_waited_for_no_longer() {
        unless_untaken(async {}, 3600 * SECOND).await;
        assert!(Taking::of_this_stream().is_none());
    }
}
