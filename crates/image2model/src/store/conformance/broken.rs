//! Stores that are wrong on purpose: the suite and the walk must notice each. And one of which a part does not answer,
//! which workers must live with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{Fixture, leasing, walk::walk};
use crate::{
    job::{
        Fact, FileRecord, ItemId, Job, JobId, Lane, Lease, Owner, Queue, Task, TaskId, TaskState,
        Timestamp,
        transition::{Completion, Failure, NewJob, Retry},
    },
    store::{
        Condition, Created, Cursor, Depth, Died, Held, Jobs, News, Page, Progress, Reserve,
        Reserved, Store, StoreError, Swept,
    },
};

/// The jobs of which a store does not answer for now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Away(Arc<Mutex<BTreeSet<JobId>>>);

impl Away {
    /// From now on calls about the job are not answered; what they ask for is done all the same where it begins work.
    pub(crate) fn goes(&self, id: JobId) {
        self.0.lock().unwrap().insert(id);
    }

    pub(crate) fn comes_back(&self, id: JobId) {
        self.0.lock().unwrap().remove(&id);
    }

    fn has(&self, id: JobId) -> bool {
        self.0.lock().unwrap().contains(&id)
    }

    fn unless_away(&self, id: JobId) -> Result<(), StoreError> {
        match self.has(id) {
            true => Err(StoreError::Unavailable("this part is away".to_owned())),
            false => Ok(()),
        }
    }

    fn unknown_where_away(&self, leases: &[Lease], held: Vec<Held>) -> Vec<Held> {
        let told = leases.iter().zip(held);
        let told = told.map(|(lease, held)| match self.has(lease.task.job) {
            true => Held::Unknown,
            false => held,
        });
        told.collect()
    }
}

/// The same store, of whose jobs some are away.
pub(crate) fn with_parts_away(store: &Store) -> (Store, Away) {
    let away = Away::default();
    let jobs = Arc::new(Broken {
        inner: store.jobs.clone(),
        fault: Fault::None,
        away: away.clone(),
    });
    let store = Store {
        jobs,
        ..store.clone()
    };
    (store, away)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// `complete` takes whatever a late holder hands in.
    LateHoldersWin,
    /// `sweep` takes nothing back.
    LeasesLast,
    /// `extend` does not tell of a cancel.
    CancelIsNotTold,
    /// `hand_back` counts as an error.
    HandingBackCounts,
}

pub(crate) async fn the_suite_catches_late_holders(it: Fixture) {
    let fencing = leasing::a_late_holder_is_fenced_off(broken(it, Fault::LateHoldersWin));
    let end = tokio::spawn(fencing).await;
    assert!(end.is_err_and(|end| end.is_panic()), "it did not notice");
}

pub(crate) async fn the_walk_catches_late_holders(it: Fixture) {
    assert_caught(it, Fault::LateHoldersWin).await;
}

pub(crate) async fn the_walk_catches_everlasting_leases(it: Fixture) {
    assert_caught(it, Fault::LeasesLast).await;
}

pub(crate) async fn the_walk_catches_an_untold_cancel(it: Fixture) {
    assert_caught(it, Fault::CancelIsNotTold).await;
}

pub(crate) async fn the_walk_catches_a_counted_hand_back(it: Fixture) {
    assert_caught(it, Fault::HandingBackCounts).await;
}

async fn assert_caught(it: Fixture, fault: Fault) {
    // It ends where it is caught, most often after some hundred steps.
    let walked = walk(broken(it, fault), 1, 20_000).await;
    assert!(walked.is_err(), "the walk did not notice {fault:?}");
}

/// The same store behind a fault.
fn broken(it: Fixture, fault: Fault) -> Fixture {
    let store = it.store().clone();
    let jobs = Arc::new(Broken {
        inner: store.jobs.clone(),
        fault,
        away: Away::default(),
    });
    Fixture {
        open: Some(Store { jobs, ..store }),
        reopen: None,
        ..it
    }
}

struct Broken {
    inner: Arc<dyn Jobs>,
    fault: Fault,
    away: Away,
}

impl Broken {
    /// The lease that the task's holder of now has.
    async fn current(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let task = self.inner.task(&lease.task).await?;
        Ok(match task.map(|task| task.state) {
            Some(TaskState::Leased(held)) => Lease {
                token: held.token,
                ..lease.clone()
            },
            _ => lease.clone(),
        })
    }
}

macro_rules! broken_jobs {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl Jobs for Broken {
            $(async fn $name(&self $(, $arg: $kind)*) -> $answer {
                self.inner.$name($($arg),*).await
            })+

            fn watch(&self) -> broadcast::Receiver<News> {
                self.inner.watch()
            }

            async fn complete(&self, lease: &Lease, made: Completion) -> Result<(), StoreError> {
                self.away.unless_away(lease.task.job)?;
                match self.fault {
                    Fault::LateHoldersWin => {
                        let current = self.current(lease).await?;
                        self.inner.complete(&current, made).await
                    }
                    _ => self.inner.complete(lease, made).await,
                }
            }

            async fn sweep(&self) -> Result<Swept, StoreError> {
                match self.fault {
                    Fault::LeasesLast => Ok(Swept::default()),
                    _ => self.inner.sweep().await,
                }
            }

            async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Held>, StoreError> {
                let mut held = self.inner.extend(leases, by).await?;
                if self.fault == Fault::CancelIsNotTold {
                    let cancelled = held.iter_mut().filter(|held| **held == Held::Cancelled);
                    cancelled.for_each(|held| *held = Held::Yes);
                }
                Ok(self.away.unknown_where_away(leases, held))
            }

            async fn start(&self, leases: &[Lease]) -> Result<Vec<Held>, StoreError> {
                let held = self.inner.start(leases).await?;
                Ok(self.away.unknown_where_away(leases, held))
            }

            async fn request_removal(&self, id: JobId) -> Result<(), StoreError> {
                self.away.unless_away(id)?;
                self.inner.request_removal(id).await
            }

            async fn hand_back(&self, leases: &[Lease]) -> Result<(), StoreError> {
                for lease in leases {
                    self.away.unless_away(lease.task.job)?;
                }
                if self.fault == Fault::HandingBackCounts {
                    for lease in leases {
                        drop(self.inner.fail(lease, super::failure(Retry::Backoff)).await);
                    }
                }
                self.inner.hand_back(leases).await
            }
        }
    };
}

broken_jobs! {
    create_job(new: NewJob) -> Result<Created, StoreError>;
    repeated(id: JobId, owner: &Owner, fingerprint: &str) -> Result<Option<Job>, StoreError>;
    reserve(ask: Reserve) -> Result<Vec<Reserved>, StoreError>;
    progress(updates: Vec<Progress>) -> Result<(), StoreError>;
    fail(lease: &Lease, failure: Failure) -> Result<(), StoreError>;
    request_format(item: ItemId, format: &str) -> Result<(), StoreError>;
    cancel(id: JobId) -> Result<Job, StoreError>;
    job(id: JobId) -> Result<Option<Job>, StoreError>;
    jobs(ids: &[JobId]) -> Result<Vec<Option<Job>>, StoreError>;
    list(owner: &Owner, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError>;
    facts(id: JobId, after: u32) -> Result<Option<Vec<Fact>>, StoreError>;
    newest_progress(ids: &[JobId]) -> Result<Vec<Progress>, StoreError>;
    wait_for_ready(queue: Queue) -> ();
    task(id: &TaskId) -> Result<Option<Task>, StoreError>;
    position(task: &TaskId) -> Result<Option<u64>, StoreError>;
    depths() -> Result<BTreeMap<(Queue, Lane), Depth>, StoreError>;
    dead(after: Option<&Died>, limit: usize) -> Result<Vec<Task>, StoreError>;
    bury(id: &TaskId) -> Result<(), StoreError>;
    delete(id: JobId) -> Result<Job, StoreError>;
    removable(before: Timestamp, limit: usize) -> Result<Vec<JobId>, StoreError>;
    removed(lease: &Lease) -> Result<(), StoreError>;
    named(keys: &[(JobId, String)]) -> Result<Vec<bool>, StoreError>;
    ping() -> Result<(), StoreError>;
    condition() -> Result<Condition, StoreError>;
    file(name: &str) -> Result<Option<(JobId, FileRecord)>, StoreError>;
}
