//! One client's thousands of images do not hold up another's single one.

use std::{path::Path, sync::Arc};

use futures::{StreamExt, stream};
use image2model::{
    clock::SystemClock,
    job::{FactKind, Job, Owner, RetryPolicy},
    store,
};

use crate::support::{Client, Server, tiny};

const JOBS: u64 = 80;
const IMAGES: u64 = 25;
const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100"), ("texture_size", "64")];

#[tokio::test(flavor = "multi_thread")]
async fn a_single_image_overtakes_two_thousand_of_another_flow() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let server = Server::start(&dir, &[]);
    let crowd = Client::from([127, 0, 0, 2].into(), server.port);
    stream::iter(0..JOBS)
        .for_each_concurrent(4, |job| {
            let pictures: Vec<_> = (0..IMAGES).map(|n| tiny(job * IMAGES + n)).collect();
            let crowd = crowd.clone();
            async move {
                crowd.submit(&pictures, FEW_FACES).await;
            }
        })
        .await;
    let single = Client::from([127, 0, 0, 3].into(), server.port);
    let id = single.submit(&[tiny(u64::MAX)], FEW_FACES).await;
    let ended = single.ended(&id).await;
    assert_eq!(ended["status"], "completed");
    server.kill();

    let jobs = all_jobs(&dir).await;
    let single = jobs.iter().find(|job| job.id.to_string() == id).unwrap();
    let (sent, done) = (single.created, single.ended.unwrap());
    let others = || jobs.iter().filter(|job| job.id != single.id);
    let ended_by = |until| {
        let facts = others().flat_map(|job| &job.facts);
        let ends = facts.filter(|fact| matches!(fact.kind, FactKind::ItemCompleted { .. }));
        ends.filter(|fact| fact.at <= until).count()
    };
    let all: usize = others().map(|job| job.items.len()).sum();
    assert_eq!(all as u64, JOBS * IMAGES);
    let waiting = all - ended_by(sent);
    assert!(
        waiting > 1000,
        "only {waiting} images waited when the single one came"
    );
    let overtaken_by = ended_by(done) - ended_by(sent);
    assert!(
        overtaken_by * 100 < all * 3,
        "{overtaken_by} of {all} were done before the single one"
    );
}

async fn all_jobs(dir: &Path) -> Vec<Job> {
    let store = store::embedded::open(dir, Arc::new(SystemClock), RetryPolicy::default()).unwrap();
    let page = store.jobs.list(&Owner::open(), None, 1000).await.unwrap();
    let ids: Vec<_> = page.jobs.iter().map(|job| job.id).collect();
    let jobs = store.jobs.jobs(&ids).await.unwrap();
    jobs.into_iter().flatten().collect()
}
