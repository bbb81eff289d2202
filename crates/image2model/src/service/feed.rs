//! News of jobs, fanned out in memory: the store is watched once per process, however many streams are open.
//!
//! A subscription holds a job's id and at most [`PENDING`] pieces of news. One that falls behind is closed, and so
//! are all when the store's own news had a gap: its reader subscribes again and catches up from the job's facts.
//! So nothing waits for a slow reader, and no reader can miss a fact.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    job::JobId,
    store::{Jobs, News},
};

/// News that may wait for one reader.
const PENDING: usize = 64;

/// Who listens to which job.
#[derive(Clone, Default)]
pub struct Feed(Arc<Mutex<Listeners>>);

#[derive(Default)]
struct Listeners {
    by_job: HashMap<JobId, Vec<(u64, mpsc::Sender<News>)>>,
    next: u64,
}

/// One reader's news of one job; ends when the reader must catch up.
pub struct Subscription {
    feed: Feed,
    job: JobId,
    number: u64,
    news: mpsc::Receiver<News>,
}

impl Feed {
    /// News of `job` from now on. Subscribe first and read the job's facts then, or a fact may fall between.
    #[must_use]
    pub fn subscribe(&self, job: JobId) -> Subscription {
        let (sender, news) = mpsc::channel(PENDING);
        let mut listeners = self.lock();
        let number = listeners.next;
        listeners.next += 1;
        listeners
            .by_job
            .entry(job)
            .or_default()
            .push((number, sender));
        Subscription {
            feed: self.clone(),
            job,
            number,
            news,
        }
    }

    /// Hands on the store's news until `shutdown`.
    pub(super) async fn run(self, jobs: Arc<dyn Jobs>, shutdown: CancellationToken) {
        let mut news = jobs.watch();
        while let Some(heard) = shutdown.run_until_cancelled(news.recv()).await {
            match heard {
                Ok(news) => self.hand_on(&news),
                Err(broadcast::error::RecvError::Lagged(_)) => self.lock().by_job.clear(),
                Err(broadcast::error::RecvError::Closed) => break,
            }
        }
        self.lock().by_job.clear();
    }

    fn hand_on(&self, news: &News) {
        let job = match news {
            News::Missed => return self.hand_to_all(news),
            News::Facts { job, .. } | News::Beyond { job } => *job,
            News::Progress(progress) => progress.item.job(),
        };
        let mut listeners = self.lock();
        if let Some(readers) = listeners.by_job.get_mut(&job) {
            readers.retain(|(_, reader)| reader.try_send(news.clone()).is_ok());
            if readers.is_empty() {
                listeners.by_job.remove(&job);
            }
        }
    }

    fn hand_to_all(&self, news: &News) {
        self.lock().by_job.retain(|_, readers| {
            readers.retain(|(_, reader)| reader.try_send(news.clone()).is_ok());
            !readers.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next piece of news; `None` when some may have been missed: subscribe again and catch up.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut listeners = self.feed.lock();
        if let Some(readers) = listeners.by_job.get_mut(&self.job) {
            readers.retain(|(number, _)| *number != self.number);
            if readers.is_empty() {
                listeners.by_job.remove(&self.job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Progress;

    fn progress(job: JobId, percent: u8) -> News {
        News::Progress(Progress {
            item: job.item(1),
            percent,
            step: String::new(),
        })
    }

    #[tokio::test]
    async fn a_reader_hears_of_its_own_job_only() {
        let feed = Feed::default();
        let (mine, other) = (JobId::random(), JobId::random());
        let mut reader = feed.subscribe(mine);
        feed.hand_on(&progress(other, 1));
        feed.hand_on(&progress(mine, 2));
        let Some(News::Progress(heard)) = reader.next().await else {
            panic!("no news");
        };
        assert_eq!(heard.percent, 2);
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_closed_after_its_pending_news() {
        let feed = Feed::default();
        let job = JobId::random();
        let mut reader = feed.subscribe(job);
        for percent in 0..=PENDING {
            feed.hand_on(&progress(job, percent as u8));
        }
        for _ in 0..PENDING {
            assert!(reader.next().await.is_some());
        }
        assert!(reader.next().await.is_none());
    }

    #[test]
    fn readers_that_left_are_forgotten() {
        let feed = Feed::default();
        let job = JobId::random();
        let (first, second) = (feed.subscribe(job), feed.subscribe(job));
        drop(first);
        assert_eq!(feed.lock().by_job[&job].len(), 1);
        drop(second);
        assert!(feed.lock().by_job.is_empty());
    }
}
