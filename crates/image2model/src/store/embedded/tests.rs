use std::{sync::Arc, time::Duration};

use super::open;
use crate::{
    clock::SystemClock,
    job::{
        Flow, JobId, JobStatus, Lane, Owner, Priority, Queue, RetryPolicy, WorkerId,
        transition::{Completion, NewItem, NewJob},
    },
    store::{Held, Reserve, Store},
};

fn opened(dir: &std::path::Path) -> Store {
    open(dir, Arc::new(SystemClock), RetryPolicy::default()).unwrap()
}

fn job(items: usize) -> NewJob {
    let item = |n| NewItem {
        filename: format!("{n}.png"),
        media_type: "image/png".to_owned(),
        size: 1,
        upload: format!("uploads/{n}"),
    };
    NewJob {
        id: JobId::random(),
        owner: Owner::open(),
        flow: Flow("127.0.0.1".to_owned()),
        priority: Priority::Normal,
        options: Vec::new(),
        formats: Vec::new(),
        fingerprint: None,
        items: (1..=items).map(item).collect(),
    }
}

#[tokio::test]
async fn a_job_runs_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path());
    let new = job(2);
    let id = new.id;
    store.jobs.create_job(new).await.unwrap();
    let ask = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId("w".to_owned()),
        limit: 8,
        lease: Duration::from_secs(30),
    };
    let reserved = store.jobs.reserve(ask).await.unwrap();
    assert_eq!(reserved.len(), 2);
    let leases: Vec<_> = reserved.into_iter().map(|task| task.lease).collect();
    assert_eq!(store.jobs.start(&leases).await.unwrap(), [Held::Yes; 2]);
    for lease in &leases {
        store
            .jobs
            .complete(lease, Completion::default())
            .await
            .unwrap();
    }
    drop(store);
    let job = opened(dir.path()).jobs.job(id).await.unwrap().unwrap();
    assert_eq!(job.status(), JobStatus::Completed);
    assert_eq!(job.last_fact(), 6);
}
