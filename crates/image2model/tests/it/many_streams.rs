//! Thousands of open event streams on one real process: no polling, little memory, all told of the end.

use std::{fs, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
};

use crate::support::{Client, RealServer, Server, allow_many_connections, soak, tiny};

const AT_ONCE: usize = 100;
const QUIET: Duration = Duration::from_secs(5);
/// Bytes of the process itself, and of each stream.
const OWN_MEMORY: u64 = 64 << 20;
const STREAMS_MEMORY: u64 = 20 << 10;
/// Share of one core.
const MOST_CPU: f64 = 0.05;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_cost_no_polling_and_little_memory() {
    story(1000, &[]).await;
}

/// However many streams there are, Redis has one blocked reader for each process; in `make soak` there are ten thousand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_share_one_reader_of_redis() {
    let redis = RealServer::start(&[]);
    let url = redis.url();
    let streams = if soak() { 10_000 } else { 500 };
    let blocked = || {
        let clients: String = redis.ask(&["INFO", "clients"]);
        let line = clients
            .lines()
            .find_map(|line| line.strip_prefix("blocked_clients:"));
        line.unwrap().trim().parse::<u32>().unwrap()
    };
    allow_many_connections();
    let most = story_with(streams, &[("STORE__URL", &url)], blocked).await;
    assert!(most <= 1, "{most} blocked readers");
}

async fn story(streams: usize, settings: &[(&str, &str)]) {
    story_with(streams, settings, || ()).await;
}

/// What `look` sees while all streams are open.
async fn story_with<T>(streams: usize, settings: &[(&str, &str)], look: impl FnOnce() -> T) -> T {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    // Where folders for results would be made lies a file: every attempt fails, and the next is an hour away.
    fs::create_dir_all(data.join("artifacts")).unwrap();
    fs::write(data.join("artifacts/jobs"), "").unwrap();
    // All of them come from one address.
    let mut all = vec![
        ("RETRY__BASE", "3600"),
        ("RETRY__CAP", "3600"),
        ("HTTP__MAX_CONNECTIONS_PER_ADDRESS", "0"),
    ];
    all.extend(settings);
    let server = Server::start(&data, &all);
    let client = Client::new(server.port);
    let job = client.submit(&[tiny(1)], &[]).await;
    client
        .follow(&job, |event| event.name == "task_retry")
        .await;

    let alone = server.resident_bytes();
    let (told, mut heard) = mpsc::channel(streams);
    let mut readers = JoinSet::new();
    // As people come, and not all in the same moment.
    for opened in 1..=streams {
        readers.spawn(read(server.port, job.clone(), told.clone()));
        if opened % AT_ONCE == 0 {
            for _ in 0..AT_ONCE {
                heard.recv().await.unwrap();
            }
        }
    }

    let before = cpu_seconds(server.pid());
    tokio::time::sleep(QUIET).await;
    let share = (cpu_seconds(server.pid()) - before) / QUIET.as_secs_f64();
    let memory = server.resident_bytes();
    let seen = look();
    println!(
        "{streams} streams: {:.1} % of a core, {} MB, {} KB each",
        share * 100.0,
        memory >> 20,
        (memory.saturating_sub(alone) / streams as u64) >> 10
    );
    assert!(share <= MOST_CPU, "{share:.3} of a core");
    let most = OWN_MEMORY + streams as u64 * STREAMS_MEMORY;
    assert!(memory <= most, "{memory} bytes");

    client.post(&format!("/jobs/{job}/cancel")).await;
    while let Some(text) = readers.join_next().await {
        let text = text.unwrap();
        let end = text.rsplit("data: ").next().unwrap();
        let end: Value = serde_json::from_str(end.lines().next().unwrap()).unwrap();
        assert!(text.contains("event: task_cancelled"));
        assert_eq!(end["status"], "cancelled");
    }
    seen
}

/// Reads one stream to its end; says when it has heard all there is to hear for now.
async fn read(port: u16, job: String, told: mpsc::Sender<()>) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /api/v1/status/tasks/{job}/stream HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    let mut caught_up = false;
    loop {
        let count = connection.read(&mut buffer).await.unwrap();
        if count == 0 {
            return String::from_utf8(text).unwrap();
        }
        text.extend_from_slice(&buffer[..count]);
        if !caught_up && String::from_utf8_lossy(&text).contains("event: task_retry") {
            caught_up = true;
            told.send(()).await.unwrap();
        }
    }
}

/// Processor time that a process has used, of user and system.
fn cpu_seconds(pid: u32) -> f64 {
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    let fields: Vec<_> = after_name.split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}
