use std::{fs, io, path::Path, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;

use super::{ArtifactError, ArtifactKey, Artifacts};
use crate::job::JobId;

/// A store in a fresh folder, which lives as long as the first value.
fn fresh() -> (tempfile::TempDir, Artifacts) {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::local(dir.path()).unwrap();
    (dir, artifacts)
}

fn key(number: u8) -> ArtifactKey {
    ArtifactKey::upload(JobId::random(), "nonce", number)
}

/// Everything below `dir`, folders included.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(dir).unwrap().display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn what_was_put_is_read_back_and_listed() {
    let (_dir, artifacts) = fresh();
    let key = key(1);
    artifacts
        .put(&key, Bytes::from_static(b"model"))
        .await
        .unwrap();
    assert_eq!(artifacts.get(&key).await.unwrap(), "model");
    let (size, content) = artifacts.read(&key).await.unwrap();
    let content: Vec<Bytes> = content.try_collect().await.unwrap();
    assert_eq!((size, content.concat()), (5, b"model".to_vec()));
    let listed: Vec<_> = artifacts.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].key, listed[0].size), (&key, 5));
    assert_eq!(listed[0].key.job(), key.job());
}

#[tokio::test]
async fn a_key_is_written_once() {
    let (_dir, artifacts) = fresh();
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

#[tokio::test]
async fn a_streamed_upload_is_seen_only_when_finished() {
    for chunks in [1, 50] {
        let (dir, artifacts) = fresh();
        let key = key(1);
        let mut upload = artifacts.upload(&key).await.unwrap();
        for _ in 0..chunks {
            upload.write(Bytes::from(vec![7; 100_000])).await.unwrap();
        }
        let early = artifacts.get(&key).await;
        assert!(matches!(early, Err(ArtifactError::NotFound)), "{early:?}");
        upload.finish().await.unwrap();
        assert_eq!(artifacts.get(&key).await.unwrap().len(), chunks * 100_000);
        artifacts.delete(&key).await.unwrap();
        assert_eq!(tree(dir.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_aborted_upload_and_a_deletion_leave_nothing() {
    let (dir, artifacts) = fresh();
    let mut upload = artifacts.upload(&key(1)).await.unwrap();
    upload.write(Bytes::from(vec![7; 3_000_000])).await.unwrap();
    assert!(tree(dir.path()).iter().any(|path| path.ends_with("#1")));
    upload.abort().await.unwrap();
    artifacts.delete(&key(2)).await.unwrap();
    assert_eq!(tree(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn leftovers_of_a_killed_writer_are_tidied_after_their_grace() {
    let (dir, artifacts) = fresh();
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
    for other in ["", "uploads", "other/place", "jobs/not-an-id/1"] {
        assert_eq!(ArtifactKey::recorded(other).job(), None, "{other}");
    }
}
