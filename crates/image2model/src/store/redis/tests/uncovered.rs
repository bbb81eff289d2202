//! A cluster of whose slots some are nobody's, or on a server that is gone.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    super::{Settings, keys::Shards, open},
    complete, create, new_job,
    real::{ClusterFleet, eventually},
    refusal, reserve,
};
use crate::{
    job::{JobId, JobStatus, RetryPolicy},
    store::{Held, Store, StoreError},
};

/// The longest that work on what is there may be held up by what is not.
const HELD_UP: Duration = Duration::from_millis(500);

fn settings(fleet: &ClusterFleet) -> Settings {
    Settings::new(&fleet.url(), RetryPolicy::default())
}

/// The first of its slots is the shard's own, for what the tests need of it.
fn slot(fleet: &ClusterFleet, id: JobId) -> u16 {
    let port = fleet.primaries()[0].port;
    let key = Shards(16).of(id).key("");
    fleet.ask(port, &["CLUSTER", "KEYSLOT", &key])
}

/// Jobs by whether the server on `port` has them, at least one of each.
async fn jobs(fleet: &ClusterFleet, store: &Store, port: u16) -> BTreeMap<bool, Vec<JobId>> {
    let mut jobs = BTreeMap::<_, Vec<_>>::new();
    let ranges = fleet.primaries();
    let there = ranges.iter().find(|primary| primary.port == port).unwrap();
    for _ in 0..24 {
        let id = create(store, 1).await;
        let slot = slot(fleet, id);
        let is_there = there.slots.iter().any(|range| range.contains(&slot));
        jobs.entry(is_there).or_default().push(id);
    }
    assert_eq!(jobs.len(), 2);
    jobs
}

/// Works off so many tasks, each step within [`HELD_UP`].
async fn work(store: &Store, count: usize) {
    let mut longest = BTreeMap::new();
    let mut timed = |step, begun: Instant| {
        let longest: &mut Duration = longest.entry(step).or_default();
        *longest = begun.elapsed().max(*longest);
    };
    let mut done = 0;
    while done < count {
        let begun = Instant::now();
        let leases = reserve(store, 2).await;
        timed("reserve", begun);
        assert!(!leases.is_empty(), "{done} of {count}");
        let begun = Instant::now();
        let held = store.jobs.start(&leases).await.unwrap();
        timed("start", begun);
        let begun = Instant::now();
        store
            .jobs
            .extend(&leases, Duration::from_secs(30))
            .await
            .unwrap();
        timed("extend", begun);
        for (lease, held) in leases.iter().zip(held) {
            assert_eq!(held, Held::Yes);
            complete(store, lease).await;
            done += 1;
        }
        let begun = Instant::now();
        store.jobs.sweep().await.unwrap();
        timed("sweep", begun);
        let begun = Instant::now();
        store.jobs.depths().await.unwrap();
        timed("depths", begun);
    }
    println!("longest: {longest:?}");
    assert!(longest.values().all(|took| *took < HELD_UP), "{longest:?}");
}

async fn assert_degraded(store: &Store) {
    let condition = store.jobs.condition().await.unwrap();
    let told = condition.complaints.join("; ");
    assert!(told.contains("shard"), "{condition:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_primary_had_waits_and_the_rest_goes_on() {
    let mut fleet = ClusterFleet::of(&super::real::ClusterShape {
        replicas: 0,
        options: &["--appendonly", "yes"],
        ..Default::default()
    });
    let store = open(settings(&fleet)).await.unwrap();
    let port = fleet.primaries()[2].port;
    let jobs = jobs(&fleet, &store, port).await;
    // Some of what is gone is in a worker's hands.
    let held = reserve(&store, 24).await;
    store.jobs.start(&held[..20]).await.unwrap();
    let (lost, kept): (Vec<_>, Vec<_>) = held
        .into_iter()
        .partition(|lease| jobs[&true].contains(&lease.task.job));
    assert!(!lost.is_empty() && !kept.is_empty());
    fleet.kill(port);
    let both = [lost[0].clone(), kept[0].clone()];
    let begun = Instant::now();
    let extended = store.jobs.extend(&both, Duration::from_secs(30)).await;
    assert_eq!(extended, Ok(vec![Held::Unknown, Held::Yes]));
    assert!(begun.elapsed() < HELD_UP, "{:?}", begun.elapsed());
    let gone = store.jobs.job(jobs[&true][0]).await;
    assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");
    store.jobs.job(jobs[&false][0]).await.unwrap().unwrap();
    assert_degraded(&store).await;
    let mut more = 0;
    while more < 8 {
        if store.jobs.create_job(new_job(1)).await.is_ok() {
            more += 1;
        }
    }
    work(&store, 8).await;
    // A new process is served by what is there, too.
    let another = open(settings(&fleet)).await.unwrap();
    another.jobs.job(jobs[&false][0]).await.unwrap().unwrap();
    fleet.restart(port);
    fleet.wait_until_whole();
    for lease in &lost[..1] {
        store.jobs.start(std::slice::from_ref(lease)).await.unwrap();
        complete(&store, lease).await;
        let job = store.jobs.job(lease.task.job).await.unwrap().unwrap();
        assert_eq!(job.status(), JobStatus::Completed);
        another.jobs.job(job.id).await.unwrap().unwrap();
    }
    let complaints = store.jobs.condition().await.unwrap().complaints;
    assert_eq!(complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_holds_nobody_up() {
    let fleet = ClusterFleet::of(&super::real::ClusterShape {
        replicas: 0,
        ..Default::default()
    });
    let store = open(settings(&fleet)).await.unwrap();
    let port = fleet.primaries()[2].port;
    let jobs = jobs(&fleet, &store, port).await;
    let frozen = fleet.freeze(port);
    work(&store, jobs[&false].len()).await;
    drop(frozen);
    let rest = jobs[&true].len();
    let mut done = 0;
    while done < rest {
        let leases = reserve(&store, 24).await;
        for (lease, held) in leases.iter().zip(store.jobs.start(&leases).await.unwrap()) {
            assert_eq!(held, Held::Yes);
            complete(&store, lease).await;
            done += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_are_nobodys_are_told_and_found_again() {
    let fleet = ClusterFleet::start(3, 0);
    let store = open(settings(&fleet)).await.unwrap();
    let last = fleet.primaries()[2].clone();
    let jobs = jobs(&fleet, &store, last.port).await;
    let (first, end) = (
        last.slots[0].start().to_string(),
        last.slots[0].end().to_string(),
    );
    for primary in fleet.primaries() {
        fleet.ask::<()>(primary.port, &["CLUSTER", "DELSLOTSRANGE", &first, &end]);
    }
    let begun = Instant::now();
    let gone = store.jobs.job(jobs[&true][0]).await;
    let no_home = StoreError::Unavailable("no Redis has this part of the store".to_owned());
    assert_eq!(gone, Err(no_home.clone()));
    println!("refused after {:?}", begun.elapsed());
    assert!(begun.elapsed() < HELD_UP);
    let condition = store.jobs.condition().await.unwrap();
    let told = &condition.complaints[0];
    assert!(told.starts_with("no Redis has shard "), "{told}");
    work(&store, jobs[&false].len()).await;
    let strict = Settings {
        skip_full_coverage_check: false,
        ..settings(&fleet)
    };
    let refused = refusal(strict).await;
    let expected = "of its 16384 slots on no server, and store.skip_full_coverage_check is false";
    assert!(refused.ends_with(expected), "{refused}");
    fleet.ask::<()>(last.port, &["CLUSTER", "ADDSLOTSRANGE", &first, &end]);
    fleet.wait_until_whole();
    // Nobody asks for it here, and still it is found: a worker would wait for it.
    let here = tokio::runtime::Handle::current();
    eventually("the readers find the slots again", || {
        let waits = tokio::task::block_in_place(|| here.block_on(store.jobs.depths())).ok()?;
        let ready: u64 = waits.values().map(|depth| depth.ready).sum();
        (ready == jobs[&true].len() as u64).then_some(())
    });
    work(&store, jobs[&true].len()).await;
}
