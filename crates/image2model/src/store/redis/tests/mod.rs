#[path = "../../../../tests/it/support/redis/mod.rs"]
#[expect(dead_code, unused_imports, reason = "what other tests include it for")]
pub(crate) mod real;

mod acks;
mod bulk;
mod damaged;
mod failing;
mod fleets;
mod refusing;
mod standing;
mod uncovered;
mod vanishing;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Settings, Time, keys::Shards, open};
use crate::{
    job::{
        Flow, JobId, JobStatus, Lane, Lease, Queue, RetryPolicy, TaskId, Work, WorkerId,
        transition::{Completion, NewJob},
    },
    store::{
        Created, Held, News, Progress, Reserve, Store, StoreError, Swept,
        conformance::{self, Fixture, ManualClock, suite},
    },
};
use real::RealServer;

suite!(super::fixture);

async fn fixture() -> Fixture {
    fixture_of(1).await
}

/// The order of service is exact within a shard only; what does not depend on it must hold over many.
mod sixteen_shards {
    use super::{Fixture, fixture_of};
    use crate::store::conformance::every_case_without_order;

    every_case_without_order! { suite super::fixture }

    async fn fixture() -> Fixture {
        fixture_of(16).await
    }
}

async fn fixture_of(shards: u16) -> Fixture {
    let server = RealServer::start(&[]);
    let clock = Arc::new(ManualClock::default());
    let settings = Settings {
        time: Time::Given(clock.clone()),
        ..settings(&server, shards)
    };
    Fixture {
        open: Some(open(settings).await.unwrap()),
        clock,
        reopen: None,
        _kept: Arc::new(server),
    }
}

fn settings(server: &RealServer, shards: u16) -> Settings {
    Settings {
        shards,
        ..Settings::new(&server.url(), RetryPolicy::default())
    }
}

/// A command's answer, on a connection of its own.
fn ask<T: redis::FromRedisValue>(server: &RealServer, command: &[&str]) -> T {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut cmd = redis::Cmd::new();
    cmd.arg(command).query(&mut connection).unwrap()
}

async fn opened(server: &RealServer, shards: u16) -> Store {
    open(settings(server, shards)).await.unwrap()
}

async fn opened_at(url: &str) -> Store {
    let settings = Settings::new(url, RetryPolicy::default());
    open(settings).await.unwrap()
}

fn new_job(items: usize) -> NewJob {
    conformance::new_job("127.0.0.1", items)
}

async fn create(store: &Store, items: usize) -> JobId {
    match store.jobs.create_job(new_job(items)).await.unwrap() {
        Created::New(job) => job.id,
        Created::Existing(job) => panic!("{} existed already", job.id),
    }
}

async fn reserve(store: &Store, limit: usize) -> Vec<Lease> {
    let first = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId("worker".to_owned()),
        limit,
        lease: Duration::from_secs(30),
    };
    let reserved = store.jobs.reserve(first).await.unwrap();
    reserved.into_iter().map(|r| r.lease).collect()
}

async fn complete(store: &Store, lease: &Lease) {
    let done = store.jobs.complete(lease, Completion::default()).await;
    assert_eq!(done, Ok(()));
}

/// Calls of a command since the last `CONFIG RESETSTAT`.
fn calls(server: &RealServer, command: &str) -> u64 {
    let stats: String = ask(server, &["INFO", "commandstats"]);
    let start = format!("cmdstat_{command}:calls=");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&start));
    calls.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_too_late_decides_anew() {
    let server = RealServer::start(&[]);
    let stores = [opened(&server, 1).await, opened(&server, 1).await];
    let id = create(&stores[0], 25).await;
    let leases = reserve(&stores[0], 25).await;
    stores[1].jobs.start(&leases).await.unwrap();
    ask::<()>(&server, &["CONFIG", "RESETSTAT"]);
    let ends = leases.iter().zip(stores.iter().cycle());
    let ends = ends.map(|(lease, store)| complete(store, lease));
    futures::future::join_all(ends).await;
    let job = stores[0].jobs.job(id).await.unwrap().unwrap();
    assert_eq!(job.status(), JobStatus::Completed);
    assert_eq!(job.facts.len(), 1 + 25 + 25 + 1);
    let scripts = calls(&server, "evalsha");
    println!("25 items of one job that end at once: {scripts} scripts");
    assert!((51..1_500).contains(&scripts), "{scripts} scripts");
}

/// A reservation changes no job, so only the lease tells the two apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_meets_a_reservation() {
    let server = RealServer::start(&[]);
    let (api, worker) = (opened(&server, 1).await, opened(&server, 1).await);
    let mut met = BTreeMap::<_, u32>::new();
    for _ in 0..60 {
        let id = create(&api, 1).await;
        let work = async {
            let leases = reserve(&worker, 1).await;
            let held = worker.jobs.start(&leases).await.unwrap();
            (leases, held)
        };
        let (cancelled, (leases, held)) = tokio::join!(api.jobs.cancel(id), work);
        cancelled.unwrap();
        let task = api
            .jobs
            .task(&TaskId {
                job: id,
                work: Work::Generate { item: 1 },
            })
            .await
            .unwrap();
        let begun = held.iter().any(|held| *held != Held::Lost);
        assert_eq!(task.is_some(), begun, "{held:?}");
        if begun {
            complete(&worker, &leases[0]).await;
        }
        *met.entry((leases.len(), begun)).or_default() += 1;
        let job = api.jobs.job(id).await.unwrap().unwrap();
        assert_eq!(job.status(), JobStatus::Cancelled);
        assert!(api.jobs.depths().await.unwrap().is_empty());
    }
    println!("reserved, begun: {met:?}");
}

#[tokio::test]
async fn a_full_server_refuses_and_nothing_is_half_written() {
    let server = RealServer::start(&["--enable-debug-command", "yes"]);
    let store = opened(&server, 1).await;
    let id = create(&store, 3).await;
    let lease = reserve(&store, 1).await;
    store.jobs.start(&lease).await.unwrap();
    let before: String = ask(&server, &["DEBUG", "DIGEST"]);
    ask::<()>(&server, &["CONFIG", "SET", "maxmemory", "1000"]);
    let full = StoreError::Unavailable("Redis is out of memory".to_owned());
    let created = store.jobs.create_job(new_job(25)).await;
    assert_eq!(created, Err(full.clone()));
    let further = store.jobs.request_format(id.item(1), "obj").await;
    assert!(further.is_err(), "{further:?}");
    assert_eq!(store.jobs.ping().await, Err(full));
    let after: String = ask(&server, &["DEBUG", "DIGEST"]);
    assert_eq!(after, before);
    assert!(store.jobs.job(id).await.unwrap().is_some(), "still read");
    ask::<()>(&server, &["CONFIG", "SET", "maxmemory", "0"]);
    create(&store, 25).await;
}

/// Else no job would come to its end, and no ended one be removed, and the memory would stay full.
#[tokio::test]
async fn what_was_accepted_ends_and_goes_on_a_full_server() {
    let server = RealServer::start(&[]);
    let store = opened(&server, 1).await;
    let (made, cancelled) = (create(&store, 1).await, create(&store, 1).await);
    ask::<()>(&server, &["CONFIG", "SET", "maxmemory", "1000"]);
    store.jobs.cancel(cancelled).await.unwrap();
    let lease = reserve(&store, 1).await;
    let long = Duration::from_secs(30);
    assert_eq!(store.jobs.start(&lease).await, Ok(vec![Held::Yes]));
    assert_eq!(store.jobs.extend(&lease, long).await, Ok(vec![Held::Yes]));
    complete(&store, &lease[0]).await;
    let leader = WorkerId("leader".to_owned());
    assert_eq!(store.presence.lead("sweeps", &leader, long).await, Ok(true));
    store.jobs.sweep().await.unwrap();
    for id in [made, cancelled] {
        store.jobs.request_removal(id).await.unwrap();
        let removal = Reserve {
            queue: Queue::Maintenance,
            lane: Lane::local(),
            worker: leader.clone(),
            limit: 1,
            lease: long,
        };
        let lease = store.jobs.reserve(removal).await.unwrap().remove(0).lease;
        store
            .jobs
            .start(std::slice::from_ref(&lease))
            .await
            .unwrap();
        store.jobs.removed(&lease).await.unwrap();
        assert_eq!(store.jobs.job(id).await, Ok(None));
    }
}

#[tokio::test]
async fn a_transition_of_a_known_job_is_one_round_trip() {
    let server = RealServer::start(&[]);
    // A server's time would be asked again after a while.
    let store = open(Settings {
        time: Time::Given(Arc::new(ManualClock::default())),
        ..settings(&server, 1)
    });
    let store = store.await.unwrap();
    let run = async |store: &Store| {
        create(store, 4).await;
        let leases = reserve(store, 4).await;
        store.jobs.start(&leases).await.unwrap();
        let longer = Duration::from_secs(30);
        store.jobs.extend(&leases, longer).await.unwrap();
        for lease in &leases {
            complete(store, lease).await;
        }
    };
    run(&store).await;
    ask::<()>(&server, &["CONFIG", "RESETSTAT"]);
    run(&store).await;
    // Create, reserve, start and extend of one job's four, each item's end; one shard's queue is not looked at before,
    // so the start has to load the job.
    assert_eq!(calls(&server, "evalsha"), 1 + 1 + 2 + 1 + 4);
}

#[tokio::test]
async fn every_key_carries_its_shard() {
    let server = RealServer::start(&[]);
    let store = opened(&server, 16).await;
    for _ in 0..40 {
        create(&store, 2).await;
    }
    let leases = reserve(&store, 40).await;
    assert_eq!(leases.len(), 40);
    store.jobs.start(&leases).await.unwrap();
    for lease in &leases {
        complete(&store, lease).await;
    }
    store.jobs.ping().await.unwrap();
    let keys: Vec<String> = ask(&server, &["KEYS", "*"]);
    let untagged = keys.iter().filter(|key| !key.starts_with("i2m:{"));
    assert_eq!(untagged.collect::<Vec<_>>(), ["i2m:masters"]);
    let depths = store.jobs.depths().await.unwrap();
    let depth = &depths[&(Queue::ModelGeneration, Lane::local())];
    assert_eq!((depth.ready, depth.leased), (40, 0));
}

async fn refusal(settings: Settings) -> String {
    open(settings).await.map(|_| ()).unwrap_err().to_string()
}

#[tokio::test]
async fn another_number_of_shards_is_refused() {
    let server = RealServer::start(&[]);
    opened(&server, 16).await;
    opened(&server, 16).await;
    let refused = refusal(settings(&server, 4)).await;
    let expected = "has a store of 16 shards, which cannot be used with 4 (store.shards)";
    assert!(refused.ends_with(expected), "{refused}");
    ask::<()>(&server, &["HSET", "i2m:{03}:meta", "format", "7"]);
    let refused = refusal(settings(&server, 16)).await;
    assert!(refused.contains("of format version 7"), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_without_its_password() {
    let settings = Settings {
        limit: Duration::from_millis(500),
        ..Settings::new("redis://me:secret@127.0.0.1:1/0", RetryPolicy::default())
    };
    assert_eq!(
        refusal(settings).await,
        "cannot use the Redis at 127.0.0.1:1: the store is unavailable: nothing listens at Redis's address"
    );
    let nonsense = Settings::new("http://secret@here", RetryPolicy::default());
    let refused = refusal(nonsense).await;
    assert!(refused.starts_with("store.url is no address"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}

#[tokio::test]
async fn a_restarted_server_is_found_again_with_all_that_it_kept() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = RealServer::start(&durable);
    let store = opened(&server, 16).await;
    let mut watch = store.jobs.watch();
    let id = create(&store, 1).await;
    let lease = reserve(&store, 1).await;
    store.jobs.start(&lease).await.unwrap();
    server.end();
    let gone = store.jobs.job(id).await;
    assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");
    server.restart(&durable);
    complete(&store, &lease[0]).await;
    let job = store.jobs.job(id).await.unwrap().unwrap();
    assert_eq!(job.status(), JobStatus::Completed);
    let mut told = Vec::new();
    while told.len() < job.facts.len() {
        let piece = tokio::time::timeout(Duration::from_secs(10), watch.recv()).await;
        if let News::Facts { facts, .. } = piece.expect("news in time").unwrap() {
            told.extend_from_slice(&facts);
        }
    }
    assert_eq!(told, job.facts);
}

/// A new primary may lack what its forerunner told last, and have told other things since.
#[tokio::test]
async fn what_was_read_and_is_not_there_any_more_is_told_as_missed() {
    let server = RealServer::start(&[]);
    let store = opened(&server, 1).await;
    let mut watch = store.jobs.watch();
    create(&store, 1).await;
    watch.recv().await.unwrap();
    let news: Vec<String> = ask(&server, &["KEYS", "*:news"]);
    let [news] = &news[..] else {
        panic!("{news:?}")
    };
    let last: redis::streams::StreamRangeReply = ask(&server, &["XREVRANGE", news, "+", "-"]);
    let client = redis::Client::open(server.url()).unwrap();
    let mut revised = redis::pipe();
    revised.atomic().xdel(news, &[&last.ids[0].id]);
    revised.xadd(news, "*", &[("told", "[]")]);
    revised.cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]);
    let () = revised
        .query(&mut client.get_connection().unwrap())
        .unwrap();
    let missed = async { while !matches!(watch.recv().await.unwrap(), News::Missed) {} };
    let in_time = tokio::time::timeout(Duration::from_secs(10), missed).await;
    in_time.expect("readers are told");
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let server = RealServer::start(&[]);
    let quick = Settings {
        limit: Duration::from_millis(200),
        ..settings(&server, 1)
    };
    let store = open(quick).await.unwrap();
    ask::<()>(&server, &["CLIENT", "PAUSE", "2000"]);
    let silent = StoreError::Unavailable("Redis does not answer".to_owned());
    // The second time no connection is open, and all wait for a new one.
    for _ in 0..2 {
        let begun = Instant::now();
        let pings = (0..20).map(|_| store.jobs.ping());
        for answer in futures::future::join_all(pings).await {
            assert_eq!(answer, Err(silent.clone()));
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(700), "{took:?}");
    }
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert_eq!(store.jobs.ping().await, Ok(()));
}

#[tokio::test]
async fn time_is_the_servers() {
    let server = RealServer::start(&[]);
    let store = opened(&server, 16).await;
    let now = || {
        std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_millis() as i64
    };
    let before = now();
    let id = create(&store, 1).await;
    let created = store.jobs.job(id).await.unwrap().unwrap().created.0;
    assert!((before..=now()).contains(&created));
    assert_eq!(store.jobs.sweep().await, Ok(Swept::default()));
}

/// Each shard counts for itself what it has served.
#[tokio::test]
async fn a_shard_that_had_little_to_do_does_not_go_first_for_ever() {
    let server = RealServer::start(&[]);
    let store = opened(&server, 16).await;
    let shards: Vec<_> = Shards(16).all().take(2).collect();
    let create = async |shard: usize, items| {
        let mut new = new_job(items);
        while Shards(16).of(new.id) != shards[shard] {
            new.id = JobId::random();
        }
        new.flow = Flow(format!("{shard}"));
        store.jobs.create_job(new).await.unwrap();
    };
    for _ in 0..20 {
        create(0, 25).await;
        assert_eq!(reserve(&store, 25).await.len(), 25);
    }
    create(1, 1).await;
    assert_eq!(reserve(&store, 1).await.len(), 1);
    create(1, 20).await;
    create(0, 20).await;
    let served = reserve(&store, 20).await;
    let late = served
        .iter()
        .filter(|lease| Shards(16).of(lease.task.job) == shards[1]);
    assert_eq!(late.count(), 10);
}

/// Leases belong to other processes.
#[tokio::test]
async fn opening_again_takes_nothing_back() {
    let server = RealServer::start(&[]);
    let store = opened(&server, 16).await;
    create(&store, 1).await;
    let leases = reserve(&store, 1).await;
    store.jobs.start(&leases).await.unwrap();
    let another = opened(&server, 16).await;
    assert_eq!(another.jobs.sweep().await, Ok(Swept::default()));
    drop(store);
    complete(&another, &leases[0]).await;
}

#[tokio::test]
async fn progress_of_many_items_is_one_script_and_kept_for_a_day() {
    let server = RealServer::start(&[]);
    let store = opened(&server, 1).await;
    let id = create(&store, 2).await;
    let leases = reserve(&store, 2).await;
    store.jobs.start(&leases).await.unwrap();
    let update = |item, percent| Progress {
        item: id.item(item),
        percent,
        step: "shape".to_owned(),
    };
    store.jobs.progress(vec![update(1, 5)]).await.unwrap();
    ask::<()>(&server, &["CONFIG", "RESETSTAT"]);
    let both = vec![update(1, 50), update(2, 60)];
    store.jobs.progress(both.clone()).await.unwrap();
    assert_eq!(calls(&server, "evalsha"), 1);
    assert_eq!(store.jobs.newest_progress(&[id]).await, Ok(both));
    let key = |item| format!("i2m:{{00}}:progress:{id}:{item}");
    let left: u64 = ask(&server, &["TTL", &key(2)]);
    assert!((86_390..=86_400).contains(&left), "{left} s");
    complete(&store, &leases[1]).await;
    let kept: Vec<String> = ask(&server, &["KEYS", "*:progress:*"]);
    assert_eq!(kept, [key(1)], "it ends with its item");
}
