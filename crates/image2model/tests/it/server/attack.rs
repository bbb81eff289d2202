//! Thousands of connections that stall, drip, are half closed or are reset, and one honest client.

use std::{
    io::{Read as _, Write as _},
    iter::successors,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::{HEALTH, House, LONG, connect, house};
use crate::support::{allow_many_connections, soak};

/// Addresses that attackers come from, 127.0.0.2 to 127.0.0.20.
const FIRST: u8 = 2;
const LAST: u8 = 20;
/// Between two questions of the honest client.
const PACE: Duration = Duration::from_millis(20);
const SLOWEST: Duration = Duration::from_millis(100);
/// Bytes of the process itself, and of each connection.
const OWN_MEMORY: u64 = 96 << 20;
const CONNECTION_MEMORY: u64 = 20 << 10;
/// Seconds between two bytes of one who drips, and between two connections of one who is soon done.
const PAUSE: std::ops::Range<f64> = 1.0..4.0;
const BODY: &[u8] = b"POST /api/v1/upload/ HTTP/1.1\r\nhost: localhost\r\n\
    content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n--b\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_client_hardly_notices_an_attack() {
    allow_many_connections();
    let (count, seconds) = if soak() { (10_000, 40) } else { (1000, 10) };
    let House { server, _dir } = house(&[("WORKER__GRACE", "5")]);
    let port = server.port;
    let connected = Arc::new(AtomicU64::new(0));
    let mut attackers = JoinSet::new();
    for number in 0..count {
        attackers.spawn(attack(number, port, connected.clone()));
    }
    // On a thread of its own: on the attackers' it would wait for them.
    let honest = tokio::task::spawn_blocking(move || ask(port, Duration::from_secs(seconds)));
    let mut took = honest.await.unwrap();
    took.sort_unstable();
    let (median, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    let slowest = took[took.len() - 1];
    let memory = server.resident_bytes();
    let connected = connected.load(Relaxed);
    println!(
        "{count} attackers, {connected} connections: median {median:?}, p99 {p99:?}, slowest {slowest:?}, {} MB",
        memory >> 20
    );
    assert!(connected >= count, "{connected} connections");
    // Beside other tests the machine is not this one's alone.
    let allowed = if soak() { SLOWEST } else { 10 * SLOWEST };
    assert!(p99 < allowed, "{p99:?}");
    assert!(memory < OWN_MEMORY + count * CONNECTION_MEMORY, "{memory}");

    let ending = tokio::task::spawn_blocking(|| server.terminate());
    let (status, took) = ending.await.unwrap();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    attackers.abort_all();
}

/// Asks for so long at a steady pace: how long the answers took. Who would have asked while one was awaited would
/// have waited for the rest of that time, and counts as well.
fn ask(port: u16, lasting: Duration) -> Vec<Duration> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < lasting {
        let asked = Instant::now();
        stream.write_all(HEALTH.as_bytes()).unwrap();
        let count = stream.read(&mut buffer).unwrap();
        assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
        let took = asked.elapsed();
        times.extend(successors(Some(took), |left| left.checked_sub(PACE)));
        std::thread::sleep(PACE.saturating_sub(took));
    }
    times
}

/// Comes again whenever it is cut off; those who hold on for as long as they may, all together.
async fn attack(number: u64, port: u16, connected: Arc<AtomicU64>) {
    let address = FIRST + (number % u64::from(LAST - FIRST + 1)) as u8;
    let how = number % 5;
    loop {
        match connect(address, port).await {
            Ok(stream) => {
                connected.fetch_add(1, Relaxed);
                // Being cut off is what it is for.
                let _ = misuse(how, stream).await;
            }
            Err(_) => tokio::time::sleep(pause()).await,
        }
        if how > 2 {
            tokio::time::sleep(pause()).await;
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
