//! HTTP/2, frame by frame.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{House, LONG, connect, house, is_served_again};

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
async fn a_stream_whose_client_takes_nothing_is_reset_and_its_connection_lives() {
    const RST_STREAM: u8 = 3;
    const PING: u8 = 6;
    const ACK: u8 = 1;
    let House { server, _dir } = house(&[("HTTP__WRITE_TIMEOUT", "1")]);
    // The windows of streams are shut from the beginning on.
    let shut = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let mut client = connect(1, server.port).await.unwrap();
    client
        .write_all(&[greeting(), shut, asking(1)].concat())
        .await
        .unwrap();
    let mut came = Vec::new();
    until(&mut client, &mut came, |(kind, ..)| kind == RST_STREAM).await;
    client.write_all(&frame(PING, 0, 0, &[7; 8])).await.unwrap();
    until(&mut client, &mut came, |(kind, flags, _)| {
        (kind, flags) == (PING, ACK)
    })
    .await;
}

/// Reads until such a frame has come.
async fn until(
    client: &mut TcpStream,
    came: &mut Vec<u8>,
    is_it: impl Fn((u8, u8, &[u8])) -> bool,
) {
    while !frames(came).into_iter().any(&is_it) {
        let read = tokio::time::timeout(LONG, client.read_buf(came)).await;
        assert!(read.unwrap().unwrap() > 0, "the connection is over");
    }
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
    let is_end = |(kind, flags, _): (u8, u8, &[u8])| kind <= 1 && flags & END_STREAM != 0;
    until(&mut client, &mut came, is_end).await;
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
