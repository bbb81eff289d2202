//! The real server, killed and asked to end: nothing accepted is lost, nothing is told twice, nothing is left.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use image2model::{
    clock::SystemClock,
    job::{Owner, RetryPolicy},
    store,
};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::support::{Client, Event, Heard, Server, Told, hear_out, jpeg, soak, tiny};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_tells_nothing_twice_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let mut server = Server::start(&dir, &[]);
    let port = server.port;
    let over = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> = (0..3).map(|n| load(n, port, over.clone())).collect();

    let seed = fastrand::u64(..);
    println!("the moments come from seed {seed}");
    let mut moments = fastrand::Rng::with_seed(seed);
    for _ in 0..if soak() { 50 } else { 10 } {
        let moment = Duration::from_millis(moments.u64(20..600));
        tokio::time::sleep(moment).await;
        server.kill();
        server = Server::start_on(&dir, port, &[]);
    }
    over.store(true, Ordering::Relaxed);
    let mut accepted = Vec::new();
    for load in loads {
        accepted.extend(load.await.unwrap());
    }
    assert!(
        accepted.len() > 10,
        "only {} jobs were sent",
        accepted.len()
    );

    let client = Client::new(port);
    let (mut models, mut images) = (0, 0);
    let (mut known, mut survivors) = (BTreeSet::new(), 0);
    for job in accepted {
        let told = facts(&client, &job.id).await;
        models += check_outcome(&client, &job, &told).await;
        images += job.images;
        if let Some(listener) = job.listener {
            let heard = listener.await.unwrap();
            assert_eq!(heard.facts, told, "{}", job.id);
            survivors += usize::from(heard.over_a_cut);
        }
        known.insert(job.id);
    }
    println!(
        "{models} of {images} images became models; {survivors} streams heard facts before and after a kill"
    );
    assert!(models * 2 > images, "{models} of {images}");
    assert!(survivors > 0, "no stream was cut off within its job");
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");

    let mut named = named_files(&dir, &known).await;
    named.insert("store-name".to_owned());
    plant_leftovers(&dir);
    let server = Server::start(&dir, &[("ARTIFACTS__GRACE", "0")]);
    comes_to(&server, || tree(&dir.join("artifacts")) == named).await;
    assert!(server.terminate().0.success());
}

/// A job that was accepted.
struct Accepted {
    id: String,
    images: usize,
    /// Hears of every third job while servers come and go.
    listener: Option<JoinHandle<Heard>>,
}

/// Sends jobs under idempotency keys, each again and again until it is accepted.
fn load(number: u64, port: u16, over: Arc<AtomicBool>) -> JoinHandle<Vec<Accepted>> {
    tokio::spawn(async move {
        let client = Client::new(port);
        let mut accepted = Vec::new();
        let mut sent = 0;
        while !over.load(Ordering::Relaxed) {
            sent += 1;
            let key = format!("{number}-{sent}");
            let seeds = (0..1 + sent % 4).map(|image| number << 32 | sent << 8 | image);
            let pictures: Vec<_> = seeds.map(tiny).collect();
            let id = accepted_at_last(&client, &pictures, &key).await;
            let listener = (sent % 3 == 0).then(|| hear_out(client.clone(), id.clone()));
            accepted.push(Accepted {
                id,
                images: pictures.len(),
                listener,
            });
        }
        accepted
    })
}

async fn accepted_at_last(client: &Client, pictures: &[Vec<u8>], key: &str) -> String {
    // A server that is being started again refuses connections for a moment.
    let mut again = tokio::time::interval(Duration::from_millis(20));
    loop {
        again.tick().await;
        if let Ok(sent) = client.upload(pictures, FEW_FACES, Some(key)).await {
            assert!(sent.status.is_success(), "{} {}", sent.status, sent.body);
            return sent.body["job_id"].as_str().unwrap().to_owned();
        }
    }
}

/// All facts of a job that ends.
async fn facts(client: &Client, id: &str) -> Told {
    let (mut heard, mut last) = (Heard::default(), 0);
    client
        .follow(id, |event| {
            last = heard.take(last, event);
            false
        })
        .await;
    heard.facts
}

/// Every image has ended once, as a model or a stated failure. Returns how many became models.
async fn check_outcome(client: &Client, job: &Accepted, told: &Told) -> usize {
    let (id, images) = (&job.id, job.images);
    let ends: Vec<_> = told
        .values()
        .filter(|(name, data)| {
            name == "file_update" && (data["status"] == "completed" || data["status"] == "failed")
        })
        .map(|(_, data)| data["file_id"].to_string())
        .collect();
    let distinct: BTreeSet<_> = ends.iter().collect();
    assert_eq!((ends.len(), distinct.len()), (images, images), "{told:#?}");

    let job = client.job(id).await;
    let items = job["items"].as_array().unwrap();
    assert_eq!(items.len(), images, "{job}");
    for item in items {
        match item["status"].as_str() {
            Some("completed") => check_model(client, item).await,
            Some("failed") => assert!(
                item["error"].as_str().is_some_and(|why| !why.is_empty()),
                "{item}"
            ),
            other => panic!("{other:?}: {item}"),
        }
    }
    let made = items.iter().filter(|item| item["status"] == "completed");
    made.count()
}

async fn check_model(client: &Client, item: &Value) {
    let url = item["files"][0]["url"].as_str().unwrap();
    let (status, bytes) = client.bytes(url.trim_start_matches("/api/v1")).await;
    assert!(status.is_success() && bytes.starts_with(b"glTF"), "{item}");
}

/// Every file that a record names, and the folders above it. There must be `known` jobs and no others.
async fn named_files(dir: &Path, known: &BTreeSet<String>) -> BTreeSet<String> {
    let store = store::embedded::open(dir, Arc::new(SystemClock), RetryPolicy::default()).unwrap();
    let mut named = BTreeSet::new();
    let mut jobs = 0;
    let mut after = None;
    loop {
        let page = store.jobs.list(&Owner::open(), after, 100).await.unwrap();
        for job in &page.jobs {
            jobs += 1;
            assert!(
                known.contains(&job.id.to_string()),
                "{} is nobody's",
                job.id
            );
            // A listed job comes without its items.
            let job = store.jobs.job(job.id).await.unwrap().unwrap();
            for key in job.artifact_keys() {
                let above = Path::new(key).ancestors();
                named.extend(above.map(|path| path.display().to_string()));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    named.remove("");
    assert_eq!(jobs, known.len());
    named
}

/// What a writer that is killed at the worst moment leaves, in case chance left none.
fn plant_leftovers(dir: &Path) {
    let folder = dir.join("artifacts/jobs/0f0e0d0c-0b0a-4908-8706-050403020100/1/token");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("whole.glb"), b"whole").unwrap();
    fs::write(folder.join("half.glb#1"), b"half").unwrap();
    fs::create_dir_all(dir.join("artifacts/uploads/empty/folder")).unwrap();
}

/// Everything below `dir`, folders included.
fn tree(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            found.insert(path.strip_prefix(dir).unwrap().display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// Looks until it is so, for twenty seconds.
async fn comes_to(server: &Server, mut so: impl FnMut() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed().as_secs() < 20, "{}", server.log());
        look.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_asked_to_end_drains_within_its_grace_time() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let server = Server::start(&dir, &[("WORKER__GRACE", "5")]);
    let client = Client::new(server.port);
    let id = client.submit(&vec![jpeg(1000); 25], &[]).await;
    let (began, begun) = oneshot::channel();
    let open = tokio::spawn({
        let (client, id, mut began) = (client.clone(), id.clone(), Some(began));
        async move {
            let told = |event: Event| {
                if event.name == "file_update" {
                    began.take().map(|began| began.send(()));
                }
                false
            };
            client.follow(&id, told).await;
        }
    });
    // Work has begun and cannot be done yet; the open stream must not hold up the end.
    begun.await.unwrap();
    let port = server.port;
    let (status, took) = server.terminate();
    assert!(status.success(), "{status}");
    // The grace time, and as much again for a machine that has other work.
    assert!(took < Duration::from_secs(10), "{took:?}");
    open.await.unwrap();

    let server = Server::start_on(&dir, port, &[]);
    let job = client.ended(&id).await;
    for item in job["items"].as_array().unwrap() {
        assert_eq!(
            (&item["status"], &item["attempts"]),
            (&"completed".into(), &0.into()),
            "{job}"
        );
    }
    assert!(server.terminate().0.success());
}
