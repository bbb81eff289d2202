//! What is told has been confirmed by replicas, where that is asked for.

use std::time::Duration;

use super::{
    super::{Settings, open},
    conformance, create, new_job,
    real::SentinelFleet,
    reserve,
};
use crate::{
    job::{JobStatus, RetryPolicy},
    store::{Created, Store, StoreError},
};

/// One replica must have what is told.
async fn confirmed(fleet: &SentinelFleet) -> Store {
    let settings = Settings {
        replica_acks: 1,
        ack_timeout: Duration::from_millis(300),
        shards: 4,
        connections: 12,
        ..Settings::new(&fleet.url(), RetryPolicy::default())
    };
    open(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_that_no_replica_has() {
    let fleet = SentinelFleet::start(&["mymaster"], 1, 1);
    let store = confirmed(&fleet).await;
    let id = create(&store, 1).await;
    let cancelled = create(&store, 1).await;
    let lease = reserve(&store, 1).await;
    store.jobs.start(&lease).await.unwrap();
    let (made, cancelled) = match lease[0].task.job == id {
        true => (id, cancelled),
        false => (cancelled, id),
    };
    let frozen = fleet.freeze(fleet.replicas("mymaster")[0]);
    let alone = StoreError::Unavailable(
        "0 of the 1 replicas that are wanted confirmed the write within 0.3 s".to_owned(),
    );
    let new = new_job(2);
    let files = conformance::completion(&lease[0], "glb");
    // The second time it is there already, and not confirmed for all that.
    for _ in 0..2 {
        let created = store.jobs.create_job(new.clone()).await;
        assert_eq!(created, Err(alone.clone()));
        let completed = store.jobs.complete(&lease[0], files.clone()).await;
        assert_eq!(completed, Err(alone.clone()));
        assert_eq!(store.jobs.cancel(cancelled).await, Err(alone.clone()));
    }
    drop(frozen);
    let created = store.jobs.create_job(new.clone()).await.unwrap();
    assert!(matches!(created, Created::Existing(job) if job.id == new.id));
    let completed = store.jobs.complete(&lease[0], files).await;
    assert_eq!(completed, Ok(()));
    let job = store.jobs.job(made).await.unwrap().unwrap();
    assert_eq!(job.status(), JobStatus::Completed);
    store.jobs.cancel(cancelled).await.unwrap();
}

/// A connection waits for its own write only, so many writes take many connections, and no more than may be.
#[tokio::test(flavor = "multi_thread")]
async fn many_confirmed_writes_share_the_connections_that_may_be() {
    let fleet = SentinelFleet::start(&["mymaster"], 1, 1);
    let store = confirmed(&fleet).await;
    let primary = fleet.primary("mymaster");
    // This test speaks over a socket, Sentinels say who they are, and the replica has a flag.
    let ours = |line: &&str| {
        let others = ["name=sentinel", " flags=S "];
        line.contains(" addr=127.0.0.1:") && !others.iter().any(|other| line.contains(other))
    };
    let creates = (0..200).map(|_| store.jobs.create_job(new_job(1)));
    for created in futures::future::join_all(creates).await {
        assert!(matches!(created, Ok(Created::New(_))), "{created:?}");
    }
    let list: String = fleet.ask(primary, &["CLIENT", "LIST"]);
    let count = list.lines().filter(ours).count();
    println!("{count} connections");
    assert!((6..=12).contains(&count), "{list}");
}
