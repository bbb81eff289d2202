//! A store with jobs and tasks in every state that there is, for what must hold of each.

use std::time::Duration;

use crate::{
    job::{Lease, Owner, Priority, Queue, transition::NewJob, transition::Retry},
    store::Progress,
};

use super::{Fixture, completion, failure, new_job};

/// Fills an empty store with 12 jobs. Three tasks are leased in the end, two of them begun, one of a cancelled job.
pub(crate) async fn fill(it: &Fixture) {
    let jobs = it.jobs();
    it.completed().await;
    fail(it, Retry::Never).await;
    fail(it, Retry::Backoff).await;
    formats(it).await;

    let removed = it.completed().await;
    jobs.request_removal(removed).await.unwrap();
    let cancelled = it.submit("a", 2).await;
    jobs.cancel(cancelled).await.unwrap();

    it.submit("a", 2).await;
    let begun = begin_and_tell(it).await;
    jobs.cancel(begun.task.job).await.unwrap();
    it.submit("a", 3).await;
    begin_and_tell(it).await;
    it.reserve(1).await;

    for (flow, owner, priority) in [
        ("b", "someone", Priority::Normal),
        ("a", "open", Priority::High),
        ("b", "someone", Priority::Normal),
        ("c", "open", Priority::Normal),
    ] {
        let new = NewJob {
            owner: Owner(owner.to_owned()),
            priority,
            fingerprint: Some("as submitted".to_owned()),
            ..new_job(flow, 2)
        };
        it.create(new).await;
        // Over several shards nothing but time says which of two jobs was first.
        it.pass(Duration::from_millis(1));
    }
}

/// Begins the next task, a job's first, and comes to 40 percent.
async fn begin_and_tell(it: &Fixture) -> Lease {
    let begun = it.begin().await;
    let progress = Progress {
        item: begun.task.job.item(1),
        percent: 40,
        step: "shape".to_owned(),
    };
    it.jobs().progress(vec![progress]).await.unwrap();
    begun
}

async fn fail(it: &Fixture, retry: Retry) {
    it.submit("a", 1).await;
    let lease = it.begin().await;
    it.jobs().fail(&lease, failure(retry)).await.unwrap();
}

/// A further format that was made, one that was given up and one that is asked for.
async fn formats(it: &Fixture) {
    let item = it.completed().await.item(1);
    let asked = async |format| {
        it.jobs().request_format(item, format).await.unwrap();
    };
    let begun = async || -> Lease { it.begin_from(Queue::BatchProcessing).await };
    asked("stl").await;
    let lease = begun().await;
    let made = completion(&lease, "stl");
    it.jobs().complete(&lease, made).await.unwrap();
    asked("obj").await;
    let lease = begun().await;
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    asked("ply").await;
}
