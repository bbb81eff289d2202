//! Servers over a fleet of Redis servers of which some are gone: what clients and operators see.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout;

use crate::support::{
    Client, ClusterFleet, ClusterShape, RealServer, SentinelFleet, Server, command, refusal, tiny,
};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];

/// The store's part of the detailed health.
async fn store(client: &Client) -> Value {
    let health = client.get("/health/detailed").await.body;
    let components = health["components"].as_array().unwrap();
    let redis = components.iter().find(|one| one["name"] == "redis");
    redis.unwrap_or_else(|| panic!("{health}")).clone()
}

/// Polls until a health is told for the store.
async fn store_is(client: &Client, status: &str) -> Value {
    let mut again = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..200 {
        again.tick().await;
        let store = store(client).await;
        if store["status"] == status {
            return store;
        }
    }
    panic!("never {status}: {}", store(client).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_replica_has_is_accepted_when_one_is_back() {
    let fleet = SentinelFleet::start(&["mymaster"], 1, 1);
    let home = tempfile::tempdir().unwrap();
    let url = fleet.url();
    let server = Server::start(
        &home.path().join("data"),
        &[
            ("STORE__URL", url.as_str()),
            ("STORE__REPLICA_ACKS", "1"),
            ("STORE__ACK_TIMEOUT", "0.3"),
        ],
    );
    let client = Client::new(server.port);
    let upload = async || {
        let sent = client
            .upload(&[tiny(1), tiny(2)], FEW_FACES, Some("key"))
            .await;
        sent.unwrap()
    };
    let frozen = fleet.freeze(fleet.replicas("mymaster")[0]);
    for _ in 0..2 {
        let refused = upload().await;
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert_eq!(refused.retry_after, Some(2));
    }
    let told = "0 of the 1 replicas that are wanted confirmed the write within 0.3 s";
    assert!(server.log().contains(told), "{}", server.log());
    drop(frozen);
    let accepted = upload().await;
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    // With the images of the first try, which must be there for all that.
    let job = client
        .ended(accepted.body["job_id"].as_str().unwrap())
        .await;
    assert_eq!(job["status"], "completed", "{job}");
    let kept = store(&client).await["details"]["durability"].to_string();
    assert!(kept.contains("confirmed by replicas (1)"), "{kept}");
    assert!(server.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_in_part_serves_what_it_has_and_says_what_it_lacks() {
    let mut fleet = ClusterFleet::of(&ClusterShape {
        replicas: 0,
        options: &["--appendonly", "yes"],
        ..ClusterShape::default()
    });
    let home = tempfile::tempdir().unwrap();
    let url = fleet.url();
    let server = Server::start(
        &home.path().join("data"),
        &[("STORE__URL", url.as_str()), ("STORE__TIMEOUT", "1")],
    );
    let client = Client::new(server.port);
    assert_eq!(store(&client).await["status"], "healthy");
    // Where who works and who leads is noted must stay.
    let first: u16 = fleet.ask(fleet.primaries()[0].port, &["CLUSTER", "KEYSLOT", "{00}"]);
    let holds_first =
        |slots: &[std::ops::RangeInclusive<u16>]| slots.iter().any(|range| range.contains(&first));
    let gone = fleet.primaries();
    let gone = gone
        .iter()
        .find(|primary| !holds_first(&primary.slots))
        .unwrap();
    fleet.kill(gone.port);
    let (mut accepted, mut refused) = (Vec::new(), 0);
    while accepted.len() < 4 || refused == 0 {
        let sent = client.upload(&[tiny(1)], FEW_FACES, None).await.unwrap();
        match sent.status.as_u16() {
            200 => accepted.push(sent.body["job_id"].as_str().unwrap().to_owned()),
            503 => {
                assert_eq!(sent.retry_after, Some(2));
                refused += 1;
            }
            _ => panic!("{}", sent.body),
        }
    }
    for id in &accepted {
        assert_eq!(client.ended(id).await["status"], "completed");
    }
    let told = store_is(&client, "degraded").await;
    let note = told["details"]["note"].as_str().unwrap();
    let expected = format!(
        "the Redis at 127.0.0.1:{} does not answer; jobs of shard ",
        gone.port
    );
    assert!(note.contains(&expected), "{note}");
    fleet.restart(gone.port);
    fleet.wait_until_whole();
    store_is(&client, "healthy").await;
    for _ in 0..8 {
        client.submit(&[tiny(1)], FEW_FACES).await;
    }

    let frozen = fleet.freeze(gone.port);
    store_is(&client, "degraded").await;
    drop(frozen);
    store_is(&client, "healthy").await;

    let last = fleet.primaries()[2].clone();
    let slot = last.slots[0].end().to_string();
    for primary in fleet.primaries() {
        fleet.ask::<()>(primary.port, &["CLUSTER", "DELSLOTS", &slot]);
    }
    let strict = [
        ("STORE__URL", url.as_str()),
        ("STORE__SKIP_FULL_COVERAGE_CHECK", "false"),
    ];
    let (code, said) = refusal(command(&home.path().join("strict"), 0, &strict));
    assert_eq!(code, Some(2), "{said}");
    let why = "has 1 of its 16384 slots on no server, and store.skip_full_coverage_check is false";
    assert!(said.trim_end().ends_with(why), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_drops_jobs_is_told_in_log_and_health() {
    let redis = RealServer::start(&["--maxmemory-policy", "allkeys-lru", "--appendonly", "yes"]);
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[("STORE__URL", &redis.url())]);
    let client = Client::new(server.port);
    let told = store(&client).await;
    assert_eq!(told["status"], "degraded", "{told}");
    let why = "its maxmemory-policy is allkeys-lru and must be noeviction";
    assert!(told["details"]["note"].to_string().contains(why), "{told}");
    let kept = "appendonly yes, appendfsync everysec";
    assert!(
        told["details"]["durability"].to_string().contains(kept),
        "{told}"
    );
    let log = server.log();
    assert!(log.contains(why) && log.contains(kept), "{log}");
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    store_is(&client, "healthy").await;
}

/// Else the memory would stay full for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_refuses_new_jobs_and_ends_what_it_accepted() {
    let redis = RealServer::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[("STORE__URL", &redis.url())]);
    let client = Client::new(server.port);
    let accepted = client
        .submit(&vec![crate::support::jpeg(600); 6], FEW_FACES)
        .await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1000"]);
    let refused = client.upload(&[tiny(1)], FEW_FACES, None).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(client.ended(&accepted).await["status"], "completed");
    assert!(server.log().contains("Redis is out of memory"));
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    client.submit(&[tiny(1)], FEW_FACES).await;
}

/// The store may take a minute for an answer; who watches a process does not wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn probes_and_scrapes_are_answered_while_redis_hangs() {
    let redis = RealServer::on_tcp(&[]);
    let home = tempfile::tempdir().unwrap();
    let url = redis.url();
    let server = Server::start(
        &home.path().join("data"),
        &[("STORE__URL", url.as_str()), ("STORE__TIMEOUT", "60")],
    );
    let client = Client::new(server.port);
    let frozen = redis.freeze();
    for path in ["/health", "/health/liveness", "/health/ready"] {
        let answer = timeout(Duration::from_secs(20), client.get(path)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{path} waits for the store"));
        // It has not been gone for long enough to send requests elsewhere.
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let scrape = timeout(Duration::from_secs(20), client.bytes("/health/metrics")).await;
    let (_, text) = scrape.expect("metrics wait for the store");
    assert!(
        String::from_utf8(text)
            .unwrap()
            .contains("http_requests_total")
    );
    drop(frozen);
    let job = client.submit(&[tiny(1)], FEW_FACES).await;
    assert_eq!(client.ended(&job).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_asks_for_health_costs_redis_one_question_a_second() {
    let redis = RealServer::on_tcp(&[]);
    let home = tempfile::tempdir().unwrap();
    let url = redis.url();
    let server = Server::start(&home.path().join("data"), &[("STORE__URL", url.as_str())]);
    let client = Client::new(server.port);
    // It is asked by a write, whether it takes one.
    let questions = || {
        let stats: String = redis.ask(&["INFO", "commandstats"]);
        let calls = stats.split("cmdstat_set:calls=").nth(1);
        let calls = calls.and_then(|rest| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
    };
    let (before, began) = (questions(), Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        assert_eq!(client.get("/health/ready").await.status, 200);
    }
    let asked = questions() - before;
    let most = began.elapsed().as_secs() + 1;
    assert!((1..=most).contains(&asked), "{asked} of {most}");
}
