//! What HTTP costs: the program as it is shipped beside a bare axum server that does the least that can be done. A
//! read of the bare server is a constant of the same bytes; its upload hashes a picture, writes it and has it on disk.
//!
//! Both run side by side on this machine and take turns, each in a process of its own; medians of the rounds are
//! compared. Requests a second swing with what else a machine does; CPU time per request is what is judged first.
//!
//! The program's one decoder is stopped, so that no model is made while uploads are measured.

mod bare;
mod client;
mod held;
mod process;
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests' own server, which a bench only starts"
)]
#[path = "../../tests/it/support/s3.rs"]
mod s3;
mod table;

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
// For its allocator, which the bare server has as well.
use image2model as _;
use serde_json::Value;
use tempfile::TempDir;

use self::{
    client::{Load, Request},
    process::Process,
    s3::S3Server,
    table::Table,
};

const ROUNDS: usize = 5;
/// Bytes of the picture that is uploaded.
const PICTURE: usize = 1 << 20;
/// Uploads of one round; reads go on for a time instead.
const UPLOADS: usize = 200;
const READING: Duration = Duration::from_secs(2);
const READERS: usize = 16;
const UPLOADERS: usize = 8;

/// What one of the two did, and then the other, in each of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Ours,
    Bare,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match words.as_slice() {
        [first, rest @ ..] if first == bare::WORD => runtime.block_on(bare::run(rest)),
        _ => runtime.block_on(measure(&words)),
    }
}

/// All of it, or those parts that are named.
async fn measure(words: &[String]) -> Result<()> {
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let asked = |part: &str| {
        let named = parts.iter().filter(|word| !word.starts_with("--"));
        named.clone().count() == 0 || named.clone().any(|word| *word == part)
    };
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let ours = ours(&home.path().join("data"), &[])?;
    stop_work(&ours).await?;
    let health = Request::get("/health");
    let upload = Request::upload(PICTURE);
    let accepted = client::once(ours.port, &upload).await?;
    let status = Request::get(&format!("/api/v1/status/{}", job_of(&accepted)?));
    let bare = bare::start(
        &home.path().join("bare"),
        [
            &client::once(ours.port, &health).await?,
            &client::once(ours.port, &status).await?,
            &accepted,
        ],
    )?;
    let for_a_time = |request| Load::for_a_time(request, READERS, READING);
    let loads = [
        ("health", for_a_time(health)),
        ("status", for_a_time(status)),
        ("upload", Load::so_many(upload, UPLOADERS, UPLOADS)),
    ];
    for (what, load) in loads.iter().filter(|(what, _)| asked(what)) {
        beside(what, load, &ours, &bare).await?;
    }
    drop((ours, bare));
    if asked("memory") {
        in_a_folder().await?;
        in_a_bucket().await?;
    }
    Ok(())
}

/// The two in turns.
async fn beside(what: &str, load: &Load, ours: &Process, bare: &Process) -> Result<()> {
    let mut table = Table::new(what);
    // What is made once is made.
    for server in [ours, bare] {
        load.shortly().run(server).await?;
    }
    for _ in 0..ROUNDS {
        table.add(Who::Ours, load.run(ours).await?);
        table.add(Who::Bare, load.run(bare).await?);
    }
    table.judge();
    Ok(())
}

/// What uploads hold while their files go to a folder.
async fn in_a_folder() -> Result<()> {
    for (count, size) in [(200, PICTURE), (100, 10 * PICTURE)] {
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let server = ours(&home.path().join("data"), &[])?;
        stop_work(&server).await?;
        let held = held::by_uploads(&server, count, size).await?;
        table::memory("a folder", count, size, held, 256.0);
    }
    Ok(())
}

/// The same while they go to a bucket of a server in this process.
async fn in_a_bucket() -> Result<()> {
    for (count, size) in [(50, PICTURE), (50, 10 * PICTURE)] {
        let bucket = S3Server::start().await;
        let endpoint = bucket.endpoint();
        let home: TempDir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let url = format!("s3://{}", S3Server::BUCKET);
        let server = ours(
            &home.path().join("data"),
            &[
                ("IMAGE2MODEL_ARTIFACTS__URL", &url),
                ("AWS_ACCESS_KEY_ID", S3Server::KEY_ID),
                ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL", &endpoint),
                ("AWS_ALLOW_HTTP", "true"),
            ],
        )?;
        stop_work(&server).await?;
        let held = held::by_uploads(&server, count, size).await?;
        table::memory("a bucket", count, size, held, 5.0 * 1024.0);
    }
    Ok(())
}

/// The program itself, with one decoder in a process of its own.
fn ours(data: &Path, settings: &[(&str, &str)]) -> Result<Process> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image2model"));
    command
        .args(["serve", "--listen=127.0.0.1:0", "--data-dir"])
        .arg(data)
        .current_dir(data.parent().context("no folder")?)
        .env("IMAGE2MODEL_WORKER__ISOLATION", "on")
        .env("IMAGE2MODEL_WORKER__THREADS", "1")
        .env("IMAGE2MODEL_WORKERS__MODEL_GENERATION__CONCURRENCY", "1")
        .env("IMAGE2MODEL_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "0")
        .envs(settings.iter().copied());
    Process::start(command)
}

/// Stops the decoder and has it wait with the one task that there is room for: everything else waits behind that.
async fn stop_work(server: &Process) -> Result<()> {
    server.stop_children()?;
    let accepted = client::once(server.port, &Request::upload(PICTURE)).await?;
    let status = Request::get(&format!("/api/v1/status/{}", job_of(&accepted)?));
    while !client::once(server.port, &status)
        .await?
        .contains("processing")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The job that an upload has become.
fn job_of(accepted: &str) -> Result<String> {
    let accepted: Value = serde_json::from_str(accepted)?;
    let job = accepted["job_id"].as_str();
    Ok(job
        .context("an upload was answered without a job")?
        .to_owned())
}

#[expect(clippy::print_stdout, reason = "a bench reports on standard output")]
fn say(line: &str) {
    println!("{line}");
}
