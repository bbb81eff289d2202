//! No-op jobs through a store, as workers and clients would drive it.

use std::{future::Future, time::Duration};

use anyhow::{Result, ensure};
use futures::future::{join_all, try_join_all};
use image2model::{
    job::{
        About, FileRecord, Flow, JobId, Lane, Lease, Owner, Priority, Queue, Timestamp, WorkerId,
        transition::{Completion, NewItem, NewJob},
    },
    store::{Reserve, Store},
};

pub(crate) const CALLERS: usize = 32;
pub(crate) const BATCH: usize = 8;

/// Creates `jobs` of one image each, spread over the callers.
pub(crate) async fn create(store: &Store, jobs: usize) -> Result<()> {
    spread(|_| {
        let store = store.clone();
        async move {
            for _ in 0..jobs / CALLERS {
                store.jobs.create_job(new_job(1)).await?;
            }
            Ok(())
        }
    })
    .await
}

/// Reserves, starts and completes until nothing is left.
pub(crate) async fn work_off(store: &Store) -> Result<()> {
    spread(|caller| work(store.clone(), caller)).await?;
    ensure!(store.jobs.depths().await?.is_empty(), "tasks were left");
    Ok(())
}

/// Runs one task per caller, on all cores.
async fn spread<F>(make: impl Fn(usize) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let callers = (0..CALLERS).map(|caller| tokio::spawn(make(caller)));
    for done in join_all(callers).await {
        done??;
    }
    Ok(())
}

async fn work(store: Store, caller: usize) -> Result<()> {
    loop {
        let leases = reserve(&store, caller, BATCH).await?;
        if leases.is_empty() {
            return Ok(());
        }
        store.jobs.start(&leases).await?;
        let done = leases
            .iter()
            .map(|lease| store.jobs.complete(lease, completion(lease)));
        try_join_all(done).await?;
    }
}

pub(crate) async fn reserve(store: &Store, caller: usize, limit: usize) -> Result<Vec<Lease>> {
    let ask = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId(format!("worker-{caller}")),
        limit,
        lease: Duration::from_secs(30),
    };
    let reserved = store.jobs.reserve(ask).await?;
    Ok(reserved.into_iter().map(|task| task.lease).collect())
}

pub(crate) fn new_job(items: usize) -> NewJob {
    let id = JobId::random();
    let item = |number| NewItem {
        filename: "photo.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        size: 1_000_000,
        upload: format!("uploads/{id}/5f0c/{number}"),
    };
    NewJob {
        id,
        owner: Owner::open(),
        flow: Flow("127.0.0.1".to_owned()),
        priority: Priority::Normal,
        options: vec![("model".to_owned(), "inflate".to_owned())],
        formats: vec!["glb".to_owned()],
        fingerprint: None,
        about: About::default(),
        items: (1..=items).map(item).collect(),
    }
}

pub(crate) fn completion(lease: &Lease) -> Completion {
    let (task, token) = (&lease.task, &lease.token);
    let item = task.work.generated().unwrap_or(1);
    let file = FileRecord {
        name: format!("{}-{item}.glb", task.job),
        format: "glb".to_owned(),
        media_type: "model/gltf-binary".to_owned(),
        size: 1_000_000,
        key: format!("jobs/{}/{item}/{token}/model.glb", task.job),
        created: Timestamp(0),
    };
    Completion {
        files: vec![file],
        warnings: Vec::new(),
    }
}
