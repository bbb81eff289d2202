//! A worker that sleeps through its leases, as on a machine that was suspended, writes nothing over its successor's
//! results.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Client, RealServer, Server, jpeg, role};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_through_its_leases_writes_nothing() {
    let redis = RealServer::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let url = redis.url();
    let settings = [
        ("STORE__URL", url.as_str()),
        ("WORKER__LEASE", "2"),
        ("WORKER__EXTEND_EVERY", "1"),
        ("WORKER__SWEEP_EVERY", "0.1"),
        ("LOG__LEVEL", "info,image2model::worker=debug"),
    ];
    let start = |words: &[&str]| Server::run(role(words, &dir, &settings), &dir);
    let api = start(&["api", "--listen=127.0.0.1:0"]);
    let client = Client::new(api.port);
    let _scheduler = start(&["scheduler"]);
    let sleeper = start(&["worker"]);
    let id = client
        .submit(&vec![jpeg(1000); 4], &[("face_limit", "100")])
        .await;
    let begun = |data: &Value| data["status"] == "processing" && !data["file_id"].is_null();
    client.follow(&id, |event| begun(&event.data)).await;
    signal(&sleeper, Signal::STOP);

    let _successor = start(&["worker"]);
    let job = client.ended(&id).await;
    assert_eq!(job["status"], "completed", "{job}");
    let crashed = |item: &&Value| item["crashes"] != 0;
    let lost = job["items"].as_array().unwrap().iter().filter(crashed);
    assert!(lost.count() > 0, "it slept over nothing: {job}");
    let facts = client.events(&id).await.len();
    signal(&sleeper, Signal::CONT);
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let woken = async {
        // It hears that its leases are lost, in the middle of a task or before it began one; or it brings what it has made and
        // is refused.
        let ends = [
            "its lease was lost",
            "taken back while it waited",
            "the result was dropped",
        ];
        while !ends.iter().any(|end| sleeper.log().contains(end)) {
            look.tick().await;
        }
    };
    let woken = tokio::time::timeout(Duration::from_secs(30), woken);
    assert!(woken.await.is_ok(), "{}", sleeper.log());
    assert!(sleeper.terminate().0.success());
    assert_eq!(client.job(&id).await, job);
    assert_eq!(client.events(&id).await.len(), facts);
    for item in job["items"].as_array().unwrap() {
        let path = item["files"][0]["url"].as_str().unwrap();
        let (status, bytes) = client.bytes(path.trim_start_matches("/api/v1")).await;
        assert!(status.is_success() && bytes.starts_with(b"glTF"), "{item}");
    }
}

fn signal(process: &Server, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process.pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}
