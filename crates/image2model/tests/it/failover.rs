//! A primary is killed or frozen under steady load: for how long its shards are away, and that nobody else waits.
//! `make e2e` measures it, three times each; here it is once, with short time-outs, and what counts is how requests are
//! answered.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use image2model::job::{JobId, Owner};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};

use crate::support::{
    Client, ClusterFleet, ClusterShape, Frozen, SentinelFleet, SentinelShape, Server, e2e, role,
    tiny,
};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];
const SHARDS: u16 = 16;
const MASTERS: [&str; 3] = ["m1", "m2", "m3"];
/// Between two requests of one kind to one shard over one server.
const PERIOD: Duration = Duration::from_millis(200);
/// How long it must go well before the kill, and how long others are watched after it is over.
const CALM: Duration = Duration::from_secs(2);
/// Far beyond every goal: a machine may have other work.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_one_primary_makes_nobody_else_wait() {
    over_a_cluster("killed", |fleet, port| {
        fleet.kill(port);
        None
    })
    .await;
}

/// Its connections stay open, and nobody is told that it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_one_frozen_primary_makes_nobody_else_wait() {
    over_a_cluster("frozen", |fleet, port| Some(fleet.freeze(port))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_without_one_primary_make_nobody_else_wait() {
    under_sentinels("killed", |fleet, port| {
        fleet.kill(port);
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_with_one_frozen_primary_make_nobody_else_wait() {
    under_sentinels("frozen", |fleet, port| Some(fleet.freeze(port))).await;
}

async fn over_a_cluster(how: &str, end: fn(&mut ClusterFleet, u16) -> Option<Frozen>) {
    let node_timeout = Duration::from_secs(if e2e() { 5 } else { 1 });
    let mut outcomes = Vec::new();
    for _ in 0..runs() {
        let mut fleet = ClusterFleet::of(&ClusterShape {
            node_timeout,
            ..ClusterShape::default()
        });
        let gone = fleet.primaries().remove(0);
        let lie_there = (0..SHARDS).filter(|shard| {
            let slot = fleet.ask(gone.port, &["CLUSTER", "KEYSLOT", &key(*shard)]);
            gone.slots.iter().any(|range| range.contains(&slot))
        });
        let there = lie_there.collect();
        let url = fleet.url();
        outcomes.push(outcome(&url, &there, || end(&mut fleet, gone.port)).await);
    }
    tell(
        &format!("cluster, node time-out {node_timeout:?}, {how}"),
        &outcomes,
    );
}

async fn under_sentinels(how: &str, end: fn(&mut SentinelFleet, u16) -> Option<Frozen>) {
    let down_after = Duration::from_secs(if e2e() { 5 } else { 1 });
    let mut outcomes = Vec::new();
    for _ in 0..runs() {
        let mut fleet = SentinelFleet::of(&SentinelShape {
            masters: &MASTERS,
            replicas_each: 1,
            down_after,
            ..SentinelShape::default()
        });
        let there = (0..SHARDS).filter(|shard| shard % 3 == 0).collect();
        let (url, port) = (fleet.url(), fleet.primary(MASTERS[0]));
        outcomes.push(outcome(&url, &there, || end(&mut fleet, port)).await);
    }
    tell(
        &format!("sentinels, down after {down_after:?}, {how}"),
        &outcomes,
    );
}

fn runs() -> usize {
    if e2e() { 3 } else { 1 }
}

/// A key of a shard.
fn key(shard: u16) -> String {
    format!("i2m:{{{shard:02}}}:")
}

/// Where a job lies.
fn shard_of(job: JobId) -> u16 {
    let id = job.as_uuid().into_bytes();
    let hash = id[..15].iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3_u64)
    });
    u16::try_from(hash % u64::from(SHARDS)).unwrap()
}

/// An idempotency key whose job lies in a shard.
fn key_in(shard: u16) -> String {
    let mut keys = std::iter::repeat_with(|| format!("{:x}", fastrand::u128(..)));
    let lies_there = |key: &String| shard_of(JobId::derived(&Owner::open().0, key)) == shard;
    keys.find(lies_there).unwrap()
}

/// What came of one request.
#[derive(Debug, Clone)]
struct Asked {
    server: usize,
    shard: u16,
    writes: bool,
    sent: Instant,
    took: Duration,
    status: u16,
    /// Whether it says when to come back.
    retry_after: bool,
}

type Log = Arc<Mutex<Vec<Asked>>>;

/// What one kill came to.
#[derive(Debug)]
struct Outcome {
    /// Until each shard of the killed primary had answered reads and writes of both servers.
    back: Duration,
    /// The longest request to other shards, and before the kill to any.
    others: Duration,
    before: Duration,
    refused: usize,
    requests: usize,
}

/// Two API servers over the store, asked for each shard all the time.
async fn outcome(
    store: &str,
    there: &BTreeSet<u16>,
    end: impl FnOnce() -> Option<Frozen>,
) -> Outcome {
    let home = tempfile::tempdir().unwrap();
    let servers = [api(store, &home), api(store, &home)];
    let log = Log::default();
    let mut load = JoinSet::new();
    for (number, server) in servers.iter().enumerate() {
        for shard in 0..SHARDS {
            for writes in [false, true] {
                let client = Client::new(server.port);
                load.spawn(ask_on(client, number, shard, writes, log.clone()));
            }
        }
    }
    let answered = || {
        let log = log.lock().unwrap();
        all_answer(&log, None, &(0..SHARDS).collect())
    };
    until(answered).await;
    let calm = Instant::now();
    sleep_until((calm + CALM).into()).await;

    let killed = Instant::now();
    let _frozen = end();
    until(|| all_answer(&log.lock().unwrap(), Some(killed), there)).await;
    let over = Instant::now();
    sleep_until((over + CALM).into()).await;
    load.shutdown().await;
    let log = log.lock().unwrap();
    check(&log, there);
    summary(&log, calm, killed, there)
}

fn api(store: &str, home: &TempDir) -> Server {
    let dir: PathBuf = home.path().join("data");
    let words = ["api", "--listen=127.0.0.1:0"];
    Server::run(role(&words, &dir, &[("STORE__URL", store)]), &dir)
}

/// Asks how a job of one shard stands, or makes some there.
async fn ask_on(client: Client, server: usize, shard: u16, writes: bool, log: Log) {
    let known = client
        .upload(&[tiny(1)], FEW_FACES, Some(&key_in(shard)))
        .await;
    let path = known.unwrap().body["job_id"].as_str().unwrap().to_owned();
    let path = format!("/status/tasks/{path}/status");
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let sent = Instant::now();
        let answer = if writes {
            let key = key_in(shard);
            client.upload(&[tiny(1)], FEW_FACES, Some(&key)).await
        } else {
            client.try_get(&path).await
        };
        let answer = answer.expect("an API server answers, whatever its store does");
        log.lock().unwrap().push(Asked {
            server,
            shard,
            writes,
            sent,
            took: sent.elapsed(),
            status: answer.status.as_u16(),
            retry_after: answer.retry_after.is_some(),
        });
    }
}

/// Whether each of the shards has answered reads and writes of both servers, to requests after a time.
fn all_answer(log: &[Asked], after: Option<Instant>, shards: &BTreeSet<u16>) -> bool {
    let of_them = |asked: &&Asked| shards.contains(&asked.shard) && is_answer(asked);
    let late = log
        .iter()
        .filter(|asked| after.is_none_or(|after| asked.sent > after));
    let answered: BTreeSet<_> = late.filter(of_them).map(whose).collect();
    answered.len() == 4 * shards.len()
}

fn whose(asked: &Asked) -> (usize, u16, bool) {
    (asked.server, asked.shard, asked.writes)
}

fn is_answer(asked: &Asked) -> bool {
    asked.status == 200
}

async fn until(mut so: impl FnMut() -> bool) {
    let look = async {
        let mut tick = interval(Duration::from_millis(20));
        while !so() {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, look).await.expect("all shards answer");
}

/// No request fails by an error of the server: each is answered, or told to come back.
fn check(log: &[Asked], there: &BTreeSet<u16>) {
    for asked in log {
        let told_to_wait = asked.status == 503 && asked.retry_after && there.contains(&asked.shard);
        assert!(is_answer(asked) || told_to_wait, "{asked:?}");
    }
}

fn summary(log: &[Asked], calm: Instant, killed: Instant, there: &BTreeSet<u16>) -> Outcome {
    let mut back = Duration::ZERO;
    let waited: BTreeSet<_> = log
        .iter()
        .filter(|a| there.contains(&a.shard))
        .map(whose)
        .collect();
    for waiting in waited {
        let mut later = log
            .iter()
            .filter(|a| whose(a) == waiting && a.sent > killed && is_answer(a));
        let first = later.next().unwrap();
        back = back.max((first.sent + first.took).duration_since(killed));
    }
    let longest = |which: &dyn Fn(&Asked) -> bool| {
        log.iter()
            .filter(|a| which(a))
            .map(|a| a.took)
            .max()
            .unwrap_or_default()
    };
    Outcome {
        back,
        others: longest(&|a| a.sent + a.took > killed && !there.contains(&a.shard)),
        before: longest(&|a| a.sent > calm && a.sent + a.took < killed),
        refused: log.iter().filter(|a| a.status == 503).count(),
        requests: log.len(),
    }
}

fn tell(what: &str, outcomes: &[Outcome]) {
    for run in outcomes {
        let Outcome {
            back,
            others,
            before,
            refused,
            requests,
        } = run;
        println!(
            "{what}: back after {back:.2?}; the longest of the others took {others:.0?}, before {before:.0?}; \
             {refused} of {requests} were told to come back"
        );
    }
    let median = |of: fn(&Outcome) -> Duration| {
        let mut all: Vec<_> = outcomes.iter().map(of).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    let (back, others) = (median(|run| run.back), median(|run| run.others));
    println!(
        "{what}, median: back after {back:.2?} (goal: 10 s), others {others:.0?} (goal: 500 ms)"
    );
}
