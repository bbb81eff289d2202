use std::time::Duration;

use super::{Fixture, LEASE, completion, failure, generate};
use crate::{
    job::{FactKind, ItemStatus, JobStatus, Lease, TaskState, transition::Retry},
    store::{Held, StoreError},
};

const LOST: Result<(), StoreError> = Err(StoreError::LeaseLost);

pub(crate) async fn a_late_holder_is_fenced_off(it: Fixture) {
    let id = it.submit("a", 1).await;
    let late = it.begin().await;
    it.lapse().await;
    let handed_in = it.jobs().complete(&late, completion(&late, "glb")).await;
    assert_eq!(handed_in, LOST, "nobody holds it");
    let current = it.begin().await;
    let handed_in = it.jobs().complete(&late, completion(&late, "glb")).await;
    assert_eq!(handed_in, LOST, "another holds it");
    assert_eq!(it.jobs().fail(&late, failure(Retry::Never)).await, LOST);
    let late_only = [late];
    assert_eq!(it.jobs().start(&late_only).await, Ok(vec![Held::Lost]));
    assert_eq!(
        it.jobs().extend(&late_only, LEASE).await,
        Ok(vec![Held::Lost])
    );
    it.jobs().hand_back(&late_only).await.unwrap();
    it.complete(&current).await;
    let files = &it.job(id).await.items[0].files;
    assert_eq!(*files, completion(&current, "glb").files);
    let [late] = late_only;
    let handed_in = it.jobs().complete(&late, completion(&late, "glb")).await;
    assert_eq!(handed_in, LOST, "it is done");
}

pub(crate) async fn a_renewed_lease_lasts(it: Fixture) {
    it.submit("a", 1).await;
    let lease = it.begin().await;
    for _ in 0..5 {
        it.pass(Duration::from_secs(20));
        let renewed = it.jobs().extend(std::slice::from_ref(&lease), LEASE).await;
        assert_eq!(renewed, Ok(vec![Held::Yes]));
        let swept = it.jobs().sweep().await.unwrap();
        assert_eq!(swept.expired_leases, 0);
    }
    it.complete(&lease).await;
}

pub(crate) async fn a_lease_holds_until_it_is_taken_back(it: Fixture) {
    it.submit("a", 2).await;
    let (one, other) = (it.begin().await, it.begin().await);
    it.pass(LEASE * 2);
    it.complete(&one).await;
    let renewed = it.jobs().extend(std::slice::from_ref(&other), LEASE).await;
    assert_eq!(renewed, Ok(vec![Held::Yes]));
    assert_eq!(it.jobs().sweep().await.unwrap().expired_leases, 0);
}

pub(crate) async fn a_lost_waiting_lease_counts_nothing(it: Fixture) {
    let id = it.submit("a", 1).await;
    for _ in 0..9 {
        assert_eq!(it.reserve(1).await.len(), 1);
        it.lapse().await;
    }
    let job = it.job(id).await;
    assert_eq!((job.items[0].crashes, job.items[0].attempts), (0, 0));
    assert_eq!((job.status(), job.facts.len()), (JobStatus::Queued, 1));
}

pub(crate) async fn a_lost_started_lease_is_a_crash(it: Fixture) {
    let id = it.submit("a", 1).await;
    it.begin().await;
    it.pass(LEASE * 2);
    let swept = it.jobs().sweep().await.unwrap();
    assert_eq!((swept.expired_leases, swept.poisoned), (1, 0));
    let job = it.job(id).await;
    let item = &job.items[0];
    assert_eq!((item.crashes, item.attempts), (1, 0));
    assert_eq!(item.status, ItemStatus::Retrying);
    let last = &job.facts[2].kind;
    assert!(matches!(last, FactKind::Retrying { item: 1, code, .. } if code == "worker_lost"));
    let lease = it.begin().await;
    it.complete(&lease).await;
    assert_eq!(it.job(id).await.status(), JobStatus::Completed);
}

pub(crate) async fn too_many_crashes_are_poison(it: Fixture) {
    let id = it.submit("a", 1).await;
    for crash in 1..=5 {
        it.begin().await;
        it.pass(LEASE * 2);
        let swept = it.jobs().sweep().await.unwrap();
        assert_eq!(swept.poisoned, u64::from(crash == 5), "crash {crash}");
    }
    let job = it.job(id).await;
    assert_eq!(job.status(), JobStatus::Failed);
    assert_eq!(job.items[0].error.as_ref().unwrap().code, "poison");
    assert!(it.reserve(1).await.is_empty());
    let dead = it.jobs().dead(None, 9).await.unwrap();
    assert_eq!((dead.len(), &dead[0].id), (1, &generate(id, 1)));
}

pub(crate) async fn handing_back_counts_nothing_and_keeps_the_place(it: Fixture) {
    let id = it.submit("a", 3).await;
    for _ in 0..9 {
        let (started, waiting) = (it.begin().await, it.reserve(1).await.remove(0));
        assert_eq!(started.task, generate(id, 1));
        assert_eq!(waiting.task.id, generate(id, 2));
        let both = [started, waiting.lease];
        it.jobs().hand_back(&both).await.unwrap();
        it.jobs().hand_back(&both).await.unwrap();
    }
    let job = it.job(id).await;
    assert!(job.items.iter().all(|i| (i.crashes, i.attempts) == (0, 0)));
    assert_eq!(job.items[0].status, ItemStatus::Retrying);
    assert_eq!(job.items[1].status, ItemStatus::Queued);
    let started = |f: &&crate::job::Fact| matches!(f.kind, FactKind::Started { .. });
    assert_eq!(job.facts.iter().filter(started).count(), 9);
    assert_eq!(job.facts.len(), 1 + 9 + 9);
}

pub(crate) async fn starting_twice_is_starting_once(it: Fixture) {
    let id = it.submit("a", 1).await;
    let lease = [it.begin().await];
    let before = it.job(id).await;
    assert_eq!(it.jobs().start(&lease).await, Ok(vec![Held::Yes]));
    assert_eq!(it.job(id).await, before);
    assert_eq!(before.status(), JobStatus::Processing);
    assert_eq!(before.facts[1].kind, FactKind::Started { item: 1 });
}

pub(crate) async fn nothing_ends_before_it_started(it: Fixture) {
    let id = it.submit("a", 1).await;
    let lease = it.reserve(1).await.remove(0).lease;
    let completed = it.jobs().complete(&lease, completion(&lease, "glb")).await;
    assert!(matches!(completed, Err(StoreError::Conflict(_))));
    let failed = it.jobs().fail(&lease, failure(Retry::Never)).await;
    assert!(matches!(failed, Err(StoreError::Conflict(_))));
    assert_eq!(it.job(id).await.status(), JobStatus::Queued);
    assert_eq!(it.jobs().start(&[lease]).await, Ok(vec![Held::Yes]));
}

pub(crate) async fn a_batch_answers_for_each_lease(it: Fixture) {
    let id = it.submit("a", 2).await;
    let mut held = it.reserve(2).await;
    let (first, second) = (held.remove(0).lease, held.remove(0).lease);
    let unknown = Lease {
        token: "forged".to_owned(),
        ..second.clone()
    };
    let batch = [first, unknown, second];
    let answers = vec![Held::Yes, Held::Lost, Held::Yes];
    assert_eq!(it.jobs().start(&batch).await, Ok(answers.clone()));
    it.pass(Duration::from_secs(10));
    let renewed = Duration::from_secs(60);
    assert_eq!(it.jobs().extend(&batch, renewed).await, Ok(answers));
    let task = it.jobs().task(&generate(id, 1)).await.unwrap().unwrap();
    let TaskState::Leased(lease) = task.state else {
        panic!("{:?}", task.state);
    };
    assert_eq!(lease.until.since(it.job(id).await.created), 70_000);
    it.jobs().hand_back(&batch).await.unwrap();
    assert_eq!(it.reserve(9).await.len(), 2);
}
