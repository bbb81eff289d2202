//! A thousand open event streams on one real process: no polling, little memory, all told of the end.

use std::{fs, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
};

use crate::support::{Client, Server, tiny};

const STREAMS: usize = 1000;
const QUIET: Duration = Duration::from_secs(5);
const MOST_MEMORY: u64 = 100 << 20;
/// Share of one core.
const MOST_CPU: f64 = 0.05;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_cost_no_polling_and_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    // Where folders for results would be made lies a file: every attempt fails, and the next is an hour away.
    fs::create_dir_all(data.join("artifacts")).unwrap();
    fs::write(data.join("artifacts/jobs"), "").unwrap();
    let server = Server::start(&data, &[("RETRY__BASE", "3600"), ("RETRY__CAP", "3600")]);
    let client = Client::new(server.port);
    let job = client.submit(&[tiny(1)], &[]).await;
    client
        .follow(&job, |event| event.name == "task_retry")
        .await;

    let (told, mut heard) = mpsc::channel(STREAMS);
    let mut readers = JoinSet::new();
    for _ in 0..STREAMS {
        readers.spawn(read(server.port, job.clone(), told.clone()));
    }
    drop(told);
    for _ in 0..STREAMS {
        heard.recv().await.unwrap();
    }

    let before = cpu_seconds(server.pid());
    tokio::time::sleep(QUIET).await;
    let share = (cpu_seconds(server.pid()) - before) / QUIET.as_secs_f64();
    let memory = server.resident_bytes();
    println!(
        "{STREAMS} streams: {:.1} % of a core, {} MB",
        share * 100.0,
        memory >> 20
    );
    assert!(share <= MOST_CPU, "{share:.3} of a core");
    assert!(memory <= MOST_MEMORY, "{memory} bytes");

    client.post(&format!("/jobs/{job}/cancel")).await;
    while let Some(text) = readers.join_next().await {
        let text = text.unwrap();
        let end = text.rsplit("data: ").next().unwrap();
        let end: Value = serde_json::from_str(end.lines().next().unwrap()).unwrap();
        assert!(text.contains("event: task_cancelled"));
        assert_eq!(end["status"], "cancelled");
    }
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
