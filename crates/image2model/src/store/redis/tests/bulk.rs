//! Many at once are one round trip to each server.

use super::{
    super::{Settings, open},
    create,
    real::ClusterFleet,
    reserve,
};
use crate::{
    job::{JobId, RetryPolicy},
    store::{Progress, Store},
};

/// Times that each server read something from a client, once nobody else speaks.
fn reads(fleet: &ClusterFleet) -> Vec<u64> {
    let primaries = fleet.primaries();
    let stats = primaries.iter().map(|primary| {
        let stats: String = fleet.ask(primary.port, &["INFO", "stats"]);
        let start = "total_reads_processed:";
        let mut lines = stats.lines();
        let line = lines.find_map(|line| line.strip_prefix(start)).unwrap();
        line.parse().unwrap()
    });
    stats.collect()
}

async fn opened(fleet: &ClusterFleet) -> Store {
    let settings = Settings::new(&fleet.url(), RetryPolicy::default());
    open(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_and_their_progress_are_one_round_trip_to_each_server() {
    let fleet = ClusterFleet::start(3, 0);
    let store = opened(&fleet).await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(create(&store, 1).await);
    }
    let leases = reserve(&store, 50).await;
    store.jobs.start(&leases).await.unwrap();
    let unknown: Vec<_> = (0..50).map(|_| JobId::random()).collect();
    let asked: Vec<_> = ids
        .iter()
        .zip(&unknown)
        .flat_map(|(a, b)| [*a, *b])
        .collect();

    let before = reads(&fleet);
    let idle = reads(&fleet);
    let jobs = store.jobs.jobs(&asked).await.unwrap();
    assert_few_round_trips(&before, &idle, &reads(&fleet), 4);
    for ((job, id), number) in jobs.iter().zip(&asked).zip(0..) {
        assert_eq!(
            job.as_ref().map(|job| job.id),
            (number % 2 == 0).then_some(*id)
        );
    }

    let updates = ids.iter().map(|id| Progress {
        item: id.item(1),
        percent: 40,
        step: "shape".to_owned(),
    });
    let calls = calls(&fleet);
    store.jobs.progress(updates.collect()).await.unwrap();
    assert_eq!(self::calls(&fleet) - calls, 50, "a script for each job");

    let before = reads(&fleet);
    let idle = reads(&fleet);
    let newest = store.jobs.newest_progress(&asked).await.unwrap();
    assert_few_round_trips(&before, &idle, &reads(&fleet), 5);
    let items: Vec<_> = newest.iter().map(|newest| newest.item.job()).collect();
    assert_eq!(items, ids, "nothing of those that are unknown");
    assert!(newest.iter().all(|newest| newest.percent == 40));
    store.jobs.progress(Vec::new()).await.unwrap();
}

/// Of [`reads`] before what is looked at, once more before it, and after it. What this test asks itself costs the same each
/// time; readers of news may have woken up meanwhile.
#[track_caller]
fn assert_few_round_trips(before: &[u64], idle: &[u64], after: &[u64], most: u64) {
    for ((before, idle), after) in before.iter().zip(idle).zip(after) {
        let more = (after - idle).saturating_sub(idle - before);
        assert!(more <= most, "{before} {idle} {after}");
    }
}

/// Scripts that all servers have run.
fn calls(fleet: &ClusterFleet) -> u64 {
    let primaries = fleet.primaries();
    let calls = primaries.iter().map(|primary| {
        let stats: String = fleet.ask(primary.port, &["INFO", "commandstats"]);
        let mut lines = stats.lines();
        let line = lines.find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.map_or(0, |rest| {
            rest.split(',').next().unwrap().parse::<u64>().unwrap()
        })
    });
    calls.sum()
}
