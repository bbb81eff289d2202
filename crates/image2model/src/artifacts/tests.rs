//! What the artifacts do wherever they lie: each case runs over a folder and over a bucket of an S3 server.

#[path = "../../tests/it/support/s3.rs"]
mod s3;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;

use super::{ArtifactError, ArtifactKey, Artifacts, bucket};
use crate::job::JobId;
use s3::S3Server;

/// Empty artifacts, and what lies where they are kept.
struct Fixture {
    artifacts: Artifacts,
    kept: Box<dyn Fn() -> Vec<PathBuf>>,
}

impl Fixture {
    fn folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            artifacts: Artifacts::local(dir.path()).unwrap(),
            kept: Box::new(move || tree(dir.path())),
        }
    }

    async fn bucket() -> Self {
        let server = S3Server::start().await;
        Self {
            artifacts: opened(signed(&server), "some/prefix").await.unwrap(),
            kept: Box::new(move || server.kept()),
        }
    }

    fn kept(&self) -> Vec<PathBuf> {
        (self.kept)()
    }
}

/// Runs each case by its name on both.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod folder {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Fixture::folder()).await;
            })+
        }

        mod in_bucket {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Fixture::bucket().await).await;
            })+
        }
    };
}

on_both!(
    what_was_put_is_read_back_and_listed,
    a_key_is_written_once,
    a_streamed_upload_is_seen_only_when_finished,
    an_aborted_upload_and_a_deletion_leave_nothing,
    what_is_not_there_is_told,
    many_files_are_listed_and_deleted,
    a_copy_is_a_file_of_its_own,
);

fn signed(server: &S3Server) -> AmazonS3Builder {
    AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_access_key_id(S3Server::KEY_ID)
        .with_secret_access_key(S3Server::SECRET)
}

/// The bucket of that server, or the sentence that says why not.
async fn opened(server: AmazonS3Builder, prefix: &str) -> Result<Artifacts, String> {
    let opened = Artifacts::bucket(server, S3Server::BUCKET, prefix).await;
    opened.map_err(|error| error.to_string())
}

fn key(number: u8) -> ArtifactKey {
    ArtifactKey::upload(JobId::random(), "nonce", number)
}

/// Bytes that differ from place to place.
fn content(size: usize) -> Bytes {
    (0..size).map(|at| (at / 1000) as u8).collect()
}

/// Everything below `dir`, folders included.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

async fn what_was_put_is_read_back_and_listed(Fixture { artifacts, .. }: Fixture) {
    let key = key(1);
    artifacts
        .put(&key, Bytes::from_static(b"model"))
        .await
        .unwrap();
    assert!(artifacts.exists(&key).await.unwrap());
    assert_eq!(artifacts.get(&key).await.unwrap(), "model");
    let (size, content) = artifacts.read(&key).await.unwrap();
    let content: Vec<Bytes> = content.try_collect().await.unwrap();
    assert_eq!((size, content.concat()), (5, b"model".to_vec()));
    let listed: Vec<_> = artifacts.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].key, listed[0].size), (&key, 5));
    assert_eq!(listed[0].key.job(), key.job());
}

async fn a_key_is_written_once(Fixture { artifacts, .. }: Fixture) {
    let key = key(1);
    artifacts
        .put(&key, Bytes::from_static(b"first"))
        .await
        .unwrap();
    let again = artifacts.put(&key, Bytes::from_static(b"second")).await;
    assert!(matches!(again, Err(ArtifactError::Exists)), "{again:?}");
    assert!(matches!(
        artifacts.upload(&key).await,
        Err(ArtifactError::Exists)
    ));
    assert_eq!(artifacts.get(&key).await.unwrap(), "first");
}

async fn a_copy_is_a_file_of_its_own(Fixture { artifacts, kept }: Fixture) {
    let (first, copy) = (key(1), key(2));
    let bytes = content(bucket::PART + 7);
    artifacts.put(&first, bytes.clone()).await.unwrap();
    artifacts.copy(&first, &copy).await.unwrap();
    artifacts.delete(&first).await.unwrap();
    assert_eq!(artifacts.get(&copy).await.unwrap(), bytes);
    artifacts.delete(&copy).await.unwrap();
    let gone = artifacts.copy(&first, &copy).await;
    assert!(matches!(gone, Err(ArtifactError::NotFound)), "{gone:?}");
    assert!(!artifacts.exists(&copy).await.unwrap());
    assert_eq!(kept(), Vec::<PathBuf>::new());
}

/// What is old and in no record yet would be collected.
#[tokio::test]
async fn a_copy_in_a_folder_is_as_young_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::local(dir.path()).unwrap();
    let (first, copy) = (key(1), key(2));
    artifacts.put(&first, content(9)).await.unwrap();
    let old = fs::File::options()
        .write(true)
        .open(dir.path().join(first.as_str()));
    old.unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    artifacts.copy(&first, &copy).await.unwrap();
    let listed: Vec<_> = artifacts.list().try_collect().await.unwrap();
    let young = listed.iter().find(|file| file.key == copy).unwrap();
    assert!(young.modified_ms > 0, "{listed:?}");
}

/// In a bucket it is the server that promises this, and the one of these tests does not.
#[tokio::test]
async fn of_many_that_write_a_key_at_once_one_wins() {
    let Fixture { artifacts, .. } = Fixture::folder();
    let key = key(1);
    let puts = (0..8_u8).map(|number| {
        let (artifacts, key) = (&artifacts, &key);
        async move { artifacts.put(key, Bytes::from(vec![number; 9])).await }
    });
    let put = futures::future::join_all(puts).await;
    let (won, lost): (Vec<_>, Vec<_>) = (0..).zip(put).partition(|(_, put)| put.is_ok());
    assert_eq!(won.len(), 1, "{won:?} {lost:?}");
    let exists = |(_, put): &(u8, _)| matches!(put, Err(ArtifactError::Exists));
    assert!(lost.iter().all(exists), "{lost:?}");
    assert_eq!(artifacts.get(&key).await.unwrap(), vec![won[0].0; 9]);
}

async fn a_streamed_upload_is_seen_only_when_finished(fixture: Fixture) {
    let artifacts = &fixture.artifacts;
    let part = artifacts.part;
    for size in [0, 100_000, part, 2 * part + 1_000_000] {
        let (key, sent) = (key(1), content(size));
        let mut upload = artifacts.upload(&key).await.unwrap();
        for chunk in sent.chunks(700_001) {
            upload.write(sent.slice_ref(chunk)).await.unwrap();
        }
        let early = artifacts.get(&key).await;
        assert!(matches!(early, Err(ArtifactError::NotFound)), "{early:?}");
        upload.finish().await.unwrap();
        let stored = artifacts.get(&key).await.unwrap();
        assert!(stored == sent, "{} bytes of {size}", stored.len());
        artifacts.delete(&key).await.unwrap();
        assert_eq!(fixture.kept(), Vec::<PathBuf>::new());
    }
}

async fn an_aborted_upload_and_a_deletion_leave_nothing(fixture: Fixture) {
    let artifacts = &fixture.artifacts;
    let mut upload = artifacts.upload(&key(1)).await.unwrap();
    upload.write(content(2 * artifacts.part)).await.unwrap();
    assert!(!fixture.kept().is_empty(), "nothing is written on the way");
    upload.abort().await.unwrap();
    artifacts.delete(&key(2)).await.unwrap();
    assert_eq!(fixture.kept(), Vec::<PathBuf>::new());
}

async fn what_is_not_there_is_told(Fixture { artifacts, .. }: Fixture) {
    let key = key(1);
    assert!(!artifacts.exists(&key).await.unwrap());
    let got = artifacts.get(&key).await;
    assert!(matches!(got, Err(ArtifactError::NotFound)), "{got:?}");
    let read = artifacts.read(&key).await.map(|(size, _)| size);
    assert!(matches!(read, Err(ArtifactError::NotFound)), "{read:?}");
    let listed: Vec<_> = artifacts.list().try_collect().await.unwrap();
    assert_eq!(listed, []);
    assert_eq!(artifacts.tidy(Duration::ZERO).await.unwrap(), 0);
}

/// More than one answer of an S3 server lists.
async fn many_files_are_listed_and_deleted(fixture: Fixture) {
    const FILES: usize = 1005;
    const AT_ONCE: usize = 16;
    let artifacts = &fixture.artifacts;
    let item = JobId::random().item(1);
    let keys: Vec<_> = (0..FILES)
        .map(|number| ArtifactKey::produced(item, "token", &format!("{number}.glb")))
        .collect();
    let put = |key| artifacts.put(key, Bytes::from_static(b"model"));
    let puts = stream::iter(&keys).map(put).buffer_unordered(AT_ONCE);
    puts.try_collect::<()>().await.unwrap();
    let mut listed: Vec<_> = artifacts
        .list()
        .map_ok(|file| file.key)
        .try_collect()
        .await
        .unwrap();
    listed.sort();
    let mut expected = keys.clone();
    expected.sort();
    assert!(listed == expected, "{} of {FILES}", listed.len());
    let deleted = stream::iter(&keys).map(|key| artifacts.delete(key));
    let deleted = deleted.buffer_unordered(AT_ONCE);
    deleted.try_collect::<()>().await.unwrap();
    assert_eq!(fixture.kept(), Vec::<PathBuf>::new());
}

/// S3 takes no smaller part but the last, and some servers want all of one size.
#[tokio::test]
async fn parts_in_a_bucket_have_one_size() {
    let server = S3Server::start().await;
    let artifacts = opened(signed(&server), "").await.unwrap();
    let mut upload = artifacts.upload(&key(1)).await.unwrap();
    let sent = content(3 * bucket::PART + 10);
    for chunk in [
        sent.slice(..1000),
        sent.slice(1000..bucket::PART + 7),
        sent.slice(bucket::PART + 7..),
    ] {
        upload.write(chunk).await.unwrap();
    }
    let parts = server.kept();
    let sizes = parts
        .iter()
        .filter(|path| path.to_string_lossy().contains(".part-"))
        .map(|path| fs::metadata(path).unwrap().len());
    assert_eq!(sizes.collect::<Vec<_>>(), [bucket::PART as u64; 3]);
    upload.finish().await.unwrap();
}

#[tokio::test]
async fn a_trial_leaves_nothing_and_one_of_a_killed_server_goes_after_its_grace() {
    let server = S3Server::start().await;
    let artifacts = opened(signed(&server), "prefix").await.unwrap();
    assert_eq!(server.kept(), Vec::<PathBuf>::new());
    let left = ArtifactKey::recorded("trials/left");
    artifacts
        .put(&left, Bytes::from_static(b"trial"))
        .await
        .unwrap();
    let kept = key(1);
    artifacts
        .put(&kept, Bytes::from_static(b"kept"))
        .await
        .unwrap();
    assert_eq!(artifacts.tidy(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(artifacts.tidy(Duration::ZERO).await.unwrap(), 1);
    assert!(!artifacts.exists(&left).await.unwrap());
    assert_eq!(artifacts.get(&kept).await.unwrap(), "kept");
}

#[tokio::test]
async fn two_prefixes_of_a_bucket_know_nothing_of_each_other() {
    let server = S3Server::start().await;
    let one = opened(signed(&server), "one").await.unwrap();
    let other = opened(signed(&server), "other").await.unwrap();
    let key = key(1);
    one.put(&key, Bytes::from_static(b"model")).await.unwrap();
    assert!(!other.exists(&key).await.unwrap());
    let listed: Vec<_> = other.list().try_collect().await.unwrap();
    assert_eq!(listed, []);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_is_told_without_secrets() {
    let server = S3Server::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!(
        "http://key:{}@{}",
        S3Server::SECRET,
        free.local_addr().unwrap()
    );
    drop(free);
    let known = || signed(&server);
    let wrong = "cannot use the bucket models at ";
    for (server, told) in [
        (
            known().with_secret_access_key("test-secret-2"),
            "SignatureDoesNotMatch",
        ),
        (known().with_access_key_id("other"), "NotSignedUp"),
        (known().with_endpoint(nobody), "Connection refused"),
        (known().with_allow_http(false), "AWS_ALLOW_HTTP=true"),
    ] {
        let said = opened(server, "").await.err().unwrap();
        assert!(said.starts_with(wrong) && said.contains(told), "{said}");
        assert!(
            !said.contains("secret") && said.lines().count() == 1,
            "{said}"
        );
    }
}

#[tokio::test]
async fn leftovers_of_a_killed_writer_are_tidied_after_their_grace() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::local(dir.path()).unwrap();
    let kept = key(1);
    artifacts
        .put(&kept, Bytes::from_static(b"kept"))
        .await
        .unwrap();
    let before = tree(dir.path());
    let left = dir.path().join("jobs/one/2/token");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("model.glb#1"), b"half").unwrap();
    fs::create_dir_all(dir.path().join("uploads/empty/nonce")).unwrap();

    assert_eq!(artifacts.tidy(Duration::from_secs(3600)).await.unwrap(), 0);
    artifacts.tidy(Duration::ZERO).await.unwrap();
    assert_eq!(tree(dir.path()), before);
    assert_eq!(artifacts.get(&kept).await.unwrap(), "kept");
}

#[test]
fn a_lack_of_room_is_told_from_other_failures() {
    for (kind, full) in [
        (io::ErrorKind::StorageFull, true),
        (io::ErrorKind::QuotaExceeded, true),
        (io::ErrorKind::PermissionDenied, false),
    ] {
        let error = object_store::Error::Generic {
            store: "test",
            source: Box::new(io::Error::from(kind)),
        };
        assert_eq!(matches!(error.into(), ArtifactError::Full), full, "{kind}");
    }
}

#[test]
fn only_keys_of_jobs_lead_to_a_job() {
    let job = JobId::random();
    assert_eq!(
        ArtifactKey::produced(job.item(3), "t", "a.glb").job(),
        Some(job)
    );
    assert_eq!(ArtifactKey::upload(job, "nonce", 1).job(), Some(job));
    let of_old = format!("uploads/{job}/nonce/1");
    assert_eq!(ArtifactKey::recorded(&of_old).job(), Some(job));
    for other in ["", "uploads", "other/place", "jobs/not-an-id/1"] {
        assert_eq!(ArtifactKey::recorded(other).job(), None, "{other}");
    }
}
