use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    super::{maintenance, ownership},
    House,
};
use crate::{
    artifacts::{ArtifactKey, EXPORTS_KEPT},
    clock::{Clock, SystemClock},
    job::{JobId, Lane, Queue, Timestamp, WorkerId},
    store::Reserve,
};

/// That much later than it is.
struct Later(Duration);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(self.0)
    }
}

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

#[tokio::test]
async fn a_store_that_has_lost_what_it_knew_has_no_file_collected() {
    let mut house = House::new(|_| {});
    let keys = house.store().keys.clone();
    let files = house.worker.artifacts.clone();
    ownership::claim(&*keys, &files).await.unwrap();
    let stray = ArtifactKey::upload(JobId::random(), "nonce", 1);
    files.put(&stray, Bytes::from_static(b"x")).await.unwrap();
    house.worker.clock = Arc::new(Later(Duration::from_secs(1_000_000)));
    let name = keys.store_name().await.unwrap().unwrap();
    keys.name_store("another", true).await.unwrap();
    assert_eq!(maintenance::collect_once(&house.worker).await, 0);
    assert!(files.exists(&stray).await.unwrap());
    keys.name_store(&name, true).await.unwrap();
    assert_eq!(maintenance::collect_once(&house.worker).await, 1);
    assert!(!files.exists(&stray).await.unwrap());
}

#[tokio::test]
async fn exports_of_the_log_go_after_a_day_and_their_claims_after_them() {
    // No other file is old enough to go.
    let mut house = House::new(|config| config.artifacts.grace = 1_000_000);
    let id = Uuid::new_v4();
    let (file, claim) = (ArtifactKey::export(id, "logs.csv"), ArtifactKey::claim(id));
    let stray = ArtifactKey::upload(JobId::random(), "nonce", 1);
    for key in [&file, &claim, &stray] {
        let bytes = Bytes::from_static(b"lines");
        house.worker.artifacts.put(key, bytes).await.unwrap();
    }
    let minute = Duration::from_secs(60);
    for (later, left) in [
        (EXPORTS_KEPT - minute, [true, true]),
        (EXPORTS_KEPT + minute, [false, true]),
        (EXPORTS_KEPT + 62 * minute, [false, false]),
    ] {
        house.worker.clock = Arc::new(Later(later));
        maintenance::collect_once(&house.worker).await;
        for (key, left) in [&file, &claim].into_iter().zip(left) {
            let there = house.worker.artifacts.exists(key).await.unwrap();
            assert_eq!(there, left, "{key} after {later:?}");
        }
        assert!(house.worker.artifacts.exists(&stray).await.unwrap());
    }
}
