//! Uploads and models in a bucket: servers that share it and a Redis need no common folder.

use std::{
    io::{Cursor, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use ::zip::{ZipWriter, write::SimpleFileOptions};
use image2model::{job::RetryPolicy, store};

use crate::support::{Client, RealServer, S3Server, Server, command, jpeg, refusal, role};

/// A server over a bucket, which has its own data directory.
fn over(bucket: &S3Server, dir: &Path, settings: &[(&str, &str)]) -> Command {
    reaching(bucket, command(dir, 0, settings))
}

/// The same of any command.
fn reaching(bucket: &S3Server, mut command: Command) -> Command {
    let url = format!("s3://{}/some/prefix", S3Server::BUCKET);
    command
        .env("IMAGE2MODEL_ARTIFACTS__URL", url)
        .env("AWS_ENDPOINT_URL", bucket.endpoint())
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", S3Server::KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", S3Server::SECRET);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_share_photos_and_models_through_a_bucket() {
    let (bucket, redis) = (S3Server::start().await, RealServer::start(&[]));
    let home = tempfile::tempdir().unwrap();
    let (dir, elsewhere) = (home.path().join("one"), home.path().join("other"));
    let url = redis.url();
    let jobs = [("STORE__URL", url.as_str())];
    let first = Server::run(over(&bucket, &dir, &jobs), &dir);
    let second = Server::run(over(&bucket, &elsewhere, &jobs), &elsewhere);
    let (one, other) = (Client::new(first.port), Client::new(second.port));

    let id = one.submit(&[jpeg(1000)], &[("face_limit", "100")]).await;
    let job = other.ended(&id).await;
    assert_eq!(job["status"], "completed", "{job}");
    for format in ["glb", "ply"] {
        let path = format!("/models/download/{id}?format={format}");
        let (status, bytes) = other.bytes(&path).await;
        assert!(
            status.is_success() && !bytes.is_empty(),
            "{format}: {status}"
        );
        assert_eq!(one.bytes(&path).await.1, bytes, "{format}");
    }
    let health = one.get("/health/detailed").await.body.to_string();
    assert!(!health.contains("disk_free_gb"), "{health}");

    let retry = RetryPolicy::default();
    let store = store::redis::open(store::redis::Settings::new(&url, retry)).await;
    let id = id.parse().unwrap();
    store.unwrap().jobs.request_removal(id).await.unwrap();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let begun = Instant::now();
    while !bucket.kept().is_empty() {
        let kept = bucket.kept();
        assert!(begun.elapsed() < Duration::from_secs(20), "{kept:?}");
        look.tick().await;
    }
    for folder in [&dir, &elsewhere] {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "logs"), "{names:?}");
    }
    assert!(first.terminate().0.success());
    assert!(second.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_over_redis_and_a_bucket_takes_archives_and_needs_no_data_directory_before() {
    let (bucket, redis) = (S3Server::start().await, RealServer::start(&[]));
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("none/so/far");
    let url = redis.url();
    let words = ["api", "--listen=127.0.0.1:0"];
    let api = role(&words, &dir, &[("STORE__URL", url.as_str())]);
    let api = Server::run(reaching(&bucket, api), &home.path().join("api"));
    let client = Client::new(api.port);
    assert!(!dir.exists(), "an API keeps nothing there");

    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["a.jpg", "b.jpg"] {
        let options = SimpleFileOptions::default();
        archive.start_file(name, options).unwrap();
        archive.write_all(&jpeg(100)).unwrap();
    }
    let archive = archive.finish().unwrap().into_inner();
    let sent = client.upload_zip(archive).await;
    assert_eq!(sent.status, 200, "{}\n{}", sent.body, api.log());
    let job = client.job(sent.body["job_id"].as_str().unwrap()).await;
    assert_eq!(
        (&job["status"], &job["total_files"]),
        (&"queued".into(), &2.into())
    );
    assert_eq!(bucket.kept().len(), 2, "{:?}", bucket.kept());
    let left = std::fs::read_dir(&dir).unwrap().count();
    assert_eq!(left, 0, "nothing stays of the archive");
    assert!(api.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_bucket_results_are_kept_for_hours_and_jobs_in_the_data_directory() {
    let bucket = S3Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let server = Server::run(over(&bucket, &dir, &[]), &dir);
    let client = Client::new(server.port);
    let results = client.get("/health/detailed").await.body;
    assert!(
        results.to_string().contains("kept for 24 hours"),
        "{results:#}"
    );
    assert!(server.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_on_to_a_bucket_is_never_held_whole_and_goes_when_it_is_refused() {
    const MB: usize = 1_000_000;
    let bucket = S3Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let server = Server::run(over(&bucket, &dir, &[]), &dir);
    let client = Client::new(server.port);
    let before = server.peak_bytes();
    let mut pictures = vec![vec![1; 9 * MB]; 8];
    // The last one has the whole refused.
    pictures.push(Vec::new());
    let refused = client.upload(&pictures, &[], None).await.unwrap();
    assert_eq!(refused.status, 400, "{}", refused.body);
    let grown = server.peak_bytes() - before;
    println!("72 MB were sent on with {} kB", grown / 1024);
    assert!(grown < 50 * MB as u64, "{grown} bytes");

    assert_eq!(bucket.kept(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_cannot_be_used_ends_the_start_in_a_sentence() {
    let bucket = S3Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let at = bucket.endpoint();
    for (name, value, told) in [
        (
            "AWS_SECRET_ACCESS_KEY",
            "another-secret",
            format!("the bucket models at {at}: "),
        ),
        (
            "AWS_ENDPOINT_URL",
            &nobody,
            format!("the bucket models at {nobody}: "),
        ),
        (
            "AWS_ALLOW_HTTP",
            "false",
            "set AWS_ALLOW_HTTP=true".to_owned(),
        ),
        (
            "IMAGE2MODEL_ARTIFACTS__URL",
            "ftp://models",
            "of an unknown kind, ftp".to_owned(),
        ),
        (
            "IMAGE2MODEL_ARTIFACTS__URL",
            "s3://",
            "without a bucket".to_owned(),
        ),
        (
            "IMAGE2MODEL_ARTIFACTS__URL",
            "file:///dev/null/files",
            "folder of artifacts.url, /dev/null/files: ".to_owned(),
        ),
    ] {
        let mut command = over(&bucket, &dir, &[]);
        command.env(name, value);
        let (code, said) = tokio::task::spawn_blocking(|| refusal(command))
            .await
            .unwrap();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&told) && !said.contains("secret"), "{said}");
        // What was tried again before is logged.
        let told = said.lines().filter(|line| line.starts_with("error: "));
        assert!(told.eq(said.lines().last()), "{said}");
    }
}
