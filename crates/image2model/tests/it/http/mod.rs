//! The HTTP surface in process: the real router over the embedded store and a temporary directory, with a worker
//! that is driven by hand.

mod access;
mod admin;
mod convert;
mod download;
mod generate;
mod guard;
mod health;
mod jobs;
mod limits;
mod logs;
mod openapi;
mod page;
mod places;
mod resources;
mod slow;
mod status;
mod strangers;
mod stream;
mod upload;
mod zip;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use bytes::Bytes;
use image2model::{
    artifacts::{ArtifactKey, Artifacts},
    capacity::{self, disk::Space},
    clock::{Clock, SystemClock},
    config::Config,
    http,
    job::{
        FileRecord, JobId, Lane, Lease, Notice, Queue, RetryPolicy, Timestamp, Work, WorkerId,
        transition::{Completion, Failure, Retry},
    },
    logs::Logs,
    service::{Parts, Service},
    store::{Held, Reserve, Reserved, embedded},
};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

const GB: u64 = 1_000_000_000;
const MEGABYTE: usize = 1024 * 1024;
const ROOM: Space = Space {
    total: 100 * GB,
    free: 90 * GB,
};
const FULL: Space = Space {
    total: 1000 * GB,
    free: 2 * GB,
};
/// A folder of this name lies on a disk of its own, which is full.
const CROWDED: &str = "crowded";

/// The machine's clock, put forward by so many milliseconds.
#[derive(Default)]
struct Shifted(AtomicI64);

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::Relaxed))
    }
}

/// A service of its own for one test.
pub(crate) struct Api {
    router: http::Answering,
    service: Service,
    tasks: TaskTracker,
    /// What the disk says; `None` when it does not answer.
    space: Arc<Mutex<Option<Space>>>,
    clock: Arc<Shifted>,
    dir: tempfile::TempDir,
}

/// One answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.service.shutdown.cancel();
    }
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with(|_| {}, ROOM)
    }

    pub(crate) fn with(configure: impl FnOnce(&mut Config), space: Space) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: dir.path().to_owned(),
            ..Config::default()
        };
        configure(&mut config);
        let clock = Arc::new(Shifted::default());
        let retry = RetryPolicy {
            base: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        let store = embedded::open(dir.path(), clock.clone(), retry).unwrap();
        let space = Arc::new(Mutex::new(Some(space)));
        let read = space.clone();
        let logs = Logs::new(&config.log, clock.clone());
        logs.open(&dir.path().join("logs")).unwrap();
        let parts = Parts {
            store,
            artifacts: Artifacts::local(&dir.path().join("artifacts")).unwrap(),
            config: Arc::new(config),
            clock: clock.clone(),
            metrics: capacity::metrics::unrecorded(),
            space: Arc::new(move |path| {
                if path.ends_with(CROWDED) {
                    return Ok(FULL);
                }
                let gone = || std::io::Error::other("gone");
                read.lock().unwrap().ok_or_else(gone)
            }),
            logs: logs.clone().of("this-process"),
        };
        let tasks = TaskTracker::new();
        let service = Service::start(parts, tasks.clone(), CancellationToken::new());
        Self {
            router: http::router(service.clone()),
            service,
            tasks,
            space,
            clock,
            dir,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answered(self.router.clone(), request).await
    }

    /// Sends beside the test.
    pub(crate) fn asking(&self, request: Request<Body>) -> JoinHandle<Answer> {
        let router = self.router.clone();
        tokio::spawn(answered(router, request))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.send(request("POST", path).body(Body::empty()).unwrap())
            .await
    }

    /// Uploads these parts.
    pub(crate) async fn upload(&self, parts: &[Part]) -> Answer {
        self.send(form(parts)).await
    }

    /// An accepted job of pictures with these names.
    pub(crate) async fn job(&self, names: &[&str]) -> JobId {
        let parts: Vec<_> = names.iter().map(|name| picture(name, b"bytes")).collect();
        let answer = self.upload(&parts).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()["job_id"].as_str().unwrap().parse().unwrap()
    }

    /// Takes every waiting task of a queue, as a worker does, and starts it.
    pub(crate) async fn start(&self, queue: Queue) -> Vec<Reserved> {
        let ask = Reserve {
            queue,
            lane: Lane::local(),
            worker: WorkerId("test".to_owned()),
            limit: 100,
            lease: Duration::from_secs(30),
        };
        let reserved = self.service.store.jobs.reserve(ask).await.unwrap();
        let leases: Vec<_> = reserved.iter().map(|task| task.lease.clone()).collect();
        let held = self.service.store.jobs.start(&leases).await.unwrap();
        assert!(held.iter().all(|held| *held == Held::Yes));
        reserved
    }

    /// Hands in a model and its preview for a started task.
    pub(crate) async fn complete(&self, lease: &Lease) {
        let (item, formats) = match &lease.task.work {
            Work::Generate { item } => (*item, vec!["glb", "preview"]),
            Work::Convert { item, format } => (*item, vec![format.as_str()]),
            Work::Remove => panic!("a removal makes no files"),
        };
        let mut files = Vec::new();
        for format in formats {
            files.push(self.produce(lease, item, format).await);
        }
        let completion = Completion {
            files,
            warnings: vec![Notice {
                code: "no_foreground".to_owned(),
                message: "nothing stood out; the whole picture was taken".to_owned(),
            }],
        };
        let jobs = &self.service.store.jobs;
        jobs.complete(lease, completion).await.unwrap();
    }

    async fn produce(&self, lease: &Lease, item: u8, format: &str) -> FileRecord {
        let (extension, media_type) = match format {
            "glb" => ("glb", "model/gltf-binary"),
            "preview" => ("png", "image/png"),
            "obj" => ("obj", "model/obj"),
            other => panic!("no test makes {other}"),
        };
        let job = lease.task.job;
        let name = format!("{job}_{item:02}_{format}.{extension}");
        let key = ArtifactKey::produced(job.item(item), &lease.token, &name);
        let bytes = Bytes::from(format!("the {format} of {item}"));
        let size = bytes.len() as u64;
        self.service.artifacts.put(&key, bytes).await.unwrap();
        FileRecord {
            name,
            format: format.to_owned(),
            media_type: media_type.to_owned(),
            size,
            key: key.as_str().to_owned(),
            created: Timestamp(1_700_000_000_000),
        }
    }

    /// Hands in a final failure for a started task.
    pub(crate) async fn fail(&self, lease: &Lease, retry: Retry) {
        let failure = Failure {
            error: Notice {
                code: "truncated".to_owned(),
                message: "the JPEG picture is truncated: it ends after 12 bytes".to_owned(),
            },
            retry,
        };
        let jobs = &self.service.store.jobs;
        jobs.fail(lease, failure).await.unwrap();
    }

    /// Puts the clock forward.
    pub(crate) fn later(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.clock.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Returns when the service has nothing left to see through.
    pub(crate) async fn quiet(&self) {
        self.service.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Looks until it is so, for ten seconds.
    pub(crate) async fn until(&self, mut so: impl FnMut() -> bool) {
        let reached = async {
            while !so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), reached).await;
        assert!(waited.is_ok(), "it never came to that");
    }

    /// Every file below the artifacts' directory, half-written ones included.
    pub(crate) fn files_on_disk(&self) -> usize {
        self.sizes_on_disk().len()
    }

    /// Bytes of all those files.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.sizes_on_disk().values().sum()
    }

    /// Those files and their sizes. One that goes meanwhile is left out.
    pub(crate) fn sizes_on_disk(&self) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.dir.path().join("artifacts")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                    Ok(meta) => drop(found.insert(entry.path(), meta.len())),
                    Err(_) => {}
                }
            }
        }
        found
    }
}

async fn answered(router: http::Answering, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    }
}

pub(crate) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:8080")
}

/// One part of a form.
pub(crate) struct Part {
    name: String,
    filename: Option<String>,
    media_type: Option<String>,
    bytes: Vec<u8>,
}

pub(crate) fn picture(filename: &str, bytes: &[u8]) -> Part {
    let media_type = if filename.ends_with("png") {
        "image/png"
    } else {
        "image/jpeg"
    };
    file(filename, media_type, bytes)
}

pub(crate) fn file(filename: &str, media_type: &str, bytes: &[u8]) -> Part {
    Part {
        name: "files".to_owned(),
        filename: Some(filename.to_owned()),
        media_type: Some(media_type.to_owned()),
        bytes: bytes.to_vec(),
    }
}

pub(crate) fn text(name: &str, value: &str) -> Part {
    Part {
        name: name.to_owned(),
        filename: None,
        media_type: None,
        bytes: value.as_bytes().to_vec(),
    }
}

pub(crate) const BOUNDARY: &str = "a-boundary-of-the-tests";

pub(crate) fn encoded(parts: &[Part]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        let mut head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{}\"",
            part.name
        );
        if let Some(filename) = &part.filename {
            head += &format!("; filename=\"{filename}\"");
        }
        if let Some(media_type) = &part.media_type {
            head += &format!("\r\ncontent-type: {media_type}");
        }
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

pub(crate) fn form(parts: &[Part]) -> Request<Body> {
    form_with(parts, &[])
}

pub(crate) fn form_with(parts: &[Part], headers: &[(&str, &str)]) -> Request<Body> {
    raw_form(Body::from(encoded(parts)), headers)
}

pub(crate) fn raw_form(body: Body, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = request("POST", "/api/v1/upload/").header(
        "content-type",
        format!("multipart/form-data; boundary={BOUNDARY}"),
    );
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// Ids, times and figures of the machine become words, so that a body can be compared.
pub(crate) fn redacted(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match name.as_str() {
                        "timestamp" | "created" | "ended" | "retry_at" if !value.is_null() => {
                            *value = "[time]".into();
                        }
                        "eta_seconds" => *value = "[seconds]".into(),
                        _ => walk(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::String(text) => *text = without_ids(text),
            _ => {}
        }
    }
    walk(&mut value);
    if let Value::Object(members) = &mut value
        && let Some(Value::Object(files)) = members.get_mut("files")
    {
        *files = std::mem::take(files)
            .into_iter()
            .map(|(id, file)| (without_ids(&id), file))
            .collect();
    }
    value
}

/// `[job]` and `[item n]` for every id in a text.
pub(crate) fn without_ids(text: &str) -> String {
    const LENGTH: usize = 36;
    let mut rest = text;
    let mut clean = String::new();
    while let Some(c) = rest.chars().next() {
        let id = rest.get(..LENGTH).filter(|id| {
            id.as_bytes()[8] == b'-' && id.as_bytes()[13] == b'-' && id.as_bytes()[23] == b'-'
        });
        if let Some(id) = id {
            let number = u8::from_str_radix(&id[LENGTH - 2..], 16).unwrap();
            match number {
                0 => clean.push_str("[job]"),
                n => clean.push_str(&format!("[item {n}]")),
            }
            rest = &rest[LENGTH..];
        } else {
            clean.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    clean
}

/// Every refusal has RFC 9457's members and the old ones, and they agree.
pub(crate) fn assert_problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = answer.json();
    let code = match status {
        422 => "VALIDATION_ERROR".to_owned(),
        500 => "INTERNAL_SERVER_ERROR".to_owned(),
        status => format!("HTTP_{status}"),
    };
    assert_eq!(body["type"], "about:blank");
    assert_eq!(body["status"], status);
    assert_eq!(body["status_code"], status);
    assert_eq!(body["error"], true);
    assert_eq!(body["error_code"], code);
    assert_eq!(body["detail"], body["message"]);
    assert!(body["title"].is_string() && body["instance"].is_string());
    assert!(body["details"].is_object());
    body
}
