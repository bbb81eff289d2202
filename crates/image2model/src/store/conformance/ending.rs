use std::time::Duration;

use super::{Fixture, completion, failure, generate};
use crate::{
    job::{FactKind, ItemStatus, JobId, JobStatus, TaskState, transition::Retry},
    store::{Died, StoreError},
};

pub(crate) async fn the_last_item_ends_the_job(it: Fixture) {
    let id = it.submit("a", 3).await;
    let (good, bad) = (it.begin().await, it.begin().await);
    it.complete(&good).await;
    it.jobs().fail(&bad, failure(Retry::Never)).await.unwrap();
    let job = it.job(id).await;
    assert_eq!((job.status(), job.ended), (JobStatus::Processing, None));
    it.pass(Duration::from_secs(5));
    let last = it.begin().await;
    it.complete(&last).await;
    let job = it.job(id).await;
    assert_eq!(job.status(), JobStatus::Completed);
    assert_eq!(job.ended.unwrap().since(job.created), 5_000);
    assert_eq!(job.items[0].files, completion(&good, "glb").files);
    assert_eq!(job.items[1].error.as_ref().unwrap().code, "bad_image");
    let ended = FactKind::Ended {
        status: JobStatus::Completed,
    };
    assert_eq!(job.facts.last().unwrap().kind, ended);
    assert_eq!(it.jobs().task(&good.task).await, Ok(None), "done and gone");
}

pub(crate) async fn a_result_handed_in_twice_counts_once(it: Fixture) {
    let id = it.submit("a", 2).await;
    let lease = it.begin().await;
    it.complete(&lease).await;
    let before = it.job(id).await;
    it.complete(&lease).await;
    assert_eq!(it.job(id).await, before);
}

pub(crate) async fn an_error_is_retried_after_a_wait(it: Fixture) {
    let id = it.submit("a", 1).await;
    let lease = it.begin().await;
    it.jobs()
        .fail(&lease, failure(Retry::Backoff))
        .await
        .unwrap();
    let job = it.job(id).await;
    let item = &job.items[0];
    assert_eq!((item.status, item.attempts), (ItemStatus::Retrying, 1));
    let FactKind::Retrying { at, code, .. } = &job.facts[2].kind else {
        panic!("{:?}", job.facts);
    };
    assert_eq!(code, "bad_image");
    let wait = at.since(job.created);
    assert!((1_000..=2_000).contains(&wait), "{wait} ms");
    let task = it.jobs().task(&generate(id, 1)).await.unwrap().unwrap();
    assert_eq!(task.state, TaskState::Delayed { until: *at });
    it.pass(Duration::from_millis(999));
    assert_eq!(it.jobs().sweep().await.unwrap().promoted, 0);
    assert!(it.reserve(1).await.is_empty());
    it.pass(Duration::from_millis(1_001));
    assert_eq!(it.jobs().sweep().await.unwrap().promoted, 1);
    assert_eq!(it.begin().await.task, generate(id, 1));
}

pub(crate) async fn an_answer_may_ask_for_a_longer_wait(it: Fixture) {
    let id = it.submit("a", 1).await;
    let lease = it.begin().await;
    let wait = Duration::from_secs(77);
    it.jobs()
        .fail(&lease, failure(Retry::After(wait)))
        .await
        .unwrap();
    let task = it.jobs().task(&generate(id, 1)).await.unwrap().unwrap();
    let until = it.job(id).await.created.after(wait);
    assert_eq!(task.state, TaskState::Delayed { until });
}

pub(crate) async fn the_third_error_is_the_last(it: Fixture) {
    let id = it.submit("a", 1).await;
    for attempt in 1..=3 {
        let lease = it.begin().await;
        it.jobs()
            .fail(&lease, failure(Retry::Backoff))
            .await
            .unwrap();
        assert_eq!(it.job(id).await.items[0].attempts, attempt);
        it.pass(Duration::from_secs(300));
        it.jobs().sweep().await.unwrap();
    }
    assert_eq!(it.job(id).await.status(), JobStatus::Failed);
    assert!(it.reserve(1).await.is_empty());
    assert_eq!(it.jobs().dead(None, 9).await.unwrap().len(), 1);
}

pub(crate) async fn a_hopeless_error_is_not_retried(it: Fixture) {
    let id = it.submit("a", 1).await;
    let lease = it.begin().await;
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    let job = it.job(id).await;
    assert_eq!(
        (job.status(), job.items[0].attempts),
        (JobStatus::Failed, 1)
    );
    let again = it.jobs().fail(&lease, failure(Retry::Never)).await;
    assert_eq!(again, Err(StoreError::LeaseLost));
}

pub(crate) async fn dead_tasks_are_listed_newest_first(it: Fixture) {
    let mut order = Vec::new();
    for _ in 0..3 {
        let id = it.submit("a", 1).await;
        let lease = it.begin().await;
        it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
        it.pass(Duration::from_millis(1));
        order.insert(0, generate(id, 1));
    }
    let dead = it.jobs().dead(None, 2).await.unwrap();
    let ids: Vec<_> = dead.iter().map(|task| task.id.clone()).collect();
    assert_eq!(ids, order[..2]);
    let TaskState::Dead { code, message, .. } = &dead[0].state else {
        panic!("{:?}", dead[0].state);
    };
    assert_eq!((&**code, &**message), ("bad_image", "the image is bad"));
}

pub(crate) async fn dead_tasks_are_listed_page_by_page(it: Fixture) {
    let id = it.submit("a", 5).await;
    it.submit("b", 1).await;
    let leases: Vec<_> = it.reserve(6).await.into_iter().map(|r| r.lease).collect();
    it.jobs().start(&leases).await.unwrap();
    for (n, lease) in leases.iter().enumerate() {
        it.jobs().fail(lease, failure(Retry::Never)).await.unwrap();
        if n == 2 {
            it.pass(Duration::from_millis(1));
        }
    }
    let all = it.jobs().dead(None, 99).await.unwrap();
    assert_eq!(all.len(), 6);
    let order: Vec<_> = all.iter().filter_map(Died::of).collect();
    assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = it.jobs().dead(after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else {
            break;
        };
        after = Died::of(last);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(it.jobs().dead(None, 0).await, Ok(Vec::new()));
    assert_eq!(it.job(id).await.items.len(), 5);
}

pub(crate) async fn a_buried_task_is_on_no_list(it: Fixture) {
    let id = it.submit("a", 2).await;
    let lease = it.begin().await;
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    let before = it.job(id).await;
    it.jobs().bury(&lease.task).await.unwrap();
    assert_eq!(it.job(id).await, before, "its outcome stays");
    assert!(it.jobs().dead(None, 9).await.unwrap().is_empty());
    assert_eq!(it.jobs().task(&lease.task).await, Ok(None));
    let other = [lease.task, generate(id, 2), generate(JobId::random(), 1)];
    for task in other {
        let buried = it.jobs().bury(&task).await;
        assert_eq!(buried, Err(StoreError::NotFound), "{task}");
    }
}

pub(crate) async fn an_outcome_never_changes(it: Fixture) {
    let id = it.submit("a", 2).await;
    let (good, bad) = (it.begin().await, it.begin().await);
    it.complete(&good).await;
    it.jobs().fail(&bad, failure(Retry::Never)).await.unwrap();
    let before = it.job(id).await;
    let late = it.jobs().complete(&bad, completion(&bad, "glb")).await;
    assert_eq!(late, Err(StoreError::LeaseLost));
    let late = it.jobs().fail(&good, failure(Retry::Never)).await;
    assert_eq!(late, Err(StoreError::LeaseLost));
    it.jobs().cancel(id).await.unwrap();
    it.lapse().await;
    assert_eq!(it.job(id).await, before);
}
