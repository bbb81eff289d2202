//! Ways to servers that move, refuse, or do not answer.

use std::{fs, sync::Arc, time::Duration};

use redis::cmd;

use super::{Acks, Address, Certificates, Nodes, Rules};
use crate::{
    job::{Timestamp, transition},
    store::{
        StoreError, conformance,
        redis::{
            commit::Commit,
            entry::{Entry, Loaded},
            keys::Shards,
            script::Scripts,
            tests::real::{ClusterFleet, RealServer, SentinelFleet, eventually},
        },
    },
};

const SHARDS: Shards = Shards(2);
const ACKS: Acks = Acks {
    replicas: 1,
    timeout: Duration::from_millis(300),
};

async fn nodes(url: &str, acks: Option<Acks>) -> Nodes {
    let address = Address::parse(url, Certificates::default(), &Default::default()).unwrap();
    let rules = Rules {
        limit: Duration::from_secs(5),
        connections: 12,
        acks,
    };
    let scripts = Arc::new(Scripts::default());
    Nodes::find(address, SHARDS, scripts, rules).await.unwrap()
}

/// Who has asked in vain once asks again.
#[tokio::test(flavor = "multi_thread")]
async fn homes_are_asked_for_again_after_a_fruitless_look() {
    let mut fleet = SentinelFleet::start(&["mymaster"], 1, 1);
    let nodes = nodes(&fleet.url(), None).await;
    let known = nodes.homes();
    nodes.renew(&known).await;
    let old = fleet.kill_primary("mymaster");
    fleet.wait_for_another("mymaster", old);
    let here = tokio::runtime::Handle::current();
    eventually("the replica's place is found", || {
        tokio::task::block_in_place(|| here.block_on(nodes.renew(&known)));
        let now = nodes.homes();
        (!Arc::ptr_eq(&now, &known) && !nodes.lacks(&now)).then_some(())
    });
}

/// Its connections stay, and the one who waits for it has much time.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_left_for_the_one_in_its_place() {
    let fleet = SentinelFleet::start(&["mymaster"], 1, 1);
    let nodes = nodes(&fleet.url(), None).await;
    let shard = SHARDS.first();
    let ping = || cmd("SET").arg(shard.key("ping")).arg("1").take();
    nodes.ask::<()>(shard, ping()).await.unwrap();
    let old = fleet.primary("mymaster");
    let _frozen = fleet.freeze(old);
    let waits = nodes.ask::<()>(shard, ping());
    let replaced = tokio::task::spawn_blocking(move || {
        fleet.wait_for_another("mymaster", old);
        fleet
    });
    let (answer, _fleet) = tokio::join!(waits, replaced);
    assert_eq!(answer, Ok(()));
}

/// The answer was lost, and another connection has written nothing that it could wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_write_is_confirmed_only_when_replicas_have_it() {
    let fleet = SentinelFleet::start(&["mymaster"], 1, 1);
    let url = fleet.url();
    let new = conformance::new_job("127.0.0.1", 1);
    let (id, shard) = (new.id, SHARDS.of(new.id));
    let (job, tasks) = transition::create(new, Timestamp(7)).unwrap();
    let made = Entry {
        job,
        tasks,
        progress: Default::default(),
    };
    let commit = Commit::between(&Loaded::nothing(shard, id), Some(&made), None).unwrap();
    let scripts = Scripts::default();
    let mut call = scripts.commit.call();
    for key in commit.keys {
        call.key(key);
    }
    for arg in commit.args {
        call.arg(arg);
    }
    let alone = "0 of the 1 replicas that are wanted confirmed the write within 0.3 s".to_owned();
    let processes = [nodes(&url, Some(ACKS)).await, nodes(&url, Some(ACKS)).await];
    let frozen = fleet.freeze(fleet.replicas("mymaster")[0]);
    for nodes in &processes {
        let told = nodes.ask_confirmed::<bool>(shard, call.cmd()).await;
        assert_eq!(told, Err(StoreError::Unavailable(alone.clone())));
    }
    drop(frozen);
    let told = processes[1].ask_confirmed(shard, call.cmd()).await;
    assert_eq!(told, Ok(true));
}

/// Else those who can do without it would pass it over for a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_with_an_error_is_not_silent() {
    let fleet = SentinelFleet::start(&["m1", "m2"], 1, 1);
    let nodes = nodes(&fleet.url(), Some(ACKS)).await;
    let shard = SHARDS.first();
    let text = shard.key("text");
    let set = cmd("SET").arg(&text).arg("no number").take();
    nodes.ask_confirmed::<()>(shard, set).await.unwrap();
    let refused = nodes.ask_confirmed::<()>(shard, cmd("INCR").arg(&text).take());
    let refused = refused.await.unwrap_err().to_string();
    assert!(refused.contains("not an integer"), "{refused}");
    let read = SHARDS
        .all()
        .map(|shard| (shard, cmd("EXISTS").arg(shard.key("text")).take()));
    let all: Vec<Option<u8>> = nodes.ask_reachable(read.collect()).await.unwrap();
    assert_eq!(all, [Some(1), Some(0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_shard_on_the_move_is_asked_goes_where_it_will_be() {
    let fleet = ClusterFleet::start(2, 2);
    let nodes = nodes(&fleet.url(), Some(ACKS)).await;
    let shard = SHARDS.first();
    let [from, to] = [0, 1].map(|n| fleet.primaries()[n].port);
    let slot: u16 = fleet.ask(from, &["CLUSTER", "KEYSLOT", &shard.key("")]);
    let (from, to) = match fleet.primary(slot).port == from {
        true => (from, to),
        false => (to, from),
    };
    let slot = slot.to_string();
    let [from_id, to_id] = [from, to].map(|port| fleet.ask::<String>(port, &["CLUSTER", "MYID"]));
    fleet.ask::<()>(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    fleet.ask::<()>(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);

    let write = cmd("SET").arg(shard.key("ping")).arg("1").take();
    assert_eq!(nodes.ask_confirmed::<()>(shard, write).await, Ok(()));
    // A server that is new to the store knows no script yet.
    let scripts = Scripts::default();
    let mut lead = scripts.lead.call();
    lead.key(shard.key("leaders"));
    lead.arg("role").arg("me").arg(1000).arg("");
    let leader = nodes.ask(shard, lead.cmd()).await;
    assert_eq!(leader, Ok("me".to_owned()));
    let there: u64 = fleet.ask(to, &["CLUSTER", "COUNTKEYSINSLOT", &slot]);
    assert_eq!(there, 2);
}

/// A host that goes without a word is noticed by those who only listen.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn quiet_connections_are_probed() {
    let server = RealServer::on_tcp(&[]);
    let nodes = nodes(&server.url(), None).await;
    let shard = SHARDS.first();
    nodes.ask::<()>(shard, cmd("PING")).await.unwrap();
    let url = server.url();
    let port: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    // Columns: number, own address, theirs, state, queues, timer and when it goes off; 02 is that of the probes.
    let probed = || {
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let mut lines = table.lines().map(|line| line.split_whitespace());
        lines.any(|mut columns| {
            let theirs = columns.nth(2).unwrap_or_default();
            let timer = columns.nth(2).unwrap_or_default();
            theirs.ends_with(&format!(":{port:04X}")) && timer.starts_with("02:")
        })
    };
    eventually("the connection has a timer for probes", || {
        probed().then_some(())
    });
}
