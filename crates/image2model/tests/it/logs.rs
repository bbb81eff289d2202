//! `serve` keeps its log in files.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{Client, Server, command};

#[tokio::test]
async fn requests_lie_in_files_and_stay_off_the_standard_error() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let mut start = command(&dir, 0, &[]);
    start.env("ENVIRONMENT", "production");
    let server = Server::run(start, &dir);
    Client::new(server.port).get("/health/liveness").await;
    let access = dir.join("logs/access.log");
    let begun = Instant::now();
    let line = loop {
        let text = fs::read_to_string(&access).unwrap_or_default();
        if text.contains("/health/liveness") {
            break text;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{text}");
        tokio::task::yield_now().await;
    };
    let line: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["target"], &line["fields"]["status"]),
        (&"access".into(), &200.into())
    );
    assert!(
        !server.log().contains("/health/liveness"),
        "{}",
        server.log()
    );
    let told = fs::read_to_string(dir.join("logs/application.log")).unwrap();
    assert!(
        told.contains("ENVIRONMENT"),
        "what came before there was a folder: {told}"
    );
    server.kill();
}

#[tokio::test]
async fn a_server_that_ends_has_written_every_request() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let server = Server::start(&dir, &[]);
    let client = Client::new(server.port);
    for number in 0..5 {
        client.get(&format!("/no/such/{number}")).await;
    }
    assert!(server.terminate().0.success());
    let text = fs::read_to_string(dir.join("logs/access.log")).unwrap();
    for number in 0..5 {
        assert!(text.contains(&format!("/no/such/{number}")), "{text}");
    }
}

#[tokio::test]
async fn an_administrators_act_is_on_the_standard_error_however_little_else_is() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let settings = [
        ("LOG__LEVEL", "warn"),
        ("LOG__FILES", "false"),
        ("KEYS__ADMIN", "an admin's key"),
    ];
    let server = Server::start(&dir, &settings);
    let client = Client::showing(server.port, "an admin's key");
    let sent = client.post("/logs/rotate").await;
    let begun = Instant::now();
    while !server.log().contains("an administrator's act ") {
        let log = server.log();
        assert!(begun.elapsed() < Duration::from_secs(10), "{sent:?} {log}");
        tokio::task::yield_now().await;
    }
    assert!(!server.log().contains(" INFO image2model"));
    server.kill();
}

#[test]
fn without_files_there_is_no_folder() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let server = Server::start(&dir, &[("LOG__FILES", "false")]);
    assert!(!dir.join("logs").exists());
    server.kill();
}
