use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{HEALTH, House, LONG, answer, connect, drip, house, rest, sent};
use crate::support::{Client, Server, wrapped};

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

/// Places are given back as connections end.
async fn is_served_again(port: u16) {
    let begun = Instant::now();
    while !answer(&mut sent(port, HEALTH).await)
        .await
        .starts_with("HTTP/1.1 200")
    {
        assert!(begun.elapsed() < LONG, "nobody is served any more");
    }
}

#[tokio::test]
async fn the_limit_of_open_files_leaves_room_for_work() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let by = ["sh", "-c", "ulimit -n 128 && exec \"$@\"", "sh"];
    let server = Server::run(wrapped(&by, &data, 0, &[]), &data);
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(connect(2, server.port).await.unwrap());
    }
    let said = rest(held.last_mut().unwrap()).await;
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 503"),
        "{said}"
    );
    drop(held);
    is_served_again(server.port).await;
    let client = Client::new(server.port);
    client.submit(&[crate::support::tiny(1)], &[]).await;
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

/// What a client begins HTTP/2 with.
fn greeting() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes
}

/// GET / over http of localhost, by the static table.
fn asking(stream: u32) -> Vec<u8> {
    let head = [b"\x82\x84\x86\x41\x09".as_slice(), b"localhost"].concat();
    frame(1, 5, stream, &head)
}

#[tokio::test]
async fn a_flood_of_streams_that_are_taken_back_ends_the_connection() {
    const ENHANCE_YOUR_CALM: &[u8] = &[0, 0, 0, 0xb];
    // Nothing else ends it within the time in which the flood must.
    let House { server, _dir } = house(&[
        ("HTTP__HEADER_TIMEOUT", "120"),
        ("HTTP__IDLE_TIMEOUT", "120"),
    ]);
    let mut flood = greeting();
    for stream in (1..2000).step_by(2) {
        flood.extend(asking(stream));
        flood.extend(frame(3, 0, stream, &[0, 0, 0, 8]));
    }
    let mut client = connect(1, server.port).await.unwrap();
    // It may be cut off before all is sent.
    let _ = client.write_all(&flood).await;
    let mut came = Vec::new();
    let reading = client.read_to_end(&mut came);
    // Well before a ping that nobody answers is missed.
    let ended = tokio::time::timeout(LONG / 4, reading).await;
    let _ = ended.expect("the flood goes on");
    let told = goodbye(&came);
    // A reset may have taken it away.
    assert!(told.is_none_or(|why| why == ENHANCE_YOUR_CALM), "{told:?}");
    is_served_again(server.port).await;
}

#[tokio::test]
async fn a_kept_connection_over_http_2_has_its_rest_and_is_told_of_its_end() {
    const NO_ERROR: &[u8] = &[0; 4];
    const END_STREAM: u8 = 1;
    let House { server, _dir } =
        house(&[("HTTP__HEADER_TIMEOUT", "1"), ("HTTP__IDLE_TIMEOUT", "3")]);
    let mut client = connect(1, server.port).await.unwrap();
    let ask = [greeting(), asking(1)].concat();
    client.write_all(&ask).await.unwrap();
    let mut came = Vec::new();
    let is_answered = |came: &[u8]| {
        let mut frames = frames(came).into_iter();
        frames.any(|(kind, flags, _)| kind <= 1 && flags & END_STREAM != 0)
    };
    while !is_answered(&came) {
        let read = tokio::time::timeout(LONG, client.read_buf(&mut came)).await;
        assert!(read.unwrap().unwrap() > 0, "it is not answered");
    }
    // A ping: bytes that are no request neither begin the time of a head nor put the end off.
    client.write_all(&frame(6, 0, 0, &[7; 8])).await.unwrap();
    let reading = client.read_to_end(&mut came);
    let ended = tokio::time::timeout(LONG / 4, reading).await;
    ended.expect("it is kept for ever").unwrap();
    assert_eq!(goodbye(&came), Some(NO_ERROR));
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head, payload.to_vec()].concat()
}

/// Kind, flags and payload of each whole frame.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, &[u8])> {
    let mut found = Vec::new();
    while let [a, b, c, kind, flags, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, next)) = rest.split_at_checked(length) else {
            break;
        };
        found.push((*kind, *flags, payload));
        bytes = next;
    }
    found
}

/// The reason of the last GOAWAY.
fn goodbye(bytes: &[u8]) -> Option<&[u8]> {
    let told = frames(bytes).into_iter().rfind(|(kind, ..)| *kind == 7);
    told.and_then(|(_, _, payload)| payload.get(4..8))
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
