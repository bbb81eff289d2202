//! Several servers over one Redis: what one accepts another shows, and finishes when the first has died.

use std::{net::TcpListener, time::Duration};

use crate::support::{Client, Event, RealServer, Server, command, jpeg, refusal, role, tiny};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_finishes_what_a_killed_one_had_accepted() {
    let redis = RealServer::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let url = redis.url();
    let settings = [
        ("STORE__URL", url.as_str()),
        ("WORKER__LEASE", "2"),
        ("WORKER__EXTEND_EVERY", "1"),
    ];
    let first = Server::start(&dir, &settings);
    let second = Server::start(&dir, &settings);
    let (one, other) = (Client::new(first.port), Client::new(second.port));

    let quick = one.submit(&[tiny(1), tiny(2)], FEW_FACES).await;
    assert_eq!(other.ended(&quick).await["status"], "completed");

    let id = one.submit(&vec![jpeg(1000); 12], FEW_FACES).await;
    other.follow(&id, |event| event.name == "file_update").await;
    first.kill();
    let events = other.events(&id).await;
    let facts: Vec<_> = events.iter().filter_map(Event::fact).collect();
    let numbers: Vec<_> = (1..=u32::try_from(facts.len()).unwrap()).collect();
    assert_eq!(facts, numbers, "{events:#?}");
    let job = other.job(&id).await;
    assert_eq!(job["status"], "completed", "{job}");
    for item in job["items"].as_array().unwrap() {
        assert_eq!(item["status"], "completed", "{job}");
        let url = item["files"][0]["url"].as_str().unwrap();
        let (status, bytes) = other.bytes(url.trim_start_matches("/api/v1")).await;
        assert!(status.is_success() && bytes.starts_with(b"glTF"), "{item}");
    }
    assert!(!dir.join("store.sqlite3").exists(), "one store is enough");
    assert!(second.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_redis_a_server_refuses_for_now_and_comes_back() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = RealServer::start(&durable);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let server = Server::start(&dir, &[("STORE__URL", &redis.url())]);
    let client = Client::new(server.port);
    let before = client.submit(&[tiny(1)], FEW_FACES).await;
    client.ended(&before).await;
    redis.end();
    let refused = client.upload(&[tiny(2)], FEW_FACES, None).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.body);
    redis.restart(&durable);
    let mut again = tokio::time::interval(Duration::from_millis(100));
    let after = loop {
        again.tick().await;
        let sent = client.upload(&[tiny(2)], FEW_FACES, Some("key")).await;
        let sent = sent.unwrap();
        if sent.status.is_success() {
            break sent.body["job_id"].as_str().unwrap().to_owned();
        }
        assert_eq!(sent.status, 503, "{}", sent.body);
    };
    assert_eq!(client.ended(&after).await["status"], "completed");
    assert_eq!(client.job(&before).await["status"], "completed");
    assert!(server.terminate().0.success());
}

#[test]
fn a_redis_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut command = command(&home.path().join("data"), 0, &[]);
    command.arg(format!("--store-url=redis://me:secret@127.0.0.1:{port}/0"));
    let (code, said) = refusal(command);
    assert_eq!(code, Some(2), "{said}");
    let told = format!("cannot use the Redis at 127.0.0.1:{port}: ");
    assert!(said.contains(&told) && !said.contains("secret"), "{said}");
}

#[tokio::test]
async fn a_process_with_the_files_of_another_store_or_without_its_own_does_not_start() {
    let (redis, other) = (RealServer::start(&[]), RealServer::start(&[]));
    let home = tempfile::tempdir().unwrap();
    let [dir, elsewhere] = ["data", "elsewhere"].map(|name| home.path().join(name));
    let (url, another) = (redis.url(), other.url());
    let server = Server::start(&dir, &[("STORE__URL", &url)]);
    let client = Client::new(server.port);
    let job = client.submit(&[tiny(1)], &[("face_limit", "100")]).await;
    assert_eq!(client.ended(&job).await["status"], "completed");

    for (words, dir, settings, why) in [
        (
            &["scheduler"][..],
            &dir,
            &[("STORE__URL", another.as_str())][..],
            "another store's",
        ),
        (
            &["serve", "--listen=127.0.0.1:0"],
            &dir,
            &[],
            "another store's",
        ),
        (
            &["worker"],
            &elsewhere,
            &[("STORE__URL", url.as_str())],
            "other processes",
        ),
    ] {
        let (code, said) = refusal(role(words, dir, settings));
        assert_eq!(code, Some(2), "{said}");
        let refused = said.lines().last().unwrap_or_default();
        assert!(
            refused.starts_with("error: ") && refused.contains(why),
            "{said}"
        );
    }
    assert!(
        !dir.join("store.sqlite3").exists(),
        "nothing is in the way of the rest"
    );
    assert!(server.terminate().0.success());
    let server = Server::start(&dir, &[("STORE__URL", &url)]);
    let client = Client::new(server.port);
    assert_eq!(client.ended(&job).await["status"], "completed");
    assert!(server.terminate().0.success());
}
