//! What is read at most so often, whoever asks and however often: those who ask meanwhile are told what was read.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// How long what the store tells of itself is taken for what it was.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// What was read, and when.
pub(super) struct Fresh<T> {
    age: Duration,
    known: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Fresh<T> {
    /// What is taken for what it was until it is `age` old.
    pub(super) fn new(age: Duration) -> Self {
        Self {
            age,
            known: Mutex::default(),
        }
    }

    /// As it was `age` ago at most; who finds it older reads it, and all others wait for that.
    pub(super) async fn or(&self, read: impl Future<Output = T>) -> T {
        let mut known = self.known.lock().await;
        match &*known {
            Some((at, value)) if at.elapsed() < self.age => value.clone(),
            _ => {
                let value = read.await;
                *known = Some((Instant::now(), value.clone()));
                value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_reads_once_until_it_is_old() {
        let fresh = Fresh::new(Duration::from_secs(1));
        let reads = AtomicU32::new(0);
        let ask = || {
            fresh.or(async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                reads.fetch_add(1, Ordering::Relaxed) + 1
            })
        };
        let crowd = futures::future::join_all((0..50).map(|_| ask())).await;
        assert_eq!(crowd, [1; 50]);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(ask().await, 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ask().await, 2);
    }
}
