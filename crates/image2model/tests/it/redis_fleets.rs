//! The fleets of Redis servers that other stories rely on: they come up, lose a primary and get whole again.

use std::process::{Command, Stdio};

use crate::support::{
    Certificates, Client, ClusterFleet, ClusterShape, RealServer, SentinelFleet, SentinelShape,
    Server, eventually, tiny,
};

#[test]
fn sentinels_replace_a_killed_primary() {
    let mut fleet = SentinelFleet::start(&["mymaster"], 2, 3);
    let first = fleet.primary("mymaster");
    fleet.ask::<()>(first, &["SET", "kept", "1"]);
    for replica in fleet.replicas("mymaster") {
        eventually("a replica has what its primary has", || {
            fleet.ask::<Option<String>>(replica, &["GET", "kept"])
        });
    }
    // Another one by now where the machine stood still for a while.
    let before = fleet.kill_primary("mymaster");
    let after = fleet.wait_for_another("mymaster", before);
    assert_eq!(fleet.ask::<String>(after, &["GET", "kept"]), "1");
    fleet.restart(before);
    fleet.wait_until_whole();
    assert_eq!(fleet.primary("mymaster"), after);
    assert!(fleet.replicas("mymaster").contains(&before));
}

#[test]
fn three_primaries_share_their_sentinels() {
    let mut fleet = SentinelFleet::of(&SentinelShape {
        masters: &["m1", "m2", "m3"],
        replicas_each: 1,
        sentinels: 3,
        options: &["--requirepass", "secret"],
        sentinel_options: &["--requirepass", "other"],
        ..SentinelShape::default()
    });
    let url = fleet.url();
    assert!(url.starts_with("redis+sentinel://127.0.0.1:"), "{url}");
    assert!(url.ends_with("/m1,m2,m3"), "{url}");
    let (kept, watcher) = (fleet.primary("m1"), fleet.sentinels()[0]);
    fleet.kill(watcher);
    let before = fleet.kill_primary("m2");
    fleet.wait_for_another("m2", before);
    assert_eq!(fleet.primary("m1"), kept);
    fleet.restart(watcher);
    fleet.restart(before);
    fleet.wait_until_whole();
}

#[test]
fn a_cluster_replaces_a_killed_primary() {
    let mut fleet = ClusterFleet::start(3, 3);
    let nodes = fleet.url();
    let nodes = nodes.strip_prefix("redis+cluster://127.0.0.1:").unwrap();
    assert_eq!(nodes.split(",127.0.0.1:").count(), 6);
    let before = fleet.primaries();
    assert_eq!(before.len(), 3);
    assert_eq!(before[2].slots, [10_922..=16_383]);
    let old = before[0].port;
    fleet.kill(old);
    let new = fleet.wait_for_another(0, old);
    assert_eq!([new.port], before[0].replicas[..]);
    fleet.restart(old);
    fleet.wait_until_whole();
    assert_eq!(fleet.primary(0).replicas, [old]);
}

#[test]
fn a_cluster_goes_on_with_slots_that_nobody_serves() {
    let mut fleet = ClusterFleet::of(&ClusterShape {
        replicas: 1,
        options: &["--appendonly", "yes"],
        ..ClusterShape::default()
    });
    let [first, _, last] = &fleet.primaries()[..] else {
        panic!("three primaries");
    };
    let (first, last) = (first.port, last.clone());
    assert!(last.replicas.is_empty(), "{last:?}");
    // "b" has slot 3300, "a" 15495.
    fleet.ask::<()>(first, &["SET", "b", "1"]);
    fleet.ask::<()>(last.port, &["SET", "a", "2"]);
    fleet.kill(last.port);
    assert_eq!(fleet.ask::<String>(first, &["GET", "b"]), "1");
    fleet.restart(last.port);
    fleet.wait_until_whole();
    assert_eq!(fleet.ask::<String>(last.port, &["GET", "a"]), "2");
}

#[test]
fn a_server_can_speak_tls_to_those_with_a_certificate() {
    let server = RealServer::on_tls(true, &[]);
    let certificates = server.certificates();
    let url = server.url();
    let answer = |with_certificate| {
        let mut client = Command::new("sh");
        client.args([
            "-c",
            "printf 'PING\\r\\nQUIT\\r\\n' | openssl s_client -quiet \"$@\"",
            "sh",
        ]);
        client.args([
            "-verify_return_error",
            "-connect",
            url.trim_start_matches("rediss://"),
        ]);
        client.arg("-CAfile").arg(certificates.authority());
        if with_certificate {
            let (certificate, key) = certificates.client();
            client.arg("-cert").arg(certificate).arg("-key").arg(key);
        }
        let said = client.stderr(Stdio::null()).output().unwrap().stdout;
        String::from_utf8(said).unwrap()
    };
    assert_eq!(answer(true), "+PONG\r\n+OK\r\n");
    assert_eq!(answer(false), "");
    assert_eq!(server.ask::<String>(&["PING"]), "PONG");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_done_over_a_cluster_and_under_sentinels_that_speak_tls() {
    let cluster = ClusterFleet::of(&ClusterShape {
        tls: true,
        ..ClusterShape::default()
    });
    let (url, certificates) = (cluster.url(), cluster.certificates());
    assert!(url.starts_with("rediss+cluster://"), "{url}");
    does_a_job_over_tls(&url, certificates).await;

    let mut sentinels = SentinelFleet::of(&SentinelShape {
        replicas_each: 1,
        tls: true,
        ..SentinelShape::default()
    });
    let old = sentinels.kill_primary("mymaster");
    sentinels.wait_for_another("mymaster", old);
    let (url, certificates) = (sentinels.url(), sentinels.certificates());
    assert!(url.starts_with("rediss+sentinel://"), "{url}");
    does_a_job_over_tls(&url, certificates).await;
}

async fn does_a_job_over_tls(url: &str, certificates: &Certificates) {
    let (authority, client) = (certificates.authority(), certificates.client());
    let text = |path: &'_ std::path::PathBuf| path.to_str().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(
        dir.path(),
        &[
            ("STORE__URL", url),
            ("STORE__TLS_CA", &text(&authority)),
            ("STORE__TLS_CERT", &text(&client.0)),
            ("STORE__TLS_KEY", &text(&client.1)),
            ("WORKER__PROVIDER", "instant"),
        ],
    );
    let client = Client::new(server.port);
    let id = client.submit(&[tiny(1)], &[]).await;
    let events = client.events(&id).await;
    assert_eq!(events.last().unwrap().name, "task_completed");
}
