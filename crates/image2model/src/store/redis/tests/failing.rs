//! A primary is killed while calls run, and a replica takes its place.

use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;

use super::{
    super::{Settings, open},
    complete, create, new_job,
    real::{ClusterFleet, ClusterShape, SentinelFleet},
    reserve,
};
use crate::{
    job::{JobStatus, RetryPolicy},
    store::{Created, Held, News, Store},
};

/// Patient enough for the fleets' fail-overs, which take some seconds.
async fn patient(url: &str) -> Store {
    let settings = Settings {
        limit: Duration::from_secs(10),
        ..Settings::new(url, RetryPolicy::default())
    };
    open(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_streams_outlive_a_primary_under_sentinels() {
    let mut fleet = SentinelFleet::start(&["m1", "m2"], 1, 3);
    let store = patient(&fleet.url()).await;
    outlive(&store, || {
        fleet.kill_primary("m1");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_streams_outlive_a_primary_of_a_cluster() {
    let mut fleet = ClusterFleet::of(&ClusterShape {
        node_timeout: Duration::from_secs(1),
        ..ClusterShape::default()
    });
    let store = patient(&fleet.url()).await;
    let port = fleet.primaries()[0].port;
    outlive(&store, || fleet.kill(port)).await;
}

async fn outlive(store: &Store, kill: impl FnOnce()) {
    let mut watch = store.jobs.watch();
    let first = create(store, 1).await;
    let leases = reserve(store, 1).await;
    assert_eq!(store.jobs.start(&leases).await, Ok(vec![Held::Yes]));
    // What replicas have not got is lost with its primary; these few have a moment.
    tokio::time::sleep(Duration::from_millis(100)).await;
    kill();
    let begun = Instant::now();
    let creates = (0..40).map(|_| store.jobs.create_job(new_job(1)));
    let creates = futures::future::join_all(creates);
    // Workers go on with what can be reached meanwhile.
    let works = async {
        let (mut longest, mut served) = (Duration::ZERO, 0);
        while begun.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            served += reserve(store, 1).await.len();
            longest = longest.max(asked.elapsed());
            tokio::task::yield_now().await;
        }
        (longest, served)
    };
    let (created, (longest, served)) = tokio::join!(creates, works);
    println!(
        "all created after {:?}; longest reserve {longest:?}, {served} reserved",
        begun.elapsed()
    );
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    assert!(served > 0);
    let mut ids = vec![first];
    for created in created {
        match created {
            // An answer was lost with its connection, and the repeat found the job.
            Ok(Created::New(job) | Created::Existing(job)) => ids.push(job.id),
            Err(error) => panic!("{error}"),
        }
    }
    complete(store, &leases[0]).await;
    let jobs = store.jobs.jobs(&ids).await.unwrap();
    assert!(jobs.iter().all(Option::is_some));
    assert_eq!(jobs[0].as_ref().unwrap().status(), JobStatus::Completed);
    let (mut missed, mut ended) = (false, false);
    while !missed && !ended {
        let news = tokio::time::timeout(Duration::from_secs(20), watch.recv()).await;
        match news.expect("news in time") {
            Ok(News::Missed) | Err(RecvError::Lagged(_)) => missed = true,
            Ok(News::Facts {
                job, first: number, ..
            }) => ended |= job == first && number > 2,
            Ok(_) => {}
            Err(RecvError::Closed) => panic!("no more news"),
        }
    }
    println!("missed: {missed}, told of the end: {ended}");
}
