//! API, workers and schedulers as processes of their own over one Redis.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Client, Event, RealServer, Server, jpeg, refusal, role, tiny};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];

/// One Redis, and the one folder that all processes share.
struct Fleet {
    redis: RealServer,
    home: TempDir,
}

impl Fleet {
    fn new() -> Self {
        Self {
            redis: RealServer::start(&[]),
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A process with its role and what else is said to it.
    fn start(&self, words: &[&str], settings: &[(&str, &str)]) -> Server {
        let url = self.redis.url();
        let mut all = vec![
            ("STORE__URL", url.as_str()),
            ("WORKER__LEASE", "2"),
            ("WORKER__EXTEND_EVERY", "1"),
        ];
        all.extend(settings);
        Server::run(role(words, &self.dir(), &all), &self.dir())
    }

    fn api(&self) -> (Server, Client) {
        let api = self.start(&["api", "--listen=127.0.0.1:0"], &[]);
        let client = Client::new(api.port);
        (api, client)
    }

    fn scheduler(&self) -> Server {
        self.start(&["scheduler"], &[])
    }
}

/// What an API says of workers and scheduler.
async fn celery(client: &Client) -> Value {
    let body = client.get("/health/detailed").await.body;
    let components = body["components"].as_array().unwrap();
    let celery = components.iter().find(|part| part["name"] == "celery");
    celery.unwrap().clone()
}

/// That, as soon as it is as wanted.
async fn celery_when(client: &Client, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    loop {
        look.tick().await;
        let celery = celery(client).await;
        if wanted(&celery) {
            return celery;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{celery:#}");
    }
}

async fn comes_to_lead(client: &Client, scheduler: &Server) {
    celery_when(client, |celery| leads(celery, scheduler)).await;
}

/// A process's name says its process id.
fn leads(celery: &Value, scheduler: &Server) -> bool {
    let pid = format!("-{}-", scheduler.pid());
    let leader = celery["details"]["scheduler"].as_str();
    leader.is_some_and(|leader| leader.contains(&pid))
}

/// Waits until a first image of a job is being worked on.
async fn begun(client: &Client, id: &str) {
    client.follow(id, |event| event.name == "file_update").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_alone_accepts_and_jobs_wait_for_worker_and_scheduler() {
    let fleet = Fleet::new();
    let (api, client) = fleet.api();
    let id = client.submit(&[tiny(1), tiny(2)], FEW_FACES).await;
    let alone = celery(&client).await;
    assert_eq!(alone["status"], "degraded");
    assert_eq!(alone["details"]["note"], "no worker is alive: jobs wait");
    assert_eq!(client.job(&id).await["status"], "queued");

    let worker = fleet.start(&["worker"], &[]);
    assert_eq!(client.ended(&id).await["status"], "completed");
    let half = celery_when(&client, |celery| celery["details"]["active_workers"] == 1).await;
    let note = half["details"]["note"].as_str().unwrap();
    assert!(note.starts_with("no scheduler leads"), "{half}");

    let scheduler = fleet.scheduler();
    let whole = celery_when(&client, |celery| celery["status"] == "healthy").await;
    assert!(leads(&whole, &scheduler), "{whole}");
    let pool = &whole["details"]["pools"][0];
    assert_eq!(pool["role"], "worker");
    assert_eq!(pool["queues"].as_object().unwrap().len(), 4, "{pool}");

    for process in [worker, scheduler, api] {
        let (status, took) = process.terminate();
        assert!(status.success(), "{status}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    assert!(!fleet.dir().join("store.sqlite3").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_from_its_queues_only() {
    let fleet = Fleet::new();
    let (_api, client) = fleet.api();
    let high = [FEW_FACES, &[("priority", "high")]].concat();
    let _some = fleet.start(&["worker", "--queues=priority,maintenance"], &[]);
    let normal = client.submit(&[tiny(1)], FEW_FACES).await;
    let urgent = client.submit(&[tiny(2)], &high).await;
    assert_eq!(client.ended(&urgent).await["status"], "completed");
    assert_eq!(client.job(&normal).await["status"], "queued");
    let told = celery(&client).await;
    let note = "no live worker takes from batch_processing, model_generation: tasks there wait";
    assert_eq!(told["details"]["note"], note);

    let queues = ("WORKER__QUEUES", "model_generation, batch_processing");
    let _others = fleet.start(&["worker"], &[queues]);
    assert_eq!(client.ended(&normal).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_is_killed_another_sweeps_within_ten_seconds() {
    let fleet = Fleet::new();
    let (_api, client) = fleet.api();
    let first = fleet.scheduler();
    comes_to_lead(&client, &first).await;
    let second = fleet.scheduler();
    let worker = fleet.start(&["worker"], &[]);
    let id = client.submit(&vec![jpeg(1000); 8], FEW_FACES).await;
    begun(&client, &id).await;
    assert!(leads(&celery(&client).await, &first), "one leads at a time");

    let killed = Instant::now();
    first.kill();
    worker.kill();
    let swept = |event: Event| event.name == "task_retry" && event.data["error"] == "worker_lost";
    client.follow(&id, swept).await;
    let took = killed.elapsed();
    println!("swept {took:?} after the kill");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(leads(&celery(&client).await, &second));

    let _worker = fleet.start(&["worker"], &[]);
    assert_eq!(client.ended(&id).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_ends_in_order_is_followed_at_once() {
    let fleet = Fleet::new();
    let (_api, client) = fleet.api();
    let first = fleet.scheduler();
    comes_to_lead(&client, &first).await;
    let url = fleet.redis.url();
    // What `serve` does beside its other parts counts as well.
    let second = Server::start(&fleet.dir(), &[("STORE__URL", &url)]);
    assert!(first.terminate().0.success());
    let ended = Instant::now();
    comes_to_lead(&client, &second).await;
    // A look of the other one, and the rest for a machine that has other work; the lead itself would last longer.
    let took = ended.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worn_out_worker_is_replaced_and_nothing_is_lost_or_done_twice() {
    let fleet = Fleet::new();
    let (_api, client) = fleet.api();
    let few = ("WORKERS__MODEL_GENERATION__MAX_TASKS_PER_CHILD", "3");
    // Where children make the models, they are replaced instead.
    let one_process = ("WORKER__ISOLATION", "off");
    let words = ["worker", "--queues=model_generation"];
    let worker = fleet.start(&words, &[few, one_process]);
    let own = format!("-{}-", worker.pid());
    let pictures: Vec<_> = (0..10).map(tiny).collect();
    let id = client.submit(&pictures, FEW_FACES).await;
    let events = client.events(&id).await;
    let told = |name: &str, status: &str| {
        let is = |e: &&Event| e.name == name && e.data["status"] == status && e.fact().is_some();
        let told = events.iter().filter(is);
        told.map(|event| event.data["file_id"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(told("file_update", "completed").len(), 10, "{events:#?}");
    let begun = told("file_update", "processing");
    let each: BTreeSet<_> = begun.iter().collect();
    assert_eq!((begun.len(), each.len()), (10, 10), "{events:#?}");
    assert!(told("task_retry", "retrying").is_empty(), "{events:#?}");

    // Ten are three processes of three, and one in the fourth.
    let last = celery_when(&client, |celery| {
        celery["details"]["pools"][0]["queues"]["model_generation"]["done"] == 1
    });
    let pools = last.await["details"]["pools"].clone();
    assert_eq!(pools.as_array().unwrap().len(), 1, "{pools}");
    let name = pools[0]["worker"].as_str().unwrap();
    assert!(name.contains(&own), "{name} is another process");
    let log = worker.log();
    assert_eq!(log.matches("starts anew").count(), 3, "{log}");
    assert!(worker.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_asked_to_end_hands_back_what_it_cannot_finish() {
    let fleet = Fleet::new();
    let (_api, client) = fleet.api();
    let worker = fleet.start(&["worker"], &[("WORKER__GRACE", "1")]);
    let id = client.submit(&vec![jpeg(1000); 12], FEW_FACES).await;
    begun(&client, &id).await;
    let (status, took) = worker.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let told = celery(&client).await;
    assert_eq!(told["details"]["active_workers"], 0, "{told}");

    // Nobody sweeps: what is made now was handed back.
    let _worker = fleet.start(&["worker"], &[]);
    let job = client.ended(&id).await;
    for item in job["items"].as_array().unwrap() {
        let stands = (&item["status"], &item["attempts"]);
        assert_eq!(stands, (&"completed".into(), &0.into()), "{job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_listens_answers_to_health_and_metrics_and_to_nothing_else() {
    let fleet = Fleet::new();
    let silent = fleet.start(&["worker"], &[]);
    assert_eq!(silent.port, 0, "nobody asked for a port");
    let worker = fleet.start(&["worker", "--listen=127.0.0.1:0"], &[]);
    let scheduler = fleet.start(&["scheduler"], &[("LISTEN", "127.0.0.1:0")]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for process in [&worker, &scheduler] {
        let at = |path: &str| format!("http://127.0.0.1:{}{path}", process.port);
        for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
            let got = http.get(at(path)).send().await.unwrap();
            assert_eq!(got.status(), 200, "{path}");
        }
        for path in ["/", "/plain", "/api/v1/health", "/api/v1/jobs", "/docs"] {
            let got = http.get(at(path)).send().await.unwrap();
            assert_eq!(got.status(), 404, "{path}");
        }
        let sent = http.post(at("/api/v1/upload")).body("x").send().await;
        assert_eq!(sent.unwrap().status(), 404);
    }
}

#[test]
fn a_role_without_a_shared_store_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for name in ["api", "worker", "scheduler"] {
        let (code, said) = refusal(role(&[name], &home.path().join("data"), &[]));
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
        let told = format!("error: image2model {name} shares its jobs with other processes: ");
        assert!(said.starts_with(&told), "{said}");
        assert!(said.contains("pass --store-url redis://"), "{said}");
    }
}

#[test]
fn the_folder_of_a_store_of_its_own_is_left_alone() {
    let fleet = Fleet::new();
    Server::start(&fleet.dir(), &[]).terminate();
    let url = fleet.redis.url();
    let command = role(&["scheduler"], &fleet.dir(), &[("STORE__URL", &url)]);
    let (code, said) = refusal(command);
    assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("keeps jobs of its own"), "{said}");
}

#[test]
fn an_unknown_queue_is_told_with_the_four() {
    let home = tempfile::tempdir().unwrap();
    let words = ["worker", "--queues=priority,prio"];
    let (code, said) = refusal(role(&words, &home.path().join("data"), &[]));
    assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
    for word in [
        "prio",
        "--queues",
        "batch_processing",
        "model_generation",
        "maintenance",
        "priority",
    ] {
        assert!(said.contains(word), "{said}");
    }
}
