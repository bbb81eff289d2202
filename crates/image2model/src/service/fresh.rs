//! What is read at most so often, whoever asks and however often: those who ask meanwhile are told what was read.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};
use tokio_util::task::TaskTracker;

/// How long what the store tells of itself is taken for what it was.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// What was read, and when.
#[derive(Clone)]
pub(super) struct Fresh<T> {
    age: Duration,
    known: Arc<Mutex<Option<(Instant, T)>>>,
}

impl<T: Clone + Send + 'static> Fresh<T> {
    /// What is taken for what it was until it is `age` old.
    pub(super) fn new(age: Duration) -> Self {
        Self {
            age,
            known: Arc::default(),
        }
    }

    /// As it was `age` ago at most; who finds it older has it read, and all others wait for that. It is read to its end
    /// by a task of its own, since a client that leaves at once would have it read again by the next.
    pub(super) async fn or(
        &self,
        tasks: &TaskTracker,
        read: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut known = self.known.clone().lock_owned().await;
        if let Some((at, value)) = &*known
            && at.elapsed() < self.age
        {
            return value.clone();
        }
        let reading = tasks.spawn(async move {
            let value = read.await;
            *known = Some((Instant::now(), value.clone()));
            value
        });
        match reading.await {
            Ok(value) => value,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The process ends, and whoever asked with it.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_reads_once_until_it_is_old() {
        let (fresh, tasks) = (Fresh::new(Duration::from_secs(1)), TaskTracker::new());
        let reads = Arc::<AtomicU32>::default();
        let ask = || {
            let reads = reads.clone();
            fresh.or(&tasks, async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                reads.fetch_add(1, Ordering::Relaxed) + 1
            })
        };
        // The first leaves before it is told.
        let _ = timeout(Duration::from_millis(50), ask()).await;
        let crowd = futures::future::join_all((0..50).map(|_| ask())).await;
        assert_eq!(crowd, [1; 50]);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(ask().await, 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ask().await, 2);
    }
}
