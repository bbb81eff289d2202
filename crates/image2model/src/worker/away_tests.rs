//! A part of the store does not answer, as when one of several primaries is gone, and the worker goes on with the rest.

use std::sync::Arc;

use super::{House, maintenance};
use crate::{
    config::Keep,
    job::{ItemStatus, Job, JobStatus, Owner},
    store::conformance::broken::{Away, with_parts_away},
};

/// One task at a time; leases outlast the test.
fn house() -> (House, Away) {
    let mut house = House::new(|config| {
        config.workers.model_generation.concurrency = 1;
        config.worker.lease = 3600;
    });
    let (store, away) = with_parts_away(house.store());
    house.worker.store = store;
    (house, away)
}

#[tokio::test]
async fn a_result_that_waits_for_what_is_away_keeps_no_other_work_waiting() {
    let (house, away) = house();
    let worker = house.start();
    let waits = house.submit(&["held"]).await;
    house.script.begun.acquire().await.unwrap().forget();
    away.goes(waits);
    house.script.let_go.add_permits(1);
    let other = house.submit(&["model"]).await;
    house.ended(other).await;
    assert_eq!(house.job(waits).await.ended, None);
    away.comes_back(waits);
    let job = house.ended(waits).await;
    assert_eq!(job.status(), JobStatus::Completed);
    assert_eq!((job.items[0].attempts, job.items[0].crashes), (0, 0));
    house.drain.cancel();
    worker.await.unwrap();
}

/// Its lease would last for long, and then count as a crash.
#[tokio::test]
async fn what_nobody_knows_to_have_begun_is_handed_back_and_counts_as_nothing() {
    let (house, away) = house();
    let doubtful = house.submit(&["model"]).await;
    away.goes(doubtful);
    let worker = house.start();
    let begun = |job: &Job| job.items[0].status == ItemStatus::Processing;
    house.job_when(doubtful, begun).await;
    // It is given up for work that can begin, and its part comes back only then.
    let other = house.submit(&["model"]).await;
    house.ended(other).await;
    away.comes_back(doubtful);
    let job = house.ended(doubtful).await;
    assert_eq!(job.status(), JobStatus::Completed);
    assert_eq!((job.items[0].attempts, job.items[0].crashes), (0, 0));
    house.drain.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn old_jobs_are_removed_past_one_that_is_away() {
    let (mut house, away) = house();
    let mut config = crate::config::Config::clone(&house.worker.config);
    config.results.keep = Keep::Hours(0);
    house.worker.config = Arc::new(config);
    let mut old = Vec::new();
    for _ in 0..3 {
        let id = house.submit(&["model"]).await;
        let cancelled = house.store().jobs.cancel(id).await.unwrap();
        while house.worker.clock.now() <= cancelled.ended.unwrap() {
            tokio::task::yield_now().await;
        }
        old.push(id);
    }
    away.goes(old[0]);
    assert!(maintenance::retain_once(&house.worker).await.is_err());
    let worker = house.start();
    house.gone(old[1]).await;
    house.gone(old[2]).await;
    let kept = house.store().jobs.list(&Owner::open(), None, 9).await;
    let kept: Vec<_> = kept.unwrap().jobs.iter().map(|job| job.id).collect();
    assert_eq!(kept, [old[0]]);
    house.drain.cancel();
    worker.await.unwrap();
}
