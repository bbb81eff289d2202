//! Servers, workers, schedulers and Redis primaries are killed at random while clients submit jobs and follow them: no
//! job is lost, none is done twice, and who followed one knows how it ended.
//!
//! Every process is real. `clients` are as patient as documented clients are: they repeat what had no answer or a 502,
//! 503 or 504, under the same `Idempotency-Key`. The `killer` sees to it that each kind is killed as often as asked,
//! and jobs are dealt out over all its kills. `verdict` looks at what is left when all is whole again.

mod clients;
mod house;
mod killer;
mod paused;
mod primaries;
mod verdict;

use std::time::Instant;

use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};

use crate::support::{Client, ClusterFleet, SentinelFleet, chaos, free_port};

use self::{
    clients::{Clients, follow, submit},
    house::House,
    killer::Killer,
    primaries::Primaries,
};

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
struct Size {
    jobs: usize,
    /// Of each kind of process.
    kills: usize,
    clients: usize,
    /// Of so many jobs one is followed.
    followed: usize,
}

const SHORT: Size = Size {
    jobs: 300,
    kills: 3,
    clients: 4,
    followed: 6,
};

const LONG: Size = Size {
    jobs: 10_000,
    kills: 25,
    clients: 16,
    followed: 20,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_over_a_cluster() {
    let fleet = tokio::task::spawn_blocking(|| ClusterFleet::start(3, 3));
    story(Primaries::Cluster(fleet.await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_under_sentinels() {
    let fleet = tokio::task::spawn_blocking(|| SentinelFleet::start(&primaries::MASTERS, 1, 3));
    story(Primaries::Sentinels(fleet.await.unwrap())).await;
}

async fn story(redis: Primaries) {
    let size = if chaos() { LONG } else { SHORT };
    let seed = fastrand::u64(..);
    println!("seed {seed}, {size:?}");
    let began = Instant::now();
    let home = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()];
    let house = house(&home, &redis.url(), ports);
    let log = house.log();
    let killer = Killer::new(house, redis, size.kills, seed);
    let (total, mut kills) = (killer.total(), killer.kills());
    let killing = tokio::task::spawn_blocking(|| killer.run());

    let clients = Clients::new(ports.map(Client::new));
    let mut submitting = JoinSet::new();
    for first in 0..size.clients {
        let numbers = (first..size.jobs).step_by(size.clients);
        let (clients, kills) = (clients.clone(), kills.clone());
        submitting.spawn(submit_some(clients, numbers, kills, (size, total), seed));
    }
    let (mut accepted, mut followers) = (Vec::new(), Vec::new());
    while let Some(done) = submitting.join_next().await {
        let (some, followed) = done.unwrap();
        accepted.extend(some);
        followers.extend(followed);
    }
    assert_eq!(accepted.len(), size.jobs);
    kills.wait_for(|kills| *kills == total).await.unwrap();
    let ended = killing.await.unwrap();
    println!("all is whole again after {:?}", began.elapsed());

    verdict::on_jobs(&clients, &accepted).await;
    let mut followed = Vec::new();
    for follower in followers {
        followed.push(follower.await.unwrap());
    }
    verdict::on_readers(&clients, &followed).await;
    verdict::on_log(&log);
    verdict::on_kills(&ended.killed(), size.kills);
    let took = began.elapsed();
    println!("{:?}, {}, {took:?}", ended.killed(), clients.told());
}

/// Two of each, and a worker more.
fn house(home: &TempDir, url: &str, ports: [u16; 2]) -> House {
    let shared = format!("file://{}", home.path().join("shared").display());
    let settings = [
        ("STORE__URL", url),
        ("STORE__REPLICA_ACKS", "1"),
        ("ARTIFACTS__URL", &shared),
        ("WORKER__PROVIDER", "instant"),
        ("WORKER__LEASE", "4"),
        ("WORKER__EXTEND_EVERY", "1"),
        ("WORKER__SWEEP_EVERY", "0.2"),
        ("LOG__LEVEL", "info,image2model::worker=debug"),
        ("LOG__FORMAT", "json"),
    ];
    House::start(home.path(), &settings, &ports)
}

type Followers = Vec<tokio::task::JoinHandle<clients::Followed>>;

/// One client's jobs, as many at each kill.
async fn submit_some(
    clients: Clients,
    numbers: impl Iterator<Item = usize>,
    mut kills: watch::Receiver<usize>,
    (size, total): (Size, usize),
    seed: u64,
) -> (Vec<clients::Accepted>, Followers) {
    let (mut accepted, mut followers) = (Vec::new(), Vec::new());
    for number in numbers {
        let due = 1 + number * total / size.jobs;
        kills.wait_for(|kills| *kills >= due).await.unwrap();
        let job = submit(&clients, number, seed).await;
        if number % size.followed == 0 {
            followers.push(tokio::spawn(follow(clients.clone(), job.clone())));
        }
        accepted.push(job);
    }
    (accepted, followers)
}
