//! The bare server: plain `axum::serve` on the same runtime and allocator, and nothing but what the work needs.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Multipart, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt as _,
};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::spawn_blocking};

use crate::{process::Process, say};

/// By which the bench's own program knows that it is to be this server.
pub(crate) const WORD: &str = "bare-server";

/// Starts it with what it answers to a look at its health, to one at a job, and to an upload.
pub(crate) fn start(dir: &Path, answers: [&String; 3]) -> Result<Process> {
    fs::create_dir_all(dir)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg(WORD).arg(dir).args(answers);
    Process::start(command)
}

#[derive(Clone)]
struct Place {
    dir: Arc<PathBuf>,
    files: Arc<AtomicUsize>,
    answer: Bytes,
}

/// Serves until it is killed.
pub(crate) async fn run(words: &[String]) -> Result<()> {
    let [dir, health, status, accepted] = words else {
        anyhow::bail!("a folder and three answers are needed");
    };
    let constant = |body: &String| {
        let body = Bytes::from(body.clone());
        get(async move || json(body))
    };
    let place = Place {
        dir: Arc::new(dir.into()),
        files: Arc::default(),
        answer: Bytes::from(accepted.clone()),
    };
    let router = Router::new()
        .route("/health", constant(health))
        .route("/api/v1/status/{task_id}", constant(status))
        .route("/api/v1/upload/", post(upload))
        .layer(DefaultBodyLimit::disable())
        .with_state(place);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("ready: {}", listener.local_addr()?));
    let listener = listener.tap_io(|stream| {
        // As ours has it.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

fn json(body: Bytes) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], body)
}

async fn upload(
    State(place): State<Place>,
    form: Multipart,
) -> Result<impl IntoResponse, StatusCode> {
    let broken = |error: anyhow::Error| {
        say(&format!("broken: {error:#}"));
        StatusCode::INTERNAL_SERVER_ERROR
    };
    take_in(&place, form).await.map_err(broken)?;
    Ok(json(place.answer))
}

/// The whole picture in memory, and one thread that hashes it, writes it and has it on disk: less cannot be done.
async fn take_in(place: &Place, mut form: Multipart) -> Result<()> {
    let field = form.next_field().await?.context("no field")?;
    let picture = field.bytes().await?;
    while form.next_field().await?.is_some() {}
    let number = place.files.fetch_add(1, Relaxed);
    let (dir, path) = (place.dir.clone(), place.dir.join(number.to_string()));
    spawn_blocking(move || keep(&dir, &path, &picture)).await?
}

fn keep(dir: &Path, path: &Path, picture: &[u8]) -> Result<()> {
    let digest = Sha256::digest(picture);
    let staged = path.with_extension("part");
    let mut file = fs::File::create_new(&staged)?;
    file.write_all(picture)?;
    file.sync_all()?;
    fs::rename(staged, path)?;
    fs::File::open(dir)?.sync_all()?;
    // Whoever hashes wants to know what came of it.
    std::hint::black_box(digest);
    Ok(())
}
