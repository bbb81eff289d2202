use std::time::Duration;

use super::{Fixture, LEASE, completion, failure, heard_the_end, new_job, told_beyond};
use crate::{
    job::{
        JobId, JobStatus, KEY_KEPT, Owner, Queue, Timestamp,
        transition::{NewJob, Retry},
    },
    store::{Created, Held, StoreError},
};

const QUEUE: Queue = Queue::Maintenance;
const EVER: Timestamp = Timestamp(i64::MAX);

async fn removable(it: &Fixture, before: Timestamp) -> Vec<JobId> {
    it.jobs().removable(before, 99).await.unwrap()
}

pub(crate) async fn a_removed_job_leaves_nothing(it: Fixture) {
    let id = it.completed().await;
    let job = it.job(id).await;
    let file = &job.items[0].files[0];
    it.jobs().request_format(id.item(1), "stl").await.unwrap();
    it.jobs().request_removal(id).await.unwrap();
    it.jobs().request_removal(id).await.unwrap();
    assert!(removable(&it, EVER).await.is_empty(), "on its way");
    let refused = it.jobs().request_format(id.item(1), "ply").await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    assert_eq!(it.job(id).await, job, "readable until it is gone");
    let converter = it.begin_from(Queue::BatchProcessing).await;
    let lease = it.begin_from(QUEUE).await;
    it.jobs().removed(&lease).await.unwrap();
    assert_eq!(it.jobs().job(id).await, Ok(None));
    assert_eq!(it.jobs().facts(id, 0).await, Ok(None));
    assert_eq!(it.jobs().file(&file.name).await, Ok(None));
    assert_eq!(it.jobs().task(&lease.task).await, Ok(None));
    let key = [(id, file.key.clone())];
    assert_eq!(it.jobs().named(&key).await, Ok(vec![false]));
    let page = it.jobs().list(&Owner::open(), None, 9).await.unwrap();
    assert!(page.jobs.is_empty());
    assert!(it.jobs().depths().await.unwrap().is_empty());
    let late = it
        .jobs()
        .complete(&converter, completion(&converter, "stl"));
    assert_eq!(late.await, Err(StoreError::LeaseLost));
    assert_eq!(it.jobs().removed(&lease).await, Err(StoreError::LeaseLost));
}

pub(crate) async fn only_ended_jobs_are_removed(it: Fixture) {
    let id = it.submit("a", 1).await;
    assert!(removable(&it, EVER).await.is_empty());
    let early = it.jobs().request_removal(id).await;
    assert!(matches!(early, Err(StoreError::Conflict(_))));
    let unknown = it.jobs().request_removal(JobId::random()).await;
    assert_eq!(unknown, Err(StoreError::NotFound));
    let other = it.begin().await;
    let removed = it.jobs().removed(&other).await;
    assert!(
        matches!(removed, Err(StoreError::Conflict(_))),
        "other work"
    );
    it.complete(&other).await;
    it.jobs().request_removal(id).await.unwrap();
    let lease = it.begin_from(QUEUE).await;
    let completed = it.jobs().complete(&lease, completion(&lease, "glb")).await;
    assert!(matches!(completed, Err(StoreError::Conflict(_))));
    it.jobs().removed(&lease).await.unwrap();
}

pub(crate) async fn the_oldest_end_is_removed_first(it: Fixture) {
    let (first, second) = (it.submit("a", 1).await, it.submit("b", 1).await);
    let (a, b) = (it.begin().await, it.begin().await);
    it.pass(Duration::from_secs(1));
    it.complete(&b).await;
    it.pass(Duration::from_secs(1));
    it.complete(&a).await;
    assert_eq!(removable(&it, EVER).await, [second, first]);
    assert_eq!(it.jobs().removable(EVER, 1).await, Ok(vec![second]));
    let end = it.job(first).await.ended.unwrap();
    assert_eq!(removable(&it, end).await, [second], "strictly before");
    it.jobs().request_removal(second).await.unwrap();
    assert_eq!(removable(&it, EVER).await, [first]);
}

pub(crate) async fn a_removal_that_died_is_done_again(it: Fixture) {
    let id = it.completed().await;
    it.jobs().request_removal(id).await.unwrap();
    let died = it.begin_from(QUEUE).await;
    it.lapse().await;
    assert_eq!(it.jobs().removed(&died).await, Err(StoreError::LeaseLost));
    assert!(it.jobs().job(id).await.unwrap().is_some());
    let again = it.begin_from(QUEUE).await;
    it.jobs().removed(&again).await.unwrap();
    assert_eq!(it.jobs().job(id).await, Ok(None));
}

pub(crate) async fn a_removal_is_told(it: Fixture) {
    let mut watch = it.jobs().watch();
    let id = it.completed().await;
    heard_the_end(&mut watch, id).await;
    it.jobs().request_removal(id).await.unwrap();
    let lease = it.begin_from(QUEUE).await;
    assert!(watch.is_empty(), "it is still there");
    it.jobs().removed(&lease).await.unwrap();
    told_beyond(&mut watch, id).await;
}

pub(crate) async fn a_given_up_removal_is_tried_anew(it: Fixture) {
    let id = it.completed().await;
    it.jobs().request_removal(id).await.unwrap();
    let lease = it.begin_from(QUEUE).await;
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    assert_eq!(removable(&it, EVER).await, [id]);
    it.jobs().request_removal(id).await.unwrap();
    assert!(removable(&it, EVER).await.is_empty());
    let again = it.begin_from(QUEUE).await;
    it.jobs().removed(&again).await.unwrap();
    assert!(it.jobs().dead(None, 9).await.unwrap().is_empty());
}

pub(crate) async fn a_deleted_job_ends_and_is_removed_at_once(it: Fixture) {
    let id = it.submit("a", 2).await;
    let deleted = it.jobs().delete(id).await.unwrap();
    assert_eq!(deleted.status(), JobStatus::Cancelled);
    assert!(deleted.deleted);
    assert_eq!(it.job(id).await, deleted, "readable until it is gone");
    assert!(it.reserve(9).await.is_empty());
    assert!(removable(&it, EVER).await.is_empty(), "on its way");
    let again = it.jobs().delete(id).await;
    assert_eq!(again, Ok(deleted), "deleting again changes nothing");
    let lease = it.begin_from(QUEUE).await;
    it.jobs().removed(&lease).await.unwrap();
    assert_eq!(it.jobs().job(id).await, Ok(None));
    let unknown = it.jobs().delete(id).await;
    assert_eq!(unknown, Err(StoreError::NotFound));
}

pub(crate) async fn what_runs_of_a_deleted_job_ends_first(it: Fixture) {
    let old = it.completed().await;
    let id = it.submit("a", 2).await;
    let lease = it.begin().await;
    assert_eq!(it.jobs().delete(id).await.unwrap().ended, None);
    let held = it.jobs().extend(std::slice::from_ref(&lease), LEASE).await;
    assert_eq!(held, Ok(vec![Held::Cancelled]));
    let first = Timestamp(1);
    assert!(removable(&it, first).await.is_empty(), "it runs");
    it.pass(Duration::from_secs(1));
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    assert_eq!(removable(&it, first).await, [id], "before any that ended");
    assert_eq!(removable(&it, EVER).await, [id, old]);
    it.jobs().request_removal(id).await.unwrap();
    assert_eq!(removable(&it, EVER).await, [old]);
}

pub(crate) async fn a_deleted_job_is_not_made_again(it: Fixture) {
    let new = NewJob {
        fingerprint: Some("same".to_owned()),
        ..new_job("a", 1)
    };
    let id = it.create(new.clone()).await.id;
    it.jobs().delete(id).await.unwrap();
    let again = it.jobs().create_job(new.clone()).await;
    assert_eq!(again, Err(StoreError::Removed));
    let looked = it.jobs().repeated(id, &new.owner, "same").await;
    assert_eq!(looked, Err(StoreError::Removed));
    let other = NewJob {
        fingerprint: None,
        ..new
    };
    let other = it.jobs().create_job(other).await;
    assert_eq!(other, Err(StoreError::KeyReused));
}

pub(crate) async fn a_deletion_is_told(it: Fixture) {
    let mut watch = it.jobs().watch();
    let id = it.completed().await;
    heard_the_end(&mut watch, id).await;
    it.jobs().delete(id).await.unwrap();
    told_beyond(&mut watch, id).await;
    it.jobs().delete(id).await.unwrap();
    let waits = it.submit("a", 1).await;
    it.jobs().delete(waits).await.unwrap();
    heard_the_end(&mut watch, waits).await;
}

/// Removes a job that has ended.
async fn remove(it: &Fixture, id: JobId) {
    it.jobs().request_removal(id).await.unwrap();
    let lease = it.begin_from(QUEUE).await;
    it.jobs().removed(&lease).await.unwrap();
}

pub(crate) async fn a_removed_job_is_made_no_second_time(it: Fixture) {
    let mut new = new_job("a", 1);
    new.id = JobId::derived("open", "key");
    new.fingerprint = Some("1".to_owned());
    it.create(new.clone()).await;
    let lease = it.begin().await;
    it.complete(&lease).await;
    remove(&it, new.id).await;
    let repeat = async || it.jobs().create_job(new.clone()).await;
    assert_eq!(repeat().await, Err(StoreError::Removed));
    let mut other = new.clone();
    other.fingerprint = Some("2".to_owned());
    let other = it.jobs().create_job(other).await;
    assert_eq!(other, Err(StoreError::KeyReused));
    let look = async |print| it.jobs().repeated(new.id, &new.owner, print).await;
    assert_eq!(look("1").await, Err(StoreError::Removed));
    assert_eq!(look("2").await, Err(StoreError::KeyReused));
    assert_eq!(it.jobs().job(new.id).await, Ok(None));
    assert_eq!(it.jobs().facts(new.id, 0).await, Ok(None));
    let format = it.jobs().request_format(new.id.item(1), "stl").await;
    assert_eq!(format, Err(StoreError::NotFound));
    it.pass(KEY_KEPT - Duration::from_secs(1));
    assert_eq!(repeat().await, Err(StoreError::Removed));
    it.pass(Duration::from_secs(1));
    assert_eq!(look("1").await, Ok(None));
    assert!(matches!(repeat().await, Ok(Created::New(_))));
    let lease = it.begin().await;
    it.complete(&lease).await;
    it.pass(KEY_KEPT);
    remove(&it, new.id).await;
    assert!(matches!(repeat().await, Ok(Created::New(_))), "old enough");
}
