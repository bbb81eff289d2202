//! The server's memory does not grow with what has gone through it.

use reqwest::StatusCode;

use crate::support::{Client, Server, jpeg, soak};

/// Images of one job, and how many are made between two figures.
const JOB: usize = 5;
const STRETCH: usize = 50;
const MB: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_over_many_images() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[]);
    let client = Client::new(server.port);
    let picture = jpeg(1000);
    // What an allocator keeps for the next picture swings from job to job: the median of a stretch tells.
    let work = async || {
        let mut resident = Vec::new();
        for _ in 0..STRETCH / JOB {
            let id = client.submit(&vec![picture.clone(); JOB], &[]).await;
            assert_eq!(client.ended(&id).await["status"], "completed");
            resident.push(server.resident_bytes());
        }
        resident.sort_unstable();
        resident[resident.len() / 2]
    };
    work().await;
    let early = work().await;
    for _ in 0..if soak() { 17 } else { 0 } {
        work().await;
    }
    let late = work().await;
    println!("resident: {} kB, then {} kB", early / 1024, late / 1024);
    assert!(late * 10 <= early * 12, "{early} bytes grew to {late}");
    assert!(late < 500_000_000, "{late} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_needs_far_less_memory_than_its_images_have_bytes() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[]);
    let client = Client::new(server.port);
    let before = server.peak_bytes();
    let mut pictures = vec![vec![1; 9 * MB]; 10];
    // The last one has the whole refused, so that no work follows.
    pictures.push(Vec::new());
    let refused = client.upload(&pictures, &[], None).await.unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    let grown = server.peak_bytes() - before;
    println!("90 MB were taken in with {} kB", grown / 1024);
    assert!(grown < 30 * MB as u64, "{grown} bytes");
}
