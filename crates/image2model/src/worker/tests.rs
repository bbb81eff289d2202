#[path = "away_tests.rs"]
mod away;
#[path = "deletion_tests.rs"]
mod deletion;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Duty, End, Worker, attempt::failure, maintenance, process_id};
use crate::{
    artifacts::{ArtifactError, ArtifactKey, Artifacts},
    capacity::disk::Space,
    clock::SystemClock,
    config::Config,
    job::{
        About, Fact, FactKind, Flow, Item, ItemStatus, Job, JobId, JobStatus, Lane, Lease, Owner,
        Priority, Queue, RetryPolicy, TaskId, TaskState, Work,
        transition::{Failure, NewItem, NewJob, Retry},
    },
    provider::{Generated, ModelRequest, OnProgress, Produced, Provider},
    store::{self, Store},
};

/// Does what the image says: `model`, `broken`, `panic`, or `held` until it is let go or cancelled.
struct Scripted {
    let_go: Semaphore,
    begun: Semaphore,
}

#[async_trait]
impl Provider for Scripted {
    async fn generate(
        &self,
        image: Bytes,
        _: &ModelRequest,
        _: &str,
        progress: OnProgress,
        cancel: CancellationToken,
    ) -> Result<Generated, Failure> {
        progress(50, "work");
        self.begun.add_permits(1);
        match &image[..] {
            b"broken" => return Err(failure("broken", "it is broken".to_owned(), Retry::Never)),
            b"panic" => panic!("a fault"),
            b"held" => {
                tokio::select! {
                    permit = self.let_go.acquire() => permit.unwrap().forget(),
                    () = cancel.cancelled() => {
                        return Err(failure("cancelled", "cancelled".to_owned(), Retry::Never));
                    }
                }
            }
            _ => {}
        }
        Ok(Generated {
            files: vec![file("glb", image)],
            warnings: Vec::new(),
        })
    }

    async fn convert(
        &self,
        glb: Bytes,
        format: reconstruct::Format,
        _: &str,
    ) -> Result<Produced, Failure> {
        Ok(file(format.extension(), glb))
    }
}

fn file(format: &'static str, bytes: Bytes) -> Produced {
    Produced {
        format,
        extension: format,
        media_type: "model/test",
        bytes,
    }
}

/// A worker over a fresh data directory.
struct House {
    dir: tempfile::TempDir,
    worker: Worker,
    script: Arc<Scripted>,
    drain: CancellationToken,
}

impl House {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: dir.path().to_owned(),
            ..Config::default()
        };
        config.worker.extend_every = 1;
        config.worker.sweep_every = 0.1;
        config.worker.grace = 5;
        change(&mut config);
        let retry = RetryPolicy {
            base: Duration::from_millis(10),
            ..RetryPolicy::default()
        };
        let clock = Arc::new(SystemClock);
        let script = Arc::new(Scripted {
            let_go: Semaphore::new(0),
            begun: Semaphore::new(0),
        });
        let worker = Worker {
            id: process_id(),
            store: store::embedded::open(dir.path(), clock.clone(), retry).unwrap(),
            artifacts: Artifacts::local(&dir.path().join("artifacts")).unwrap(),
            provider: script.clone(),
            config: Arc::new(config),
            clock,
            space: Arc::new(Space::of),
        };
        Self {
            dir,
            worker,
            script,
            drain: CancellationToken::new(),
        }
    }

    /// As `serve` does.
    fn start(&self) -> JoinHandle<End> {
        let duty = Duty {
            role: "serve",
            queues: Queue::ALL.to_vec(),
            is_replaced: false,
        };
        let working = self.worker.clone().run(duty, self.drain.clone());
        let scheduling = self.worker.clone().schedule(self.drain.clone());
        tokio::spawn(async { tokio::join!(working, scheduling).0 })
    }

    fn store(&self) -> &Store {
        &self.worker.store
    }

    async fn submit(&self, images: &[&'static str]) -> JobId {
        let id = JobId::random();
        let mut items = Vec::new();
        for (number, image) in (1..).zip(images) {
            let key = ArtifactKey::upload(id, "nonce", number);
            let bytes = Bytes::from_static(image.as_bytes());
            self.worker.artifacts.put(&key, bytes).await.unwrap();
            items.push(NewItem {
                filename: format!("{image}.png"),
                media_type: "image/png".to_owned(),
                size: image.len() as u64,
                upload: key.to_string(),
            });
        }
        let new = NewJob {
            id,
            owner: Owner::open(),
            flow: Flow("127.0.0.1".to_owned()),
            priority: Priority::Normal,
            options: ModelRequest::parse(None, &[], &[]).unwrap().to_stored(),
            formats: Vec::new(),
            fingerprint: None,
            about: About::default(),
            items,
        };
        self.store().jobs.create_job(new).await.unwrap();
        id
    }

    async fn job(&self, id: JobId) -> Job {
        self.store().jobs.job(id).await.unwrap().unwrap()
    }

    /// The job as soon as it is as wanted.
    async fn job_when(&self, id: JobId, wanted: impl Fn(&Job) -> bool) -> Job {
        let mut news = self.store().jobs.watch();
        let reached = async {
            loop {
                let job = self.job(id).await;
                if wanted(&job) {
                    return job;
                }
                news.recv().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .unwrap_or_else(|_| panic!("it never came to that"))
    }

    async fn ended(&self, id: JobId) -> Job {
        self.job_when(id, |job| job.ended.is_some()).await
    }

    async fn lease_of(&self, id: JobId) -> Lease {
        let work = Work::Generate { item: 1 };
        let task = TaskId { job: id, work };
        let held = self.store().jobs.task(&task).await.unwrap().unwrap();
        let TaskState::Leased(lease) = held.state else {
            panic!("nobody holds it");
        };
        Lease {
            task,
            token: lease.token,
        }
    }

    /// Waits until the job's record is gone, which nothing tells of.
    async fn gone(&self, id: JobId) {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let gone = async {
            while self.store().jobs.job(id).await.unwrap().is_some() {
                look.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone)
            .await
            .unwrap();
    }

    /// Paths of all stored files.
    fn files(&self) -> Vec<String> {
        let root = self.dir.path().join("artifacts");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

fn named(job: &Job) -> Vec<String> {
    let mut keys: Vec<_> = job.artifact_keys().map(str::to_owned).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn every_image_ends_as_a_model_or_as_its_own_failure() {
    let house = House::new(|_| {});
    let worker = house.start();
    let id = house.submit(&["model", "broken", "model"]).await;
    let job = house.ended(id).await;
    let ends: Vec<_> = job.items.iter().map(|item| item.status).collect();
    use ItemStatus::{Completed, Failed};
    assert_eq!(ends, [Completed, Failed, Completed]);
    assert_eq!(job.status(), JobStatus::Completed);
    let name = &job.items[2].files[0].name;
    assert_eq!(*name, format!("{id}_03_model.glb"));
    assert_eq!(job.items[1].error.as_ref().unwrap().message, "it is broken");
    assert_eq!(house.files(), named(&job));
    house.drain.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_panic_fails_one_attempt_is_counted_and_the_pool_goes_on() {
    let recorder = PrometheusBuilder::new().build_recorder();
    // The test's runtime has this one thread.
    let _counted = metrics::set_default_local_recorder(&recorder);
    let house = House::new(|_| {});
    let worker = house.start();
    let id = house.submit(&["panic", "model"]).await;
    let job = house.ended(id).await;
    assert_eq!(job.items[0].status, ItemStatus::Failed);
    assert_eq!(job.items[0].attempts, 3);
    assert_eq!(job.items[0].error.as_ref().unwrap().code, "panicked");
    assert_eq!(job.items[1].status, ItemStatus::Completed);
    house.drain.cancel();
    worker.await.unwrap();
    let counted = recorder.handle().render();
    for (status, times) in [("success", 1), ("retry", 2), ("failure", 1)] {
        let line =
            format!("celery_tasks_total{{task_name=\"generate\",status=\"{status}\"}} {times}");
        assert!(counted.lines().any(|known| known == line), "{counted}");
    }
}

#[tokio::test]
async fn running_work_hears_of_a_cancel() {
    let house = House::new(|_| {});
    let worker = house.start();
    let id = house.submit(&["held"]).await;
    house.script.begun.acquire().await.unwrap().forget();
    house.store().jobs.cancel(id).await.unwrap();
    let job = house.ended(id).await;
    assert_eq!(job.status(), JobStatus::Cancelled);
    assert_eq!(job.items[0].status, ItemStatus::Cancelled);
    house.drain.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn no_more_is_started_than_the_pool_has_slots() {
    let house = House::new(|config| config.workers.model_generation.concurrency = 2);
    let worker = house.start();
    let id = house.submit(&["held"; 6]).await;
    house.script.begun.acquire_many(2).await.unwrap().forget();
    let two = house.job_when(id, |job| job.facts.len() == 3).await;
    let started = |job: &Job| {
        let begun = |item: &&Item| item.status == ItemStatus::Processing;
        job.items.iter().filter(begun).count()
    };
    assert_eq!(started(&two), 2);
    let depths = house.store().jobs.depths().await.unwrap();
    let depth = &depths[&(Queue::ModelGeneration, Lane::local())];
    assert_eq!((depth.leased, depth.ready), (4, 2));
    house.script.let_go.add_permits(6);
    assert_eq!(house.ended(id).await.status(), JobStatus::Completed);
    house.drain.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_drain_hands_back_what_waits_and_finishes_what_runs() {
    let house = House::new(|config| config.workers.model_generation.concurrency = 1);
    let worker = house.start();
    let id = house.submit(&["held", "held"]).await;
    house.script.begun.acquire().await.unwrap().forget();
    house.drain.cancel();
    house.script.let_go.add_permits(1);
    worker.await.unwrap();
    let job = house.job(id).await;
    let ends: Vec<_> = job.items.iter().map(|item| item.status).collect();
    assert_eq!(ends, [ItemStatus::Completed, ItemStatus::Queued]);
    let depths = house.store().jobs.depths().await.unwrap();
    let depth = &depths[&(Queue::ModelGeneration, Lane::local())];
    assert_eq!((depth.leased, depth.ready), (0, 1));
}

#[tokio::test]
async fn work_that_outlasts_the_grace_time_is_handed_back_and_counts_as_nothing() {
    let house = House::new(|config| config.worker.grace = 1);
    let worker = house.start();
    let id = house.submit(&["held"]).await;
    house.script.begun.acquire().await.unwrap().forget();
    house.drain.cancel();
    tokio::time::timeout(Duration::from_secs(3), worker)
        .await
        .unwrap()
        .unwrap();
    let item = &house.job(id).await.items[0];
    assert_eq!((item.attempts, item.crashes), (0, 0));
    assert_eq!(item.status, ItemStatus::Retrying);
}

#[tokio::test]
async fn a_worn_out_worker_sees_through_what_runs_and_gives_back_the_rest() {
    let house = House::new(|config| config.workers.model_generation.max_tasks_per_child = 2);
    let id = house.submit(&["held", "model", "model", "model"]).await;
    let duty = Duty {
        role: "worker",
        queues: vec![Queue::ModelGeneration],
        is_replaced: true,
    };
    let worker = tokio::spawn(house.worker.clone().run(duty, house.drain.clone()));
    let one_made = |job: &Job| job.items[1].status == ItemStatus::Completed;
    house.job_when(id, one_made).await;
    assert!(!worker.is_finished(), "the first still runs");
    house.script.let_go.add_permits(1);
    assert_eq!(worker.await.unwrap(), End::WornOut);
    let ends: Vec<_> = house.job(id).await.items.iter().map(|i| i.status).collect();
    let (made, waits) = (ItemStatus::Completed, ItemStatus::Queued);
    assert_eq!(ends, [made, made, waits, waits]);
    assert!(house.store().presence.workers().await.unwrap().is_empty());
    let next = house.store().jobs.depths().await.unwrap();
    assert_eq!(next[&(Queue::ModelGeneration, Lane::local())].ready, 2);
}

#[tokio::test]
async fn a_lost_lease_ends_the_attempt_and_leaves_no_file() {
    let house = House::new(|config| config.worker.sweep_every = 3600.0);
    let worker = house.start();
    let id = house.submit(&["held"]).await;
    house.script.begun.acquire().await.unwrap().forget();
    // Handing back with the holder's own lease is how another process's taking back looks to it.
    let lease = house.lease_of(id).await;
    house.store().jobs.hand_back(&[lease]).await.unwrap();
    house.script.let_go.add_permits(1);
    house.script.begun.acquire().await.unwrap().forget();
    house.script.let_go.add_permits(1);
    let job = house.ended(id).await;
    let completions = |fact: &&Fact| matches!(fact.kind, FactKind::ItemCompleted { .. });
    assert_eq!(job.facts.iter().filter(completions).count(), 1);
    house.drain.cancel();
    worker.await.unwrap();
    assert_eq!(house.files(), named(&job));
}

#[tokio::test]
async fn a_further_format_is_made_from_the_stored_model() {
    let house = House::new(|_| {});
    let worker = house.start();
    let id = house.submit(&["model"]).await;
    let facts = house.ended(id).await.facts;
    let begun = house.script.begun.available_permits();
    let jobs = &house.store().jobs;
    jobs.request_format(id.item(1), "stl").await.unwrap();
    let job = house
        .job_when(id, |job| job.items[0].files.len() == 2)
        .await;
    assert_eq!(job.items[0].files[1].name, format!("{id}_01_model.stl"));
    assert_eq!(
        (job.facts, house.script.begun.available_permits()),
        (facts, begun)
    );
    house.drain.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn results_go_when_room_is_short_but_not_before_their_time() {
    let mut house = House::new(|config| config.results.keep_at_least_hours = 24);
    house.worker.space = Arc::new(|_| {
        Ok(Space {
            total: 1 << 40,
            free: 1,
        })
    });
    let worker = house.start();
    let id = house.submit(&["model"]).await;
    let ended = house.ended(id).await.ended.unwrap();
    assert_eq!(maintenance::retain_once(&house.worker).await, Ok(0));

    let mut config = Config::clone(&house.worker.config);
    config.results.keep_at_least_hours = 0;
    house.worker.config = Arc::new(config);
    house.worker.space = Arc::new(|_| {
        Ok(Space {
            total: 1 << 40,
            free: 1 << 39,
        })
    });
    assert_eq!(maintenance::retain_once(&house.worker).await, Ok(0));
    house.worker.space = Arc::new(|_| {
        Ok(Space {
            total: 1 << 40,
            free: 1,
        })
    });
    while house.worker.clock.now() <= ended {
        tokio::task::yield_now().await;
    }
    assert_eq!(maintenance::retain_once(&house.worker).await, Ok(1));
    house.gone(id).await;
    assert_eq!(house.files(), Vec::<String>::new());
    house.drain.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn only_files_that_no_record_names_are_collected() {
    let house = House::new(|config| config.artifacts.grace = 0);
    let id = house.submit(&["model"]).await;
    let kept = house.files();
    let orphan = ArtifactKey::produced(id.item(1), "dead", "half.glb");
    let stray = ArtifactKey::upload(JobId::random(), "nonce", 1);
    for key in [&orphan, &stray] {
        let bytes = Bytes::from_static(b"nobody's");
        house.worker.artifacts.put(key, bytes).await.unwrap();
    }
    assert_eq!(maintenance::collect_once(&house.worker).await, 2);
    assert_eq!(house.files(), kept);
    let read = house.worker.artifacts.get(&orphan).await;
    assert!(matches!(read, Err(ArtifactError::NotFound)));
}
