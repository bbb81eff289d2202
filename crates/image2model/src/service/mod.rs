//! All that HTTP may call: submit, get, cancel, list, watch, read files, say how things stand.
//!
//! Owns the checks that hold whoever asks (ownership, limits, room for uploads, the order upload → record) and nothing of
//! status codes or JSON. Speaks to `store` and `artifacts`; never to workers.
//!
//! A submission streams its images to artifacts, then one transition of the store makes the job; its news comes
//! back through one [`Feed`] that all readers of this process share.

mod again;
mod dead;
mod fair_use;
mod feed;
mod files;
mod fresh;
mod generation;
mod housekeeping;
mod keyring;
mod listing;
mod logs;
mod places;
mod room;
mod spool;
mod standing;
mod submission;

use std::{
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::{Key, KeyId, Scope},
    artifacts::{ArtifactError, Artifacts},
    capacity::{disk::ReadSpace, host::Host, metrics::Requests},
    clock::Clock,
    config::Config,
    job::{Flow, Item, ItemId, Job, JobId, Owner, Timestamp},
    logs::Logs,
    store::{Progress, Store, StoreError},
};

pub use dead::{DeadLetters, DeadPage, dead_name, dead_named};
pub use fair_use::{StreamPlace, UploadPlace, Usage};
pub use feed::{Feed, Subscription};
pub use files::OpenFile;
pub use housekeeping::{JobFiles, Removal, Stock, Stocks};
pub use keyring::{Keyring, REVIEW, Signer, random};
pub use listing::Filter;
pub use logs::{Excerpt, ExportFormat, Exported};
pub use spool::{ArchiveError, Spool};
pub use standing::{Component, Health, Standing};
pub use submission::{Receiving, Submission};

use self::{fair_use::FairUse, logs::Exporting, standing::Asked};

/// Time between two drains of the histograms' raw values, which would grow without end in an unscraped process.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Who asks, and what for.
#[derive(Debug, Clone)]
pub struct Caller {
    pub owner: Owner,
    pub flow: Flow,
    /// The key that was shown; none where no keys are, or with a link.
    pub key: Option<KeyId>,
    pub is_admin: bool,
    /// May ask for `priority: high`.
    pub may_hurry: bool,
    /// Is held to no rate.
    pub is_unlimited: bool,
    /// There are no keys: everybody is the same.
    pub is_anyone: bool,
}

impl Caller {
    /// One who may see what is the owner's and no more.
    #[must_use]
    pub fn of(owner: Owner) -> Self {
        Self {
            flow: Flow(owner.0.clone()),
            owner,
            key: None,
            is_admin: false,
            may_hurry: false,
            is_unlimited: false,
            is_anyone: false,
        }
    }

    /// The holder of a key.
    #[must_use]
    pub fn with(key: &Key) -> Self {
        Self {
            key: Some(key.id.clone()),
            is_admin: key.scope == Scope::Admin,
            may_hurry: key.priority || key.scope == Scope::Admin,
            is_unlimited: key.unlimited,
            ..Self::of(key.owner.clone())
        }
    }

    /// Anybody at that address, where there are no keys, and so no administrator; one on this machine is held to no
    /// rate.
    #[must_use]
    pub fn anyone(address: String, is_local: bool) -> Self {
        Self {
            flow: Flow(address),
            may_hurry: true,
            is_unlimited: is_local,
            is_anyone: true,
            ..Self::of(Owner::open())
        }
    }
}

/// Why an operation was refused; the message is for the one who asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// What is unknown: `job`, `file`, …
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("this Idempotency-Key was used for a request with other content")]
    KeyReused,
    #[error("the job {0} of this Idempotency-Key was removed")]
    Removed(JobId),
    #[error("{0}")]
    Conflict(String),
    /// More than its owner may have; nothing to wait for where no wait helps.
    #[error("{message}")]
    OverQuota {
        message: String,
        after: Option<Duration>,
    },
    /// Asked for and on its way; ask again.
    #[error("{0}")]
    NotYet(String),
    /// There is too much to do, or the process ends; ask again.
    #[error("{0}")]
    Busy(String),
    /// What was asked for was tried and given up; asking again tries anew.
    #[error("{message}")]
    GivenUp { code: String, message: String },
    #[error("the disk is full and nothing is old enough to be removed; try again later")]
    Full,
    /// For the log, not for the client.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// What is kept of it cannot be read, and no repeat will help; for the log.
    #[error("damaged: {0}")]
    Damaged(String),
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::KeyReused => Self::KeyReused,
            StoreError::NotFound => Self::NotFound("job"),
            StoreError::Conflict(why) => Self::Conflict(why),
            StoreError::Full => Self::Full,
            StoreError::Damaged(why) => Self::Damaged(why),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<ArtifactError> for ServiceError {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::NotFound => Self::NotFound("file"),
            ArtifactError::Full => Self::Full,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// What a service is built from.
pub struct Parts {
    pub store: Store,
    pub artifacts: Artifacts,
    pub config: Arc<Config>,
    pub clock: Arc<dyn Clock>,
    pub metrics: PrometheusHandle,
    /// `Space::of` outside tests.
    pub space: ReadSpace,
    pub logs: Logs,
}

/// The service's operations over its parts. A clone is the same service and costs next to nothing: every layer of every
/// request has one.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

/// What all clones of a service have.
pub struct Shared {
    pub store: Store,
    pub artifacts: Artifacts,
    pub config: Arc<Config>,
    pub feed: Feed,
    pub keyring: Keyring,
    pub metrics: PrometheusHandle,
    /// That were answered.
    pub requests: Requests,
    /// Of this process.
    pub logs: Logs,
    /// Cancelled at shutdown: open streams end.
    pub shutdown: CancellationToken,
    clock: Arc<dyn Clock>,
    space: ReadSpace,
    host: Host,
    tasks: TaskTracker,
    started: Timestamp,
    fair: FairUse,
    exporting: Exporting,
    /// Of store and disk: since when, and when they were looked at last.
    failing: Mutex<Option<(Timestamp, Timestamp)>>,
    asked: Asked,
}

impl Deref for Service {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Service {
    /// Starts the service; what it runs beside its callers belongs to `tasks` and ends with `shutdown`.
    #[must_use]
    pub fn start(parts: Parts, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        let feed = Feed::default();
        tasks.spawn(feed.clone().run(parts.store.jobs.clone(), shutdown.clone()));
        tasks.spawn(keep_up(parts.metrics.clone(), shutdown.clone()));
        let keys = parts.store.keys.clone();
        let keyring = Keyring::new(keys, parts.clock.clone(), &parts.config.keys, tasks.clone());
        tasks.spawn(keyring.clone().keep_up(shutdown.clone()));
        Self(Arc::new(Shared {
            started: parts.clock.now(),
            fair: FairUse::new(&parts.config),
            store: parts.store,
            artifacts: parts.artifacts,
            config: parts.config,
            clock: parts.clock,
            metrics: parts.metrics,
            requests: Requests::default(),
            logs: parts.logs,
            space: parts.space,
            host: Host::default(),
            exporting: Exporting::default(),
            failing: Mutex::default(),
            asked: Asked::default(),
            feed,
            keyring,
            tasks,
            shutdown,
        }))
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs work to its end even when the one who asked has gone; shutdown waits for it.
    pub fn see_through<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn(work)
    }

    /// The caller's job.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], also for somebody else's and for one that was deleted.
    pub async fn job(&self, caller: &Caller, id: JobId) -> Result<Job, ServiceError> {
        self.store
            .jobs
            .job(id)
            .await?
            .filter(|job| job.owner == caller.owner && !job.deleted)
            .ok_or(ServiceError::NotFound("job"))
    }

    /// The caller's jobs in the order asked; `None` for each that is unknown or somebody else's.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn jobs(
        &self,
        caller: &Caller,
        ids: &[JobId],
    ) -> Result<Vec<Option<Job>>, ServiceError> {
        let mut jobs = self.store.jobs.jobs(ids).await?;
        for job in &mut jobs {
            job.take_if(|job| job.owner != caller.owner || job.deleted);
        }
        Ok(jobs)
    }

    /// The caller's item and its job.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn item(&self, caller: &Caller, id: ItemId) -> Result<(Job, Item), ServiceError> {
        let job = self
            .job(caller, id.job())
            .await
            .map_err(|error| match error {
                ServiceError::NotFound(_) => ServiceError::NotFound("file"),
                other => other,
            })?;
        let item = job
            .item(id.number())
            .cloned()
            .ok_or(ServiceError::NotFound("file"))?;
        Ok((job, item))
    }

    /// Newest progress of a job's running items. To be read before the job: of an item that ends in between, the record
    /// then says so, where read after it there would be no progress and no end.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn progress(&self, id: JobId) -> Result<Vec<Progress>, ServiceError> {
        self.progress_of(&[id]).await
    }

    /// The same of many jobs at once.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn progress_of(&self, ids: &[JobId]) -> Result<Vec<Progress>, ServiceError> {
        Ok(self.store.jobs.newest_progress(ids).await?)
    }

    /// Cancels; an ended job stays as it is.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn cancel(&self, caller: &Caller, id: JobId) -> Result<Job, ServiceError> {
        self.job(caller, id).await?;
        Ok(self.store.jobs.cancel(id).await?)
    }

    /// Deletes a job and all its files: nobody sees it any more, and it goes as soon as nothing works on it. Says
    /// whether it has ended.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn delete(&self, caller: &Caller, id: JobId) -> Result<bool, ServiceError> {
        self.job(caller, id).await?;
        Ok(self.store.jobs.delete(id).await?.ended.is_some())
    }
}

async fn keep_up(metrics: PrometheusHandle, shutdown: CancellationToken) {
    while shutdown
        .run_until_cancelled(tokio::time::sleep(METRICS_UPKEEP))
        .await
        .is_some()
    {
        metrics.run_upkeep();
    }
}
