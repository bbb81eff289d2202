//! What is told at once and kept only in memory: news, wake-ups, and the newest progress.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast},
    time::timeout,
};

use super::{recent::Recent, writer::Effects};
use crate::{
    job::{Fact, FactKind, ItemId, JobId, Queue, Timestamp, WorkerId},
    store::{News, Progress, WorkerReport},
};

/// News that a slow reader may fall behind by before it must catch up by itself.
const BEHIND: usize = 4096;
/// Workers look for themselves at least so often.
const LOOK: Duration = Duration::from_secs(1);

/// Items that have begun and not ended.
type Running = HashMap<JobId, BTreeMap<u8, Kept>>;

/// What is kept of a running item.
#[derive(Default)]
struct Kept {
    newest: Option<Progress>,
    /// Between two attempts.
    halted: bool,
}

pub(super) struct Live {
    news: broadcast::Sender<News>,
    ready: BTreeMap<Queue, Notify>,
    running: Mutex<Running>,
    pub(super) recent: Recent,
    pub(super) workers: Mutex<HashMap<String, WorkerReport>>,
    /// By role: who leads, and until when.
    pub(super) leaders: Mutex<HashMap<String, (WorkerId, Timestamp)>>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            news: broadcast::Sender::new(BEHIND),
            ready: Queue::ALL.map(|queue| (queue, Notify::new())).into(),
            running: Mutex::default(),
            recent: Recent::default(),
            workers: Mutex::default(),
            leaders: Mutex::default(),
        }
    }
}

impl Live {
    pub(super) fn watch(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Tells of what has become durable, in its order.
    pub(super) fn publish(&self, batch: &[Effects]) {
        let changes = batch.iter().flat_map(|effects| &effects.jobs);
        self.recent.open(changes);
        for effects in batch {
            for (job, first, facts) in &effects.facts {
                self.follow(*job, facts);
                self.tell(News::Facts {
                    job: *job,
                    first: *first,
                    facts: facts.as_slice().into(),
                });
            }
            for job in &effects.beyond {
                self.tell(News::Beyond { job: *job });
            }
        }
        for (queue, ready) in &self.ready {
            if batch.iter().any(|effects| effects.ready.contains(queue)) {
                ready.notify_waiters();
                // Kept for the next who waits, so that what became ready between a look and a wait wakes too.
                ready.notify_one();
            }
        }
    }

    pub(super) async fn wait_for_ready(&self, queue: Queue) {
        if let Some(ready) = self.ready.get(&queue) {
            // Timing out is as good: the caller looks for itself.
            drop(timeout(LOOK, ready.notified()).await);
        }
    }

    /// Keeps what is news of a running item and tells it.
    pub(super) fn progress(&self, updates: Vec<Progress>) {
        let mut running = locked(&self.running);
        for update in updates {
            let kept = running
                .get_mut(&update.item.job())
                .and_then(|items| items.get_mut(&update.item.number()));
            let Some(kept) = kept.filter(|kept| !kept.halted) else {
                continue;
            };
            let news = kept.newest.as_ref().is_none_or(|known| {
                known.percent < update.percent
                    || (known.percent == update.percent && known.step != update.step)
            });
            if news {
                kept.newest = Some(update.clone());
                self.tell(News::Progress(update));
            }
        }
    }

    pub(super) fn newest_progress(&self, jobs: &[JobId]) -> Vec<Progress> {
        let running = locked(&self.running);
        jobs.iter()
            .filter_map(|job| running.get(job))
            .flat_map(BTreeMap::values)
            .filter_map(|kept| kept.newest.clone())
            .collect()
    }

    /// Takes no more progress of an item until its next attempt starts: its percent up to here. So nobody hears more
    /// of an attempt than the transition that ends it writes down.
    pub(super) fn halt(&self, item: ItemId) -> u8 {
        let mut running = locked(&self.running);
        let kept = running
            .get_mut(&item.job())
            .and_then(|items| items.get_mut(&item.number()));
        kept.map_or(0, |kept| {
            kept.halted = true;
            kept.newest.as_ref().map_or(0, |newest| newest.percent)
        })
    }

    /// Knows from the facts which items run. Between two attempts an item keeps its progress, so that it never
    /// goes back.
    fn follow(&self, job: JobId, facts: &[Fact]) {
        let mut running = locked(&self.running);
        for fact in facts {
            match fact.kind {
                FactKind::Started { item } => {
                    let items = running.entry(job).or_default();
                    items.entry(item).or_default().halted = false;
                }
                FactKind::ItemCompleted { item }
                | FactKind::ItemFailed { item, .. }
                | FactKind::ItemCancelled { item } => {
                    if let Some(items) = running.get_mut(&job) {
                        items.remove(&item);
                    }
                }
                FactKind::Ended { .. } => {
                    running.remove(&job);
                }
                FactKind::Queued | FactKind::Retrying { .. } => {}
            }
        }
    }

    fn tell(&self, news: News) {
        // Nobody watching is no error.
        drop(self.news.send(news));
    }
}

/// What is behind these locks stays sound whatever panicked beside it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
