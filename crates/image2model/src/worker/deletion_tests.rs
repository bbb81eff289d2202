use std::time::Duration;

use super::{super::maintenance, House};
use crate::{
    artifacts::ArtifactKey,
    job::{Lane, Queue, WorkerId},
    store::Reserve,
};

#[tokio::test]
async fn a_deleted_job_goes_with_its_files_as_soon_as_it_has_ended() {
    let house = House::new(|config| config.results.keep_at_least_hours = 24);
    let id = house.submit(&["model"]).await;
    let kept = house.submit(&["model"]).await;
    let jobs = house.store().jobs.clone();
    let ask = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId("another".to_owned()),
        limit: 1,
        lease: Duration::from_secs(30),
    };
    let lease = [jobs.reserve(ask).await.unwrap().remove(0).lease];
    jobs.start(&lease).await.unwrap();
    jobs.delete(id).await.unwrap();
    assert_eq!(maintenance::retain_once(&house.worker).await, Ok(0));
    jobs.hand_back(&lease).await.unwrap();
    assert_eq!(maintenance::retain_once(&house.worker).await, Ok(1));
    let worker = house.start();
    let mut news = jobs.watch();
    let gone = async {
        while jobs.job(id).await.unwrap().is_some() {
            news.recv().await.unwrap();
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone);
    assert!(gone.await.is_ok(), "it is still there");
    let upload = ArtifactKey::upload(id, "nonce", 1);
    assert!(!house.worker.artifacts.exists(&upload).await.unwrap());
    house.ended(kept).await;
    drop(worker);
}
