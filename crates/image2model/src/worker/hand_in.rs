//! Finished work to the store: files first, durably, then the one transition that records them.

use crate::{
    artifacts::{ArtifactError, ArtifactKey, Artifacts},
    job::{
        FileRecord, ItemId, Lease, Notice, Timestamp,
        transition::{Completion, Failure, Retry},
    },
    provider::Produced,
    store::{Jobs, StoreError},
};

use super::{backoff::Backoff, naming, stop::Stop};

/// What became of a hand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// The lease was lost or the job is gone: the result is nobody's.
    No,
}

/// Stores an attempt's files under keys of its own.
///
/// # Errors
/// A failure to hand in instead; what was stored by then is deleted again.
pub(super) async fn put(
    artifacts: &Artifacts,
    item: ItemId,
    lease: &Lease,
    stem: &str,
    files: Vec<Produced>,
    now: Timestamp,
) -> Result<Vec<FileRecord>, Failure> {
    let mut records = Vec::new();
    for file in files {
        let name = naming::file_name(item, stem, &file);
        let key = ArtifactKey::produced(item, &lease.token, &name);
        let record = FileRecord {
            format: file.format.to_owned(),
            media_type: file.media_type.to_owned(),
            size: file.bytes.len() as u64,
            key: key.to_string(),
            created: now,
            name,
        };
        if let Err(error) = artifacts.put(&key, file.bytes).await {
            delete(
                artifacts,
                records.iter().map(|r: &FileRecord| r.key.as_str()),
            )
            .await;
            return Err(put_failure(&record, &error));
        }
        records.push(record);
    }
    Ok(records)
}

/// Hands in a result, again and again while the store does not answer and the lease is not lost.
pub(super) async fn complete(
    jobs: &dyn Jobs,
    lease: &Lease,
    stop: &Stop,
    completion: &Completion,
) -> Taken {
    let mut backoff = Backoff::default();
    loop {
        let answer = jobs.complete(lease, completion.clone()).await;
        if let Some(taken) = settled(answer, lease, stop, &mut backoff).await {
            return taken;
        }
    }
}

/// As [`complete`], of a failed attempt.
pub(super) async fn fail(jobs: &dyn Jobs, lease: &Lease, stop: &Stop, failure: &Failure) -> Taken {
    let mut backoff = Backoff::default();
    loop {
        let answer = jobs.fail(lease, failure.clone()).await;
        if let Some(taken) = settled(answer, lease, stop, &mut backoff).await {
            return taken;
        }
    }
}

/// As [`complete`], of a removal.
pub(super) async fn removed(jobs: &dyn Jobs, lease: &Lease, stop: &Stop) -> Taken {
    let mut backoff = Backoff::default();
    loop {
        let answer = jobs.removed(lease).await;
        if let Some(taken) = settled(answer, lease, stop, &mut backoff).await {
            return taken;
        }
    }
}

/// Deletes files of a result that was not taken, except those that a record names after all: an answer that
/// was lost on its way may have been a yes.
pub(super) async fn discard(
    jobs: &dyn Jobs,
    artifacts: &Artifacts,
    item: ItemId,
    files: &[FileRecord],
) {
    let keys: Vec<_> = files
        .iter()
        .map(|file| (item.job(), file.key.clone()))
        .collect();
    match jobs.named(&keys).await {
        Ok(named) => {
            let unnamed = keys.iter().zip(named).filter(|(_, named)| !named);
            delete(artifacts, unnamed.map(|((_, key), _)| key.as_str())).await;
        }
        Err(error) => {
            tracing::warn!(%error, "files of a dropped result stay until the collection of orphans");
        }
    }
}

/// `None` after a wait when it is worth another try.
async fn settled(
    answer: Result<(), StoreError>,
    lease: &Lease,
    stop: &Stop,
    backoff: &mut Backoff,
) -> Option<Taken> {
    let task = &lease.task;
    match answer {
        Ok(()) => Some(Taken::Yes),
        Err(error @ (StoreError::Unavailable(_) | StoreError::Full)) if !stop.is_lost() => {
            tracing::warn!(%task, %error, "the result was not taken; trying again");
            stop.note_wait();
            tokio::time::sleep(backoff.wait()).await;
            None
        }
        Err(error) => {
            tracing::info!(%task, %error, "the result was dropped");
            Some(Taken::No)
        }
    }
}

async fn delete(artifacts: &Artifacts, keys: impl Iterator<Item = &str>) {
    for key in keys {
        if let Err(error) = artifacts.delete(&ArtifactKey::recorded(key)).await {
            tracing::warn!(key, %error, "a dropped file stays until the collection of orphans");
        }
    }
}

fn put_failure(file: &FileRecord, error: &ArtifactError) -> Failure {
    let code = match error {
        ArtifactError::Full => "disk_full",
        _ => "artifact_store",
    };
    tracing::warn!(key = file.key, %error, "a produced file could not be stored");
    let message = match error {
        ArtifactError::Full => format!(
            "the disk is full: {} of {} bytes could not be written",
            file.name, file.size
        ),
        _ => format!("{} could not be stored", file.name),
    };
    Failure {
        error: Notice {
            code: code.to_owned(),
            message,
        },
        retry: Retry::Backoff,
    }
}
