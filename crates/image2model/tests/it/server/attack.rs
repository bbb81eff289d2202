//! Thousands of connections that stall, drip, are half closed or are reset, and one honest client.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::{HEALTH, House, answer, connect, house, sent};
use crate::support::soak;

/// Addresses that attackers come from, 127.0.0.2 to 127.0.0.20.
const FIRST: u8 = 2;
const LAST: u8 = 20;
const SAMPLES: usize = 500;
const SLOWEST: Duration = Duration::from_millis(100);
/// Bytes of the process itself, and of each connection.
const OWN_MEMORY: u64 = 96 << 20;
const CONNECTION_MEMORY: u64 = 20 << 10;
/// Seconds between two bytes of one who drips, and between two connections of anybody: they are many, and no choir.
const PAUSE: std::ops::Range<f64> = 1.0..4.0;
const BODY: &[u8] = b"POST /api/v1/upload/ HTTP/1.1\r\nhost: localhost\r\n\
    content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n--b\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_client_hardly_notices_an_attack() {
    let count = if soak() { 10_000 } else { 1000 };
    let House { server, _dir } = house(&[("WORKER__GRACE", "5")]);
    let port = server.port;
    let mut attackers = JoinSet::new();
    for number in 0..count {
        attackers.spawn(attack(number, port));
    }
    let mut honest = sent(port, HEALTH).await;
    assert!(answer(&mut honest).await.starts_with("HTTP/1.1 200"));
    let mut took = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..SAMPLES {
        pace.tick().await;
        let asked = Instant::now();
        honest.write_all(HEALTH.as_bytes()).await.unwrap();
        assert!(answer(&mut honest).await.starts_with("HTTP/1.1 200"));
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let (median, p99) = (took[SAMPLES / 2], took[SAMPLES * 99 / 100]);
    let memory = server.resident_bytes();
    println!(
        "{count} attackers: median {median:?}, p99 {p99:?}, {} MB",
        memory >> 20
    );
    // Beside other tests the machine is not this one's alone.
    let slowest = if soak() { SLOWEST } else { 10 * SLOWEST };
    assert!(p99 < slowest, "{p99:?}");
    assert!(memory < OWN_MEMORY + count * CONNECTION_MEMORY, "{memory}");

    let ending = tokio::task::spawn_blocking(|| server.terminate());
    let (status, took) = ending.await.unwrap();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    attackers.abort_all();
}

/// Comes again whenever it is cut off.
async fn attack(number: u64, port: u16) {
    let address = FIRST + (number % u64::from(LAST - FIRST + 1)) as u8;
    loop {
        tokio::time::sleep(pause()).await;
        if let Ok(stream) = connect(address, port).await {
            // Being cut off is what it is for.
            let _ = misuse(number % 5, stream).await;
        }
    }
}

async fn misuse(how: u64, mut stream: TcpStream) -> std::io::Result<()> {
    match how {
        0 => {}
        1 => drip(&mut stream, b"GET /health HTTP/1.1\r\nx: ").await?,
        2 => drip(&mut stream, BODY).await?,
        3 => {
            stream.write_all(b"GET /hea").await?;
            stream.shutdown().await?;
        }
        _ => {
            stream.write_all(HEALTH.as_bytes()).await?;
            return stream.set_zero_linger();
        }
    }
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

async fn drip(stream: &mut TcpStream, first: &[u8]) -> std::io::Result<()> {
    stream.write_all(first).await?;
    while timeout(pause(), stream.readable()).await.is_err() {
        stream.write_all(b"x").await?;
    }
    Ok(())
}

fn pause() -> Duration {
    let share = PAUSE.end - PAUSE.start;
    Duration::from_secs_f64(PAUSE.start + share * fastrand::f64())
}
