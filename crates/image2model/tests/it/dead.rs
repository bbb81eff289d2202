//! Given-up work, seen and taken up again from the command line.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use bytes::Bytes;
use image2model::{
    artifacts::{ArtifactKey, Artifacts},
    clock::SystemClock,
    job::{
        About, Flow, Job, JobId, Lane, Notice, Owner, Priority, Queue, RetryPolicy, WorkerId,
        transition::{Failure, NewItem, NewJob, Retry},
    },
    store::{Held, Reserve, Store, embedded},
};

fn opened(data: &Path) -> Store {
    embedded::open(data, Arc::new(SystemClock), RetryPolicy::default()).unwrap()
}

/// A job whose one file was given up, in a data directory that nobody serves.
async fn given_up(data: &Path) -> JobId {
    let store = opened(data);
    let id = JobId::random();
    let upload = ArtifactKey::upload(id, "nonce", 1);
    let artifacts = Artifacts::local(&data.join("artifacts")).unwrap();
    let bytes = Bytes::from_static(b"picture");
    artifacts.put(&upload, bytes).await.unwrap();
    let item = NewItem {
        filename: "a.png".to_owned(),
        media_type: "image/png".to_owned(),
        size: 7,
        upload: upload.to_string(),
    };
    let new = NewJob {
        id,
        owner: Owner::open(),
        flow: Flow("127.0.0.1".to_owned()),
        priority: Priority::Normal,
        options: Vec::new(),
        formats: Vec::new(),
        fingerprint: None,
        about: About::default(),
        items: vec![item],
    };
    store.jobs.create_job(new).await.unwrap();
    let lease = store.jobs.reserve(one()).await.unwrap().remove(0).lease;
    let leases = [lease];
    store.jobs.start(&leases).await.unwrap();
    let error = Notice {
        code: "truncated".to_owned(),
        message: "it ends early".to_owned(),
    };
    let retry = Retry::Never;
    let failure = Failure { error, retry };
    store.jobs.fail(&leases[0], failure).await.unwrap();
    id
}

/// Asks for one task.
fn one() -> Reserve {
    Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId("test".to_owned()),
        limit: 1,
        lease: Duration::from_secs(30),
    }
}

/// What `image2model dead` says below `folder`, and its exit code.
fn dead(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_image2model"))
        .arg("dead")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

#[tokio::test]
async fn given_up_work_is_taken_up_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("image2model-data");
    let old = given_up(&data).await;
    let (code, listed, _) = dead(folder.path(), &["list"]);
    assert_eq!(code, Some(0));
    let name = format!("{old}:generate:1");
    assert!(listed.starts_with(&name), "{listed}");
    assert!(listed.ends_with("truncated: it ends early\n"), "{listed}");

    let (code, said, complained) = dead(folder.path(), &["requeue", &name]);
    assert_eq!(code, Some(0), "{complained}");
    let act = format!("dead requeue {name}");
    assert!(
        complained.contains("audit") && complained.contains(&act),
        "{complained}"
    );
    let new = said.split("job ").nth(1).unwrap();
    let new: JobId = new.split(' ').next().unwrap().parse().unwrap();
    let (_, left, _) = dead(folder.path(), &["list"]);
    assert_eq!(left, "");
    let (code, again, complained) = dead(folder.path(), &["requeue", &name]);
    assert_eq!((code, again), (Some(0), said), "{complained}");
    let (code, _, complained) = dead(folder.path(), &["requeue", "nothing"]);
    assert_eq!(code, Some(2));
    let is_act = |line: &&str| line.contains("audit");
    let complaints = complained.lines().filter(|line| !is_act(line)).count();
    assert_eq!(complaints, 1, "{complained}");
    let store = opened(&data);
    let job: Job = store.jobs.job(new).await.unwrap().unwrap();
    assert_eq!(job.about.retry_of, Some(old));
}

#[tokio::test]
async fn given_up_work_is_taken_up_beside_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("elsewhere");
    let name = format!("{}:generate:1", given_up(&data).await);
    let served = opened(&data);
    let place = format!("--data-dir={}", data.display());
    let (code, listed, complained) = dead(folder.path(), &["list", &place]);
    assert_eq!(code, Some(0), "{complained}");
    assert!(listed.starts_with(&name), "{listed}");

    let (code, said, complained) = dead(folder.path(), &[&place, "requeue", &name]);
    assert_eq!(code, Some(0), "{complained}");
    let reserved = served.jobs.reserve(one()).await.unwrap();
    let lease = reserved.into_iter().next().unwrap().lease;
    let new = lease.task.job.to_string();
    assert!(said.contains(&new), "{said}");
    let (_, left, _) = dead(folder.path(), &["list", &place]);
    assert_eq!(left, "");
    let held = served.jobs.start(&[lease]).await.unwrap();
    assert_eq!(held, [Held::Yes], "who looks beside takes nothing back");
}
