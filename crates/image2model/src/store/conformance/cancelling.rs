use super::{Fixture, LEASE, failure, generate};
use crate::{
    job::{FactKind, ItemStatus, Job, JobId, JobStatus, Lease, transition::Retry},
    store::{Held, StoreError},
};

fn statuses(job: &Job) -> Vec<ItemStatus> {
    job.items.iter().map(|item| item.status).collect()
}

/// A running item of a cancelled job of one.
async fn running_and_cancelled(it: &Fixture) -> (JobId, Lease) {
    let id = it.submit("a", 1).await;
    let lease = it.begin().await;
    let job = it.jobs().cancel(id).await.unwrap();
    assert_eq!(job.status(), JobStatus::Processing);
    assert_eq!(statuses(&job), [ItemStatus::Processing]);
    (id, lease)
}

async fn assert_cancelled(it: &Fixture, id: JobId) {
    let job = it.job(id).await;
    assert_eq!(job.status(), JobStatus::Cancelled);
    assert_eq!(statuses(&job), [ItemStatus::Cancelled]);
    let ends = job.facts.iter().rev().take(2).map(|fact| &fact.kind);
    let ended = FactKind::Ended {
        status: JobStatus::Cancelled,
    };
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends, [&ended, &FactKind::ItemCancelled { item: 1 }]);
    assert_eq!(it.jobs().task(&generate(id, 1)).await, Ok(None));
    assert!(it.jobs().dead(None, 9).await.unwrap().is_empty());
}

pub(crate) async fn what_nobody_works_on_ends_at_once(it: Fixture) {
    let id = it.submit("a", 3).await;
    let failed = it.begin().await;
    it.jobs()
        .fail(&failed, failure(Retry::Backoff))
        .await
        .unwrap();
    let waiting = [it.reserve(1).await.remove(0).lease];
    let job = it.jobs().cancel(id).await.unwrap();
    assert_eq!(job.status(), JobStatus::Cancelled);
    assert_eq!(statuses(&job), [ItemStatus::Cancelled; 3]);
    assert_eq!(it.job(id).await, job);
    assert_eq!(
        it.jobs().extend(&waiting, LEASE).await,
        Ok(vec![Held::Lost])
    );
    assert_eq!(it.jobs().start(&waiting).await, Ok(vec![Held::Lost]));
    it.pass(LEASE * 20);
    it.jobs().sweep().await.unwrap();
    assert!(it.reserve(9).await.is_empty());
    assert_eq!(it.jobs().depths().await.unwrap().len(), 0);
    assert_eq!(it.jobs().cancel(id).await, Ok(job), "cancelled twice");
}

pub(crate) async fn a_running_item_ends_with_its_failure(it: Fixture) {
    let (id, lease) = running_and_cancelled(&it).await;
    let told = it.jobs().extend(std::slice::from_ref(&lease), LEASE).await;
    assert_eq!(told, Ok(vec![Held::Cancelled]));
    let told = it.jobs().start(std::slice::from_ref(&lease)).await;
    assert_eq!(told, Ok(vec![Held::Cancelled]));
    it.jobs()
        .fail(&lease, failure(Retry::Backoff))
        .await
        .unwrap();
    assert_cancelled(&it, id).await;
}

pub(crate) async fn a_running_item_ends_with_its_lease(it: Fixture) {
    let (id, _) = running_and_cancelled(&it).await;
    it.lapse().await;
    assert_cancelled(&it, id).await;
}

pub(crate) async fn a_running_item_ends_when_handed_back(it: Fixture) {
    let (id, lease) = running_and_cancelled(&it).await;
    it.jobs().hand_back(&[lease]).await.unwrap();
    assert_cancelled(&it, id).await;
}

pub(crate) async fn a_late_result_still_counts_for_its_item(it: Fixture) {
    let (id, lease) = running_and_cancelled(&it).await;
    it.complete(&lease).await;
    let job = it.job(id).await;
    assert_eq!(job.status(), JobStatus::Cancelled);
    assert_eq!(statuses(&job), [ItemStatus::Completed]);
    assert_eq!(job.items[0].files.len(), 1);
}

pub(crate) async fn an_ended_job_stays_as_it_is(it: Fixture) {
    let id = it.completed().await;
    let before = it.job(id).await;
    assert_eq!(it.jobs().cancel(id).await.as_ref(), Ok(&before));
    assert_eq!(it.job(id).await, before);
}

pub(crate) async fn an_unknown_job_cannot_be_cancelled(it: Fixture) {
    let cancelled = it.jobs().cancel(JobId::random()).await;
    assert_eq!(cancelled, Err(StoreError::NotFound));
}
