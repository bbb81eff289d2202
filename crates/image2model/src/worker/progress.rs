//! Newest progress of running items, told to the store in batches.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    job::ItemId,
    provider::OnProgress,
    store::{Jobs, Progress},
};

/// Reports within this time go to the store together, and of one item only the newest.
const GATHER: Duration = Duration::from_millis(100);

/// Gathers the progress of all attempts of this worker.
#[derive(Clone)]
pub(super) struct ProgressSink {
    jobs: Arc<dyn Jobs>,
    gathered: Arc<Mutex<HashMap<ItemId, Progress>>>,
    news: Arc<Notify>,
}

impl ProgressSink {
    pub(super) fn new(jobs: Arc<dyn Jobs>) -> Self {
        Self {
            jobs,
            gathered: Arc::default(),
            news: Arc::default(),
        }
    }

    /// What an attempt at `item` reports to.
    pub(super) fn of(&self, item: ItemId) -> OnProgress {
        let sink = self.clone();
        Arc::new(move |percent, step| {
            let step = step.to_owned();
            let newest = Progress {
                item,
                percent,
                step,
            };
            sink.lock().insert(item, newest);
            sink.news.notify_one();
        })
    }

    /// Hands on until `ended`. Progress may be lost, so a store that does not take it is no reason to try again.
    pub(super) async fn run(self, ended: CancellationToken) {
        while ended
            .run_until_cancelled(self.news.notified())
            .await
            .is_some()
        {
            tokio::time::sleep(GATHER).await;
            let newest: Vec<_> = mem::take(&mut *self.lock()).into_values().collect();
            if let Err(error) = self.jobs.progress(newest).await {
                tracing::debug!(%error, "progress was not taken");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ItemId, Progress>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
