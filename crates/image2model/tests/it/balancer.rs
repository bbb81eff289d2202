//! Several API servers behind the nginx that is shipped, over a Redis Cluster: no client notices that processes end
//! and start.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use image2model::{
    config::UploadSettings,
    job::{JobId, RetryPolicy},
    store,
};
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::support::{
    Client, ClusterFleet, Nginx, RealServer, Server, Told, free_port, hear_out, is_for_now, jpeg,
    role, tiny,
};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];
/// Bytes of a request that are no images, at most.
const FORM: u64 = 1 << 20;

/// What all processes share.
struct Place {
    store: String,
    home: TempDir,
}

impl Place {
    fn over(store: String) -> Self {
        Self {
            store,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn start(&self, words: &[&str]) -> Server {
        let dir: PathBuf = self.home.path().join("data");
        let settings = [
            ("STORE__URL", self.store.as_str()),
            ("HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ];
        Server::run(role(words, &dir, &settings), &dir)
    }

    fn api(&self, port: u16) -> Server {
        self.start(&["api", &format!("--listen=127.0.0.1:{port}")])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_is_restarted_in_turn_and_no_client_notices() {
    let fleet = ClusterFleet::start(3, 0);
    let place = Place::over(fleet.url());
    let ports = [free_port(), free_port()];
    let mut apis = ports.map(|port| place.api(port));
    let mut workers = [["worker"], ["worker"]].map(|words| place.start(&words));
    let mut scheduler = place.start(&["scheduler"]);
    let nginx = Nginx::start(ports);
    let client = Client::new(nginx.port);

    let (done, mut told) = watch::channel(0);
    let over = Arc::new(AtomicBool::new(false));
    let loads = ["127.0.0.2", "127.0.0.3"].map(|address| {
        let client = Client::from(address.parse().unwrap(), nginx.port);
        load(client, done.clone(), over.clone())
    });
    let mut readers = Vec::new();
    for (api, port) in apis.iter_mut().zip(ports) {
        // Open streams on both, of a job that is in the midst of its work.
        let pictures: Vec<_> = (0..25).map(tiny).collect();
        let id = accepted(&client, &pictures, &format!("long-{port}")).await;
        readers.extend((0..4).map(|_| hear_out(client.clone(), id.clone())));
        client
            .follow(&id, |event| event.name == "file_update")
            .await;
        restart(api, || place.api(port));
        two_more(&mut told).await;
    }
    for worker in &mut workers {
        restart(worker, || place.start(&["worker"]));
        two_more(&mut told).await;
    }
    restart(&mut scheduler, || place.start(&["scheduler"]));
    two_more(&mut told).await;
    over.store(true, Ordering::Relaxed);
    for load in loads {
        load.await.unwrap();
    }

    let mut resumed = 0;
    for reader in readers {
        let heard = reader.await.unwrap();
        check_ends(&heard.facts, 25);
        resumed += usize::from(heard.over_a_cut);
    }
    let done = *told.borrow();
    println!(
        "{done} jobs came to their end meanwhile; {resumed} streams went on at another server"
    );
    assert!(resumed > 0, "no stream was cut off within its job");
}

/// Work goes on: two more jobs come to their end.
async fn two_more(told: &mut watch::Receiver<u64>) {
    let before = *told.borrow();
    let more = told.wait_for(|done| *done >= before + 2);
    let more = timeout(Duration::from_secs(60), more).await;
    more.expect("jobs come to their end").unwrap();
}

/// SIGTERM, and another in its place once it has ended in order.
fn restart(process: &mut Server, start: impl FnOnce() -> Server) {
    let status = process.end_in_order();
    assert!(status.success(), "{status}\n{}", process.log());
    *process = start();
}

/// Sends jobs, follows each to its end, fetches its models, and counts it as done.
fn load(client: Client, done: watch::Sender<u64>, over: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !over.load(Ordering::Relaxed) {
            let number = fastrand::u64(..);
            let pictures: Vec<_> = (0..1 + number % 3)
                .map(|n| tiny(number.wrapping_add(n)))
                .collect();
            let key = number.to_string();
            let id = accepted(&client, &pictures, &key).await;
            let heard = hear_out(client.clone(), id.clone()).await.unwrap();
            check_ends(&heard.facts, pictures.len());
            fetch(&client, &id, pictures.len()).await;
            let again = accepted(&client, &pictures, &key).await;
            assert_eq!(again, id, "one key, one job");
            done.send_modify(|done| *done += 1);
        }
    })
}

/// Repeats what no server could answer just now, as any client of a balancer does.
async fn repeated<T, A>(mut ask: impl FnMut() -> A) -> T
where
    A: Future<Output = reqwest::Result<(StatusCode, T)>>,
{
    let begun = Instant::now();
    let mut again = tokio::time::interval(Duration::from_millis(50));
    loop {
        again.tick().await;
        let asked = ask().await;
        let late = begun.elapsed() > Duration::from_secs(30);
        match asked {
            Ok((status, value)) if status.is_success() => return value,
            Ok((status, _)) => assert!(is_for_now(status) && !late, "{status}"),
            Err(error) => assert!(!late, "{error:?}"),
        }
    }
}

async fn accepted(client: &Client, pictures: &[Vec<u8>], key: &str) -> String {
    let body: Value = repeated(|| async {
        let sent = client.upload(pictures, FEW_FACES, Some(key)).await?;
        Ok((sent.status, sent.body))
    })
    .await;
    body["job_id"].as_str().unwrap().to_owned()
}

/// Every image became a model, once, and the job ended once.
fn check_ends(told: &Told, images: usize) {
    let of = |name: &str| {
        let ends = told
            .values()
            .filter(|(told, data)| told == name && data["status"] == "completed");
        ends.map(|(_, data)| data["file_id"].to_string())
            .collect::<Vec<_>>()
    };
    let made = of("file_update");
    let distinct: BTreeSet<_> = made.iter().collect();
    assert_eq!((made.len(), distinct.len()), (images, images), "{told:#?}");
    assert_eq!(of("task_completed").len(), 1, "{told:#?}");
}

async fn fetch(client: &Client, id: &str, images: usize) {
    let job = repeated(|| async {
        let sent = client.try_get(&format!("/jobs/{id}")).await?;
        Ok((sent.status, sent.body))
    })
    .await;
    assert_eq!(job["status"], "completed", "{job}");
    let items = job["items"].as_array().unwrap();
    assert_eq!(items.len(), images, "{job}");
    for item in items {
        let url = item["files"][0]["url"].as_str().unwrap();
        let path = url.trim_start_matches("/api/v1");
        let model = repeated(|| client.try_bytes(path)).await;
        assert!(model.starts_with(b"glTF"), "{item}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_keep_their_own_flows_and_one_of_two_servers_is_enough() {
    let redis = RealServer::start(&[]);
    let place = Place::over(redis.url());
    let api = place.api(0);
    let nginx = Nginx::start([free_port(), api.port]);
    let retry = RetryPolicy::default();
    let store = store::redis::open(store::redis::Settings::new(&redis.url(), retry)).await;
    let jobs = store.unwrap().jobs;
    for address in ["127.0.0.2", "127.0.0.3"] {
        let client = Client::from(address.parse().unwrap(), nginx.port);
        for _ in 0..4 {
            assert_eq!(client.get("/jobs").await.status, StatusCode::OK);
        }
        // More than nginx lets through unless it is told to.
        let id = client.submit(&vec![jpeg(1200); 25], FEW_FACES).await;
        let id: JobId = id.parse().unwrap();
        let job = jobs.job(id).await.unwrap().unwrap();
        assert_eq!(job.flow.0, address);
    }
    let metrics = Client::new(nginx.port).bytes("/health/metrics").await;
    assert_eq!(metrics.0, StatusCode::NOT_FOUND, "each process's own");

    api.terminate();
    let refused = Client::new(nginx.port).get("/jobs").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.body["error_code"], "HTTP_503", "{refused:?}");
}

#[test]
fn the_largest_upload_fits_through_what_is_shipped() {
    let text = Nginx::shipped();
    let upload = UploadSettings::default();
    let files = upload.max_files as u64;
    for (location, whole) in [
        (
            "^/(api/v1/upload(/batch|/zip)?|plain)/?$ ",
            upload.max_archive_bytes.max(files * upload.max_file_bytes),
        ),
        ("/api/v1/models/convert/?$ ", files * upload.max_mesh_bytes),
    ] {
        let (_, after) = text.split_once(location).unwrap();
        let (_, after) = after.split_once("client_max_body_size ").unwrap();
        let megabytes: u64 = after.split('m').next().unwrap().parse().unwrap();
        let largest = whole + FORM;
        assert!(
            megabytes << 20 >= largest,
            "{location}: {megabytes} MiB, {largest}"
        );
    }
}
