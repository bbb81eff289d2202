use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::{HEALTH, House, LONG, answer, connect, drip, house, is_served_again, rest, sent};
use crate::support::{Client, Server, tiny, wrapped};

const HALF_HEAD: &str = "GET /health HTTP/1.1\r\nhost: loc";
const UPLOAD: &str = "POST /api/v1/upload/ HTTP/1.1\r\nhost: localhost\r\n\
    content-type: multipart/form-data; boundary=b\r\ncontent-length: 100000\r\n\r\n--b\r\n";

#[tokio::test]
async fn a_head_has_its_time_however_it_comes() {
    let House { server, _dir } = house(&[("HTTP__HEADER_TIMEOUT", "1")]);
    let begun = Instant::now();
    let mut silent = connect(1, server.port).await.unwrap();
    let mut half = sent(server.port, HALF_HEAD).await;
    let mut dripped = sent(server.port, "GET /").await;
    // The next head on a kept connection has no more time than the first.
    let mut second = sent(server.port, HEALTH).await;
    assert!(answer(&mut second).await.starts_with("HTTP/1.1 200"));
    second.write_all(HALF_HEAD.as_bytes()).await.unwrap();
    // So has one whose first bytes could be HTTP/2's.
    let mut preface = sent(server.port, "PRI * HTTP/2.0\r\n").await;
    assert_eq!(drip(&mut dripped, "x").await, "");
    for stream in [&mut silent, &mut half, &mut second, &mut preface] {
        assert_eq!(rest(stream).await, "");
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_kept_connection_is_closed_when_nothing_is_asked() {
    let House { server, _dir } =
        house(&[("HTTP__HEADER_TIMEOUT", "60"), ("HTTP__IDLE_TIMEOUT", "1")]);
    let mut kept = sent(server.port, HEALTH).await;
    assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    assert_eq!(rest(&mut kept).await, "");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn who_takes_nothing_of_his_answers_is_given_up() {
    let House { server, _dir } = house(&[("HTTP__WRITE_TIMEOUT", "1")]);
    let mut greedy = connect(1, server.port).await.unwrap();
    let asks = "GET /api/v1/models/available HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let asking = async { while greedy.write_all(asks.as_bytes()).await.is_ok() {} };
    let cut = tokio::time::timeout(LONG, asking).await;
    assert!(cut.is_ok(), "he holds his connection");
}

#[tokio::test]
async fn a_dripped_upload_is_refused_for_its_rate() {
    let House { server, _dir } = house(&[]);
    let mut dripped = sent(server.port, UPLOAD).await;
    let said = drip(&mut dripped, "x").await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert!(said.contains("Under 1024 bytes"), "{said}");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let House { server, _dir } = house(&[("HTTP__MAX_CONNECTIONS_PER_ADDRESS", "2")]);
    let mut held = [
        sent(server.port, HEALTH).await,
        sent(server.port, HEALTH).await,
    ];
    for stream in &mut held {
        assert!(answer(stream).await.starts_with("HTTP/1.1 200"));
    }
    let mut third = sent(server.port, HEALTH).await;
    let said = rest(&mut third).await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.contains("Your address has as many"), "{said}");
    let mut neighbour = connect(2, server.port).await.unwrap();
    neighbour.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(answer(&mut neighbour).await.starts_with("HTTP/1.1 200"));
    drop(held);
    is_served_again(server.port).await;
}

#[tokio::test]
async fn a_proxy_that_is_trusted_has_any_number_until_there_are_as_many_as_may_be() {
    let House { server, _dir } = house(&[
        ("HTTP__MAX_CONNECTIONS", "3"),
        ("HTTP__MAX_CONNECTIONS_PER_ADDRESS", "1"),
        ("HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = sent(server.port, HEALTH).await;
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        held.push(stream);
    }
    let said = rest(&mut sent(server.port, HEALTH).await).await;
    assert!(said.contains("The server has as many"), "{said}");
    drop(held);
    is_served_again(server.port).await;
}

#[tokio::test]
async fn the_limit_of_open_files_leaves_room_for_work() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let by = ["sh", "-c", "ulimit -n 128 && exec \"$@\"", "sh"];
    let server = Server::run(wrapped(&by, &data, 0, &[]), &data);
    let mut working = sent(server.port, HEALTH).await;
    assert!(answer(&mut working).await.starts_with("HTTP/1.1 200"));
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(connect(2, server.port).await.unwrap());
    }
    let said = rest(held.last_mut().unwrap()).await;
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 503"),
        "{said}"
    );
    // Files are written for one who is in while nobody else gets in.
    working.write_all(&upload(&tiny(1))).await.unwrap();
    let accepted = answer(&mut working).await;
    let body = accepted.split_once("\r\n\r\n");
    let (_, body) = body.unwrap_or_else(|| panic!("{accepted:?} {}", server.log()));
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{accepted}"));
    drop(held);
    is_served_again(server.port).await;
    let job = body["job_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{body} {}", server.log()));
    let ended = Client::new(server.port).ended(job).await;
    assert_eq!(ended["status"], "completed");
}

/// A request with one picture.
fn upload(picture: &[u8]) -> Vec<u8> {
    let part = "--b\r\ncontent-disposition: form-data; name=\"files\"; filename=\"a.png\"\r\n\
        content-type: image/png\r\n\r\n";
    let form = [part.as_bytes(), picture, b"\r\n--b--\r\n"].concat();
    let head = format!(
        "POST /api/v1/upload/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
            content-type: multipart/form-data; boundary=b\r\n\r\n",
        form.len()
    );
    [head.into_bytes(), form].concat()
}

#[tokio::test]
async fn a_head_has_its_size() {
    let House { server, _dir } = house(&[]);
    let long = "x".repeat(40_000);
    let head = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: {long}\r\n\r\n");
    let said = rest(&mut sent(server.port, &head).await).await;
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{said}"
    );
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let head = format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    let said = rest(&mut sent(server.port, &head).await).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
}

#[tokio::test]
async fn half_open_requests_do_not_hold_up_the_end() {
    let House { server, _dir } = house(&[]);
    let _silent = connect(1, server.port).await.unwrap();
    let _half = sent(server.port, HALF_HEAD).await;
    let mut upload = sent(server.port, UPLOAD).await;
    let mut kept = sent(server.port, HEALTH).await;
    assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200"));
    let ending = tokio::task::spawn_blocking(|| server.terminate());
    let (status, took) = ending.await.unwrap();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    let said = rest(&mut upload).await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.contains("connection: close"), "{said}");
}
