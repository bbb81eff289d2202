//! One attempt at one task: read what it needs, make it, hand it in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reconstruct::Format;

use crate::{
    artifacts::{ArtifactError, ArtifactKey},
    capacity::metrics::{self, Outcome},
    job::{
        FileRecord, Item, ItemId, Job, Lease, Notice, Task, Work,
        transition::{Completion, Failure, Retry},
    },
    provider::{Generated, ModelRequest},
    store::StoreError,
};

use super::{
    Worker,
    backoff::Backoff,
    hand_in::{self, Taken},
    naming,
    progress::ProgressSink,
    stop::{Stop, Why},
};

/// A started task and what its attempt works with.
pub(super) struct Attempt {
    pub(super) worker: Worker,
    pub(super) progress: ProgressSink,
    pub(super) task: Task,
    pub(super) lease: Lease,
    pub(super) stop: Arc<Stop>,
}

impl Attempt {
    /// Works, and hands in whatever came of it.
    pub(super) async fn run(self) {
        let began = Instant::now();
        let verdict = match &self.task.id.work {
            Work::Generate { item } => self.generate(self.task.id.job.item(*item)).await,
            Work::Convert { item, format } => {
                self.convert(self.task.id.job.item(*item), format).await
            }
            Work::Remove => self.remove().await,
        };
        let outcome = match verdict {
            Ok(taken) => taken.map_or(Outcome::Dropped, |()| Outcome::Success),
            Err(failure) => self.fail(failure).await,
        };
        metrics::task(kind(&self.task.id.work), outcome, began.elapsed());
    }

    /// Hands in that its work panicked after so long.
    pub(super) async fn panicked(self, took: Duration) {
        let message = "the work stopped because of a fault in the program".to_owned();
        let outcome = self
            .fail(failure("panicked", message, Retry::Backoff))
            .await;
        metrics::task(kind(&self.task.id.work), outcome, took);
    }

    async fn generate(&self, id: ItemId) -> Result<Option<()>, Failure> {
        let (job, item) = self.item(id).await?;
        let request = ModelRequest::from_stored(&job.options, &job.formats)
            .map_err(|error| failure("options", error.to_string(), Retry::Never))?;
        let image = self.read(&item.upload).await?;
        let stem = naming::stem(&item.filename);
        let cancel = self.stop.token().clone();
        let made = self
            .worker
            .provider
            .generate(image, &request, &stem, self.progress.of(id), cancel)
            .await?;
        self.complete(id, &stem, made).await
    }

    async fn convert(&self, id: ItemId, format: &str) -> Result<Option<()>, Failure> {
        let (_, item) = self.item(id).await?;
        let format = Format::from_extension(format).ok_or_else(|| {
            let message = format!("there is no format {format:?}");
            failure("format", message, Retry::Never)
        })?;
        let glb = item
            .files
            .iter()
            .find(|file| file.format == Format::Glb.extension())
            .ok_or_else(|| failure("model", "the item has no model".to_owned(), Retry::Never))?;
        let glb = self.read(&glb.key).await?;
        let stem = naming::stem(&item.filename);
        let file = self.worker.provider.convert(glb, format, &stem).await?;
        let made = Generated {
            files: vec![file],
            warnings: Vec::new(),
        };
        self.complete(id, &stem, made).await
    }

    /// Deletes a job's files first: a record without files is found and removed again, files without a record
    /// only by the collection of orphans.
    async fn remove(&self) -> Result<Option<()>, Failure> {
        if let Some(job) = self.job().await? {
            for key in job.artifact_keys() {
                let key = ArtifactKey::recorded(key);
                let deleted = self.worker.artifacts.delete(&key).await;
                deleted.map_err(|error| artifact_failure(key.as_str(), &error))?;
            }
        }
        let taken = hand_in::removed(&*self.worker.store.jobs, &self.lease, &self.stop).await;
        Ok((taken == Taken::Yes).then_some(()))
    }

    /// Stores what was made and hands it in; a result that is not taken leaves nothing.
    async fn complete(
        &self,
        item: ItemId,
        stem: &str,
        made: Generated,
    ) -> Result<Option<()>, Failure> {
        if self.stop.is_lost() {
            return Ok(None);
        }
        let Worker {
            store, artifacts, ..
        } = &self.worker;
        let now = self.worker.clock.now();
        let files: Vec<FileRecord> =
            hand_in::put(artifacts, item, &self.lease, stem, made.files, now).await?;
        let completion = Completion {
            files,
            warnings: made.warnings,
        };
        let taken = hand_in::complete(&*store.jobs, &self.lease, &self.stop, &completion).await;
        if taken == Taken::No {
            hand_in::discard(&*store.jobs, artifacts, item, &completion.files).await;
            return Ok(None);
        }
        let worker = &self.worker.id.0;
        tracing::debug!(task = %self.task.id, worker, "the result was taken");
        Ok(Some(()))
    }

    /// What an attempt without a result comes to: a failure, or, when it was told to stop, what that asks for.
    async fn fail(&self, error: Failure) -> Outcome {
        let jobs = &*self.worker.store.jobs;
        let (handed_in, outcome) = match self.stop.why() {
            Some(Why::Lost) => return Outcome::Dropped,
            Some(Why::Draining) => {
                hand_back(&self.worker, std::slice::from_ref(&self.lease)).await;
                return Outcome::HandedBack;
            }
            Some(Why::Cancelled) => {
                let cancelled = "cancelled while it was being made".to_owned();
                (
                    failure("cancelled", cancelled, Retry::Never),
                    Outcome::Cancelled,
                )
            }
            None => {
                let last = self.task.attempts + 1 >= self.worker.config.retry.max_attempts;
                let done = last || error.retry == Retry::Never;
                let outcome = if done {
                    Outcome::Failure
                } else {
                    Outcome::Retry
                };
                (error, outcome)
            }
        };
        let Notice { code, message } = &handed_in.error;
        let verdict = outcome.name();
        tracing::info!(task = %self.task.id, code, message, verdict, "an attempt failed");
        match hand_in::fail(jobs, &self.lease, &self.stop, &handed_in).await {
            Taken::Yes => outcome,
            Taken::No => Outcome::Dropped,
        }
    }

    async fn item(&self, id: ItemId) -> Result<(Job, Item), Failure> {
        let found = self.job().await?.and_then(|job| {
            let item = job.item(id.number())?.clone();
            Some((job, item))
        });
        found.ok_or_else(|| failure("gone", "the job is gone".to_owned(), Retry::Never))
    }

    /// The task's job; asked for again while the store does not answer, for that is no answer to count an attempt by.
    async fn job(&self) -> Result<Option<Job>, Failure> {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.worker.store.jobs.job(self.task.id.job).await {
                Ok(job) => return Ok(job),
                Err(error) => error,
            };
            let is_final = !matches!(error, StoreError::Unavailable(_));
            tokio::select! {
                () = tokio::time::sleep(backoff.wait()), if !is_final => {
                    tracing::warn!(task = %self.task.id, %error, "the store does not answer an attempt; trying again");
                }
                () = self.stop.token().cancelled(), if !is_final => return Err(store_failure(&error)),
                else => return Err(store_failure(&error)),
            }
        }
    }

    async fn read(&self, key: &str) -> Result<bytes::Bytes, Failure> {
        let read = self.worker.artifacts.get(&ArtifactKey::recorded(key)).await;
        read.map_err(|error| artifact_failure(key, &error))
    }
}

/// The name that metrics know the work by.
fn kind(work: &Work) -> &'static str {
    match work {
        Work::Generate { .. } => "generate",
        Work::Convert { .. } => "convert",
        Work::Remove => "remove",
    }
}

/// Gives tasks back; when the store does not take them, their leases run out by themselves.
pub(super) async fn hand_back(worker: &Worker, leases: &[Lease]) {
    if leases.is_empty() {
        return;
    }
    match worker.store.jobs.hand_back(leases).await {
        Ok(()) => tracing::info!(tasks = leases.len(), "handed back"),
        Err(error) => tracing::warn!(tasks = leases.len(), %error, "could not hand back"),
    }
}

pub(super) fn failure(code: &str, message: String, retry: Retry) -> Failure {
    Failure {
        error: Notice {
            code: code.to_owned(),
            message,
        },
        retry,
    }
}

/// For people a sentence without the store's inner words, which go to the log.
fn store_failure(error: &StoreError) -> Failure {
    tracing::warn!(%error, "the store did not answer an attempt");
    let message = "the job's record could not be read".to_owned();
    failure("store", message, Retry::Backoff)
}

fn artifact_failure(key: &str, error: &ArtifactError) -> Failure {
    tracing::warn!(key, %error, "a stored file could not be used");
    let retry = match error {
        ArtifactError::NotFound => Retry::Never,
        _ => Retry::Backoff,
    };
    let message = match error {
        ArtifactError::NotFound => "a stored file is missing".to_owned(),
        _ => "a stored file could not be read".to_owned(),
    };
    failure("artifact_store", message, retry)
}
