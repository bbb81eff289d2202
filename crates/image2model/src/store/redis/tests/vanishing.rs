use std::time::Duration;

use super::{RealServer, ask, complete, conformance, create, open, reserve, settings};
use crate::{
    job::{Lane, Owner, Queue, Timestamp, WorkerId},
    store::{Reserve, StoreError, redis::Settings},
};

/// The net below maintenance: what nobody removes vanishes, and leaves no trace in lists.
#[tokio::test]
async fn an_ended_job_is_small_and_vanishes_a_day_after_its_time() {
    let server = RealServer::start(&[]);
    let kept = Duration::from_secs(2 * 86_400);
    let store = open(Settings {
        vanishes_after: Some(kept),
        ..settings(&server, 1)
    });
    let store = store.await.unwrap();
    let id = create(&store, 4).await;
    let key = format!("i2m:{{00}}:job:{id}");
    assert_eq!(ask::<i64>(&server, &["TTL", &key]), -1, "it lives");
    let leases = reserve(&store, 4).await;
    store.jobs.start(&leases).await.unwrap();
    let living: u64 = ask(&server, &["MEMORY", "USAGE", &key]);
    for lease in &leases {
        complete(&store, lease).await;
    }
    let ended: u64 = ask(&server, &["MEMORY", "USAGE", &key]);
    assert!(2 * ended < living, "{living} bytes, then {ended}");
    let left: u64 = ask(&server, &["TTL", &key]);
    assert!((kept.as_secs() - 10..=kept.as_secs()).contains(&left));

    ask::<()>(&server, &["DEL", &key]);
    let all = Timestamp(i64::MAX);
    assert_eq!(store.jobs.removable(all, 9).await, Ok(vec![id]));
    let gone = store.jobs.request_removal(id).await;
    assert_eq!(gone, Err(StoreError::NotFound));
    assert_eq!(store.jobs.removable(all, 9).await, Ok(vec![]));
    let page = store.jobs.list(&Owner::open(), None, 9).await.unwrap();
    assert_eq!((page.jobs, page.next), (vec![], None));
    let traces: Vec<String> = ask(&server, &["KEYS", "*:owner:*"]);
    assert_eq!(traces, Vec::<String>::new());
}

/// They would be left behind.
#[tokio::test]
async fn a_job_that_has_tasks_does_not_vanish_before_they_are_done() {
    let server = RealServer::start(&[]);
    let kept = Duration::from_secs(86_400);
    let store = open(Settings {
        vanishes_after: Some(kept),
        ..settings(&server, 1)
    });
    let store = store.await.unwrap();
    let id = create(&store, 1).await;
    let leases = reserve(&store, 1).await;
    store.jobs.start(&leases).await.unwrap();
    let files = conformance::completion(&leases[0], "glb");
    store.jobs.complete(&leases[0], files).await.unwrap();
    let key = format!("i2m:{{00}}:job:{id}");
    let left = || ask::<i64>(&server, &["TTL", &key]);
    assert!(left() > 0);
    store.jobs.request_format(id.item(1), "obj").await.unwrap();
    assert_eq!(left(), -1, "it has something to do");
    let further = Reserve {
        queue: Queue::BatchProcessing,
        lane: Lane::local(),
        worker: WorkerId("worker".to_owned()),
        limit: 1,
        lease: Duration::from_secs(30),
    };
    let lease = store.jobs.reserve(further).await.unwrap().remove(0).lease;
    let leases = [lease];
    store.jobs.start(&leases).await.unwrap();
    let files = conformance::completion(&leases[0], "obj");
    store.jobs.complete(&leases[0], files).await.unwrap();
    assert!(left() > 0, "it has done it");
}
