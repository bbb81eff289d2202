//! What keeps the house in order: leases taken back, old jobs removed, files that no record names deleted.

use std::{collections::HashMap, time::Duration};

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::{
    artifacts::{ArtifactError, ArtifactKey, Listed},
    config::Keep,
    job::{JobId, Timestamp},
    store::StoreError,
};

use super::{Worker, backoff::jittered, ownership};

/// Time between two looks at the room on the disk and at the age of results.
const RETAIN_EVERY: Duration = Duration::from_secs(10);

/// Jobs whose removal is queued at once while room is short; then their room is waited for.
const REMOVED_FOR_ROOM: usize = 20;

/// Jobs whose removal is queued at once because of their age.
const REMOVED_FOR_AGE: usize = 500;

/// Before this only deleted jobs have ended.
const DELETED_ALONE: Timestamp = Timestamp(1);

/// Keys that the store is asked about at once.
const ASKED_AT_ONCE: usize = 500;

/// Promotes due retries and takes back expired leases until `ended`.
pub(super) async fn sweep(worker: Worker, ended: CancellationToken) {
    let every = Duration::from_secs_f64(worker.config.worker.sweep_every.max(0.01));
    while paused(jittered(every), &ended).await {
        // What is cut short is swept by the next one.
        match ended.run_until_cancelled(worker.store.jobs.sweep()).await {
            Some(Ok(swept)) if swept.expired_leases > 0 || swept.poisoned > 0 => {
                tracing::warn!(?swept, "took back leases");
            }
            Some(Ok(_)) | None => {}
            Some(Err(error)) => tracing::warn!(%error, "the sweep failed"),
        }
    }
}

/// Queues the removal of deleted jobs, and of others as `results.keep` says, until `ended`.
pub(super) async fn retain(worker: Worker, ended: CancellationToken) {
    while paused(jittered(RETAIN_EVERY), &ended).await {
        match ended.run_until_cancelled(retain_once(&worker)).await {
            Some(Ok(0)) | None => {}
            Some(Ok(jobs)) => tracing::info!(jobs, "queued the removal of old jobs"),
            Some(Err(error)) => tracing::warn!(%error, "old jobs could not be removed"),
        }
    }
}

/// Deletes files that no record names and old exports, at once and each `artifacts.collect_every`, until `ended`.
pub(super) async fn collect(worker: Worker, ended: CancellationToken) {
    let every = Duration::from_secs(worker.config.artifacts.collect_every.max(1));
    loop {
        // A collection that is cut short has deleted only what was to be deleted.
        match ended.run_until_cancelled(collect_once(&worker)).await {
            Some(0) | None => {}
            Some(files) => tracing::info!(files, "deleted files that no record names"),
        }
        if !paused(jittered(every), &ended).await {
            break;
        }
    }
}

/// Queues removals once; returns how many.
pub(super) async fn retain_once(worker: &Worker) -> Result<usize, StoreError> {
    let results = &worker.config.results;
    let old = results.removable_before(worker.clock.now(), is_room_short(worker));
    let ended_before = old.unwrap_or(DELETED_ALONE);
    let limit = match results.keep {
        Keep::Hours(_) => REMOVED_FOR_AGE,
        Keep::Auto if ended_before > DELETED_ALONE => REMOVED_FOR_ROOM,
        Keep::Auto => REMOVED_FOR_AGE,
    };
    let old = worker.store.jobs.removable(ended_before, limit).await?;
    let mut failed = None;
    for id in &old {
        match worker.store.jobs.request_removal(*id).await {
            // Another was quicker, or it has vanished by itself.
            Ok(()) | Err(StoreError::NotFound) => {}
            // One part of the store that refuses does not keep the rest from being tidied.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(old.len()), Err)
}

/// One collection; returns how many files and folders were deleted. What fails is left for the next one.
pub(super) async fn collect_once(worker: &Worker) -> usize {
    if !ownership::stands(worker).await {
        return 0;
    }
    let grace = Duration::from_secs(worker.config.artifacts.grace);
    let now = worker.clock.now();
    let mut deleted = 0;
    let mut listed = worker.artifacts.list().ready_chunks(ASKED_AT_ONCE);
    while let Some(chunk) = listed.next().await {
        let mut old = HashMap::new();
        for file in chunk.into_iter().filter_map(listed_well) {
            match file.key.export_kept() {
                Some(kept) if is_past(&file, kept, now) => {
                    deleted += delete(worker, &file.key, "an old export").await;
                }
                None if is_past(&file, grace, now) => {
                    old.extend(file.key.job().map(|job| (file.key, job)));
                }
                _ => {}
            }
        }
        deleted += delete_unnamed(worker, old).await;
    }
    match worker.artifacts.tidy(grace).await {
        Ok(left) => deleted + left,
        Err(error) => {
            tracing::warn!(%error, "leftovers of killed writers could not be cleared");
            deleted
        }
    }
}

async fn delete_unnamed(worker: &Worker, files: HashMap<ArtifactKey, JobId>) -> usize {
    if files.is_empty() {
        return 0;
    }
    let asked: Vec<_> = files
        .iter()
        .map(|(key, job)| (*job, key.to_string()))
        .collect();
    let named = match worker.store.jobs.named(&asked).await {
        Ok(named) => named,
        Err(error) => {
            tracing::warn!(%error, "the store does not say which files are named");
            return 0;
        }
    };
    let mut deleted = 0;
    for ((_, key), _) in asked.iter().zip(named).filter(|(_, named)| !named) {
        deleted += delete(worker, &ArtifactKey::recorded(key), "an orphan").await;
    }
    deleted
}

/// How many files that were: one that cannot be deleted is left for the next time.
async fn delete(worker: &Worker, key: &ArtifactKey, what: &str) -> usize {
    match worker.artifacts.delete(key).await {
        Ok(()) => 1,
        Err(error) => {
            tracing::warn!(%key, %error, "{what} could not be deleted");
            0
        }
    }
}

fn listed_well(file: Result<Listed, ArtifactError>) -> Option<Listed> {
    file.inspect_err(|error| tracing::warn!(%error, "files could not be listed"))
        .ok()
}

fn is_past(file: &Listed, grace: Duration, now: Timestamp) -> bool {
    Timestamp(file.modified_ms).after(grace) <= now
}

/// A file system that does not answer is no reason to remove anything, and neither is a bucket.
fn is_room_short(worker: &Worker) -> bool {
    let Some(folder) = worker.artifacts.folder() else {
        return false;
    };
    match (worker.space)(folder) {
        Ok(space) => space.is_low(),
        Err(error) => {
            tracing::warn!(%error, "the room on the disk could not be read");
            false
        }
    }
}

/// False when `ended` came first.
async fn paused(wait: Duration, ended: &CancellationToken) -> bool {
    ended
        .run_until_cancelled(tokio::time::sleep(wait))
        .await
        .is_some()
}
