use std::{collections::HashSet, time::Duration};

use super::{Fixture, ask, failure, generate, new_job};
use crate::{
    job::{Flow, Lane, Priority, Queue, TaskId, transition::Retry},
    store::{Depth, Reserve, Reserved},
};

fn ids(reserved: &[Reserved]) -> Vec<TaskId> {
    reserved.iter().map(|r| r.task.id.clone()).collect()
}

pub(crate) async fn a_flow_is_served_in_its_order(it: Fixture) {
    let first = it.submit("a", 2).await;
    let second = it.submit("a", 1).await;
    let order = [generate(first, 1), generate(first, 2), generate(second, 1)];
    assert_eq!(ids(&it.reserve(2).await), order[..2]);
    assert_eq!(ids(&it.reserve(9).await), order[2..]);
    assert!(it.reserve(9).await.is_empty());
}

pub(crate) async fn a_single_image_passes_two_thousand(it: Fixture) {
    for _ in 0..80 {
        it.submit("crowd", 25).await;
    }
    it.reserve(16).await;
    let single = generate(it.submit("single", 1).await, 1);
    let mut served = Vec::new();
    while !served.contains(&single) {
        let batch = it.reserve(16).await;
        assert!(!batch.is_empty(), "the single image was never served");
        served.extend(ids(&batch));
    }
    let before = served.iter().take_while(|id| **id != single).count();
    assert!(before < 60, "{before} of the crowd went before");
}

pub(crate) async fn busy_flows_take_turns(it: Fixture) {
    it.submit("a", 20).await;
    it.submit("b", 20).await;
    it.submit("c", 20).await;
    for round in 0..10 {
        let served = it.reserve(6).await;
        for flow in ["a", "b", "c"] {
            let flow = Flow(flow.to_owned());
            let share = served.iter().filter(|r| r.task.flow == flow).count();
            assert_eq!(share, 2, "{flow:?} in round {round}");
        }
    }
}

pub(crate) async fn rest_gives_no_credit(it: Fixture) {
    it.submit("rested", 1).await;
    it.submit("busy", 10).await;
    it.reserve(11).await;
    it.submit("busy", 10).await;
    it.submit("rested", 10).await;
    let served = it.reserve(10).await;
    let rested = served.iter().filter(|r| r.task.flow.0 == "rested").count();
    assert_eq!(rested, 5, "turns, not a backlog of credit");
}

pub(crate) async fn high_priority_has_its_own_queue(it: Fixture) {
    it.submit("a", 3).await;
    let mut urgent = new_job("a", 1);
    urgent.priority = Priority::High;
    let urgent = it.create(urgent).await;
    let served = it.reserve_from(Queue::Priority, 9).await;
    assert_eq!(ids(&served), [generate(urgent.id, 1)]);
    assert_eq!(it.reserve(9).await.len(), 3);
}

pub(crate) async fn lanes_are_kept_apart(it: Fixture) {
    it.submit("a", 1).await;
    let elsewhere = Reserve {
        lane: Lane("elsewhere".to_owned()),
        ..ask(Queue::ModelGeneration, 9)
    };
    assert!(it.jobs().reserve(elsewhere).await.unwrap().is_empty());
    assert_eq!(it.reserve(9).await.len(), 1);
}

pub(crate) async fn nothing_is_reserved_twice(it: Fixture) {
    for flow in ["a", "b", "c", "d"] {
        it.submit(flow, 25).await;
    }
    let calls = (0..40).map(|_| it.reserve(3));
    let batches = futures::future::join_all(calls).await;
    let all: Vec<_> = batches.concat();
    let tasks: HashSet<_> = all.iter().map(|r| r.task.id.clone()).collect();
    let tokens: HashSet<_> = all.iter().map(|r| r.lease.token.clone()).collect();
    assert_eq!((all.len(), tasks.len(), tokens.len()), (100, 100, 100));
}

pub(crate) async fn position_is_the_number_ahead(it: Fixture) {
    let crowd = it.submit("crowd", 10).await;
    let single = it.submit("single", 1).await;
    let at = async |id, item| it.jobs().position(&generate(id, item)).await.unwrap();
    assert_eq!(at(crowd, 1).await, Some(0));
    assert_eq!(at(single, 1).await, Some(1));
    assert_eq!(at(crowd, 10).await, Some(10));
    it.reserve(4).await;
    assert_eq!(at(single, 1).await, None, "reserved");
    assert_eq!(at(crowd, 10).await, Some(6));
    assert_eq!(at(crowd, 11).await, None, "no such task");
}

pub(crate) async fn depths_count_each_state(it: Fixture) {
    let created = it.clock.0.load(std::sync::atomic::Ordering::SeqCst);
    it.submit("a", 4).await;
    it.pass(Duration::from_secs(1));
    it.submit("a", 3).await;
    let delayed = it.begin().await;
    let dead = it.begin().await;
    it.reserve(1).await;
    for (lease, retry) in [(delayed, Retry::Backoff), (dead, Retry::Never)] {
        it.jobs().fail(&lease, failure(retry)).await.unwrap();
    }
    let depths = it.jobs().depths().await.unwrap();
    let expected = Depth {
        ready: 4,
        delayed: 1,
        leased: 1,
        dead: 1,
        oldest: Some(created),
    };
    let key = (Queue::ModelGeneration, Lane::local());
    assert_eq!(depths.get(&key), Some(&expected));
    assert!(!depths.contains_key(&(Queue::Priority, Lane::local())));
}

/// What became ready between a look and a wait must end the wait.
pub(crate) async fn becoming_ready_wakes(it: Fixture) {
    let at_once = Duration::from_millis(800);
    assert!(it.reserve(1).await.is_empty());
    it.submit("a", 1).await;
    let wait = it.jobs().wait_for_ready(Queue::ModelGeneration);
    assert!(tokio::time::timeout(at_once, wait).await.is_ok(), "created");
    let waiting = it.store().jobs.clone();
    let wait = tokio::spawn(async move { waiting.wait_for_ready(Queue::Priority).await });
    let mut urgent = new_job("a", 1);
    urgent.priority = Priority::High;
    it.create(urgent).await;
    assert!(tokio::time::timeout(at_once, wait).await.is_ok(), "waited");
    let lease = it.reserve(1).await.remove(0).lease;
    it.jobs().hand_back(&[lease]).await.unwrap();
    let wait = it.jobs().wait_for_ready(Queue::ModelGeneration);
    assert!(
        tokio::time::timeout(at_once, wait).await.is_ok(),
        "handed back"
    );
}
