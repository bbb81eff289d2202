//! What fuzzing does to forms and queries, over the real router and a service of its own.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::FromRequest as _,
    http::{Request, StatusCode, header},
};
use futures::stream;
use tokio::runtime::{Builder, Runtime};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    artifacts::Artifacts,
    capacity::{disk::Space, metrics::unrecorded},
    clock::SystemClock,
    config::{Config, KeySettings, LimitSettings, UploadSettings},
    job::{
        About, Flow, JobId, Owner, Priority, RetryPolicy,
        transition::{NewItem, NewJob},
    },
    logs::Logs,
    provider::ModelRequest,
    service::{Caller, Parts, Service},
    store::embedded,
};

use super::{
    form::{self, Intake},
    generate, parts, words,
};

/// Bytes of a file and files of a form.
const LARGEST_FILE: u64 = 64;
const MOST_FILES: usize = 3;
/// Bytes of the longest answer.
const LONGEST_ANSWER: usize = 1 << 20;
const ADMIN: &str = "admins";
/// The owner of the jobs, and the keys that their ids derive from.
const OWNER: &str = "open";
const JOBS: [&str; 3] = ["a", "b", "c"];

/// A service with three ended jobs.
struct House {
    runtime: Runtime,
    service: Service,
    router: super::Answering,
    _home: tempfile::TempDir,
}

thread_local! {
    /// One for all inputs of a thread: to build one takes longer than to ask it.
    static HOUSE: House = House::new();
}

impl House {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let home = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(SystemClock);
        let config = Config {
            data_dir: home.path().to_owned(),
            keys: KeySettings {
                user: "users".to_owned(),
                admin: ADMIN.to_owned(),
            },
            limits: LimitSettings {
                per_minute: 0,
                per_hour: 0,
                reads_per_minute: 0,
            },
            upload: UploadSettings {
                max_files: MOST_FILES,
                max_file_bytes: LARGEST_FILE,
                max_mesh_bytes: LARGEST_FILE,
                ..UploadSettings::default()
            },
            ..Config::default()
        };
        let logs = Logs::nowhere(&config.log, clock.clone());
        let service = runtime.block_on(async {
            let parts = Parts {
                store: embedded::open(home.path(), clock.clone(), RetryPolicy::default())
                    .expect("a store"),
                artifacts: Artifacts::local(&home.path().join("artifacts")).expect("artifacts"),
                config: Arc::new(config),
                clock,
                metrics: unrecorded(),
                space: Arc::new(Space::of),
                logs,
            };
            let service = Service::start(parts, TaskTracker::new(), CancellationToken::new());
            for name in JOBS {
                let new = new_job(name);
                let id = new.id;
                service.store.jobs.create_job(new).await.expect("a job");
                service.store.jobs.cancel(id).await.expect("it ends");
            }
            service
        });
        Self {
            router: super::router(service.clone()),
            runtime,
            service,
            _home: home,
        }
    }

    /// What comes of a form whose body comes in these pieces.
    async fn form(&self, intake: Intake, pieces: &[&[u8]]) -> Result<String, String> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Bytes::copy_from_slice(piece))
            .collect();
        let body = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
            .body(Body::from_stream(body))
            .expect("a request");
        let form = parts::Parts::from_request(request, &()).await;
        let mut form = form.expect("a form");
        let caller = Caller::of(Owner(OWNER.to_owned()));
        let begun = self.service.begin(caller, None).await;
        let mut submission = begun.expect("a submission");
        let settings = &self.service.config.upload;
        let read = form::read(intake, settings, &mut submission, &mut form).await;
        let is_empty = submission.is_empty();
        submission.discard().await;
        let asked = read.map_err(|problem| format!("{problem:?}"))?;
        assert!(!is_empty, "a form without files was taken");
        let known = About::new(asked.about.labels.clone(), asked.about.reference.clone());
        assert_eq!(known.as_ref(), Ok(&asked.about));
        stays(&asked.request);
        Ok(format!("{asked:?}"))
    }

    async fn get(&self, target: &str, last_event: &[u8]) -> Option<(StatusCode, Bytes)> {
        let request = Request::get(target)
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN}"))
            .header(header::HOST, "localhost")
            .header("last-event-id", last_event)
            .body(Body::empty())
            .ok()?;
        let Ok(answer) = self.router.clone().oneshot(request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, LONGEST_ANSWER).await;
        Some((head.status, body.expect("an answer that ends")))
    }
}

fn new_job(name: &str) -> NewJob {
    NewJob {
        id: JobId::derived(OWNER, name),
        owner: Owner(OWNER.to_owned()),
        flow: Flow(OWNER.to_owned()),
        priority: Priority::Normal,
        options: vec![("model".to_owned(), "inflate".to_owned())],
        formats: Vec::new(),
        fingerprint: None,
        about: About::default(),
        items: vec![NewItem {
            filename: "cat.png".to_owned(),
            media_type: "image/png".to_owned(),
            size: 1,
            upload: format!("uploads/{name}"),
        }],
    }
}

/// A request is read back from what is stored of it.
pub(crate) fn stays(request: &ModelRequest) {
    let formats = request.formats.iter().map(|format| format.extension());
    let formats: Vec<_> = formats.map(str::to_owned).collect();
    let again = ModelRequest::from_stored(&request.to_stored(), &formats);
    assert_eq!(again.as_ref(), Ok(request));
}

/// One byte for what the files are, one for the place at which the body is parted, and the body (boundary `b`).
///
/// What is taken has files and words within their limits, and the same comes of a body however it is parted. Only how
/// much of it may come without a part is counted in steps, whose edges depend on that.
pub(crate) fn multipart(bytes: &[u8]) {
    let [kind, place, body @ ..] = bytes else {
        return;
    };
    let intake = match kind % 3 {
        0 => Intake::Pictures,
        1 => Intake::Meshes,
        _ => Intake::Archive,
    };
    let (first, second) = body.split_at(body.len() * usize::from(*place) / 256);
    HOUSE.with(|house| {
        let (whole, parted) = house.runtime.block_on(async {
            let whole = house.form(intake, &[body]).await;
            (whole, house.form(intake, &[first, second]).await)
        });
        let is_crowded = |came: &Result<String, String>| {
            (came.as_ref()).is_err_and(|problem| problem.contains("without a part"))
        };
        if !is_crowded(&whole) && !is_crowded(&parted) {
            assert_eq!(whole, parted, "parted after {} bytes", first.len());
        }
    });
}

/// Two lines: path with query, and the id of the last event.
///
/// No query of an administrator's brings the server down, and a page's `next` leads to a page.
pub(crate) fn query(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let Ok(target) = std::str::from_utf8(lines.next().unwrap_or_default()) else {
        return;
    };
    let last_event = lines.next().unwrap_or_default();
    HOUSE.with(|house| {
        let answer = house.runtime.block_on(house.get(target, last_event));
        let Some((status, body)) = answer else {
            return;
        };
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{target}");
        let path = target.split('?').next().unwrap_or_default();
        let page: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if path == "/api/v1/jobs"
            && let Some(next) = page["next"].as_str()
        {
            let next = format!("{path}?limit=1&cursor={next}");
            let answer = house.runtime.block_on(house.get(&next, b""));
            assert_eq!(
                answer.map(|(status, _)| status),
                Some(StatusCode::OK),
                "{next}"
            );
        }
    });
}

/// What `POST /models/generate` and the fields for labels are sent.
pub(crate) fn body(text: &str) {
    let ask = serde_json::from_str::<generate::Ask>(text);
    if let Some(request) = ask.ok().and_then(|ask| ask.request().ok()) {
        stays(&request);
    }
    for labels in [Ok(vec![text.to_owned()]), words::labels(text)] {
        if let Ok(Ok(about)) = labels.map(|labels| words::about(labels, None)) {
            assert_eq!(About::new(about.labels.clone(), None), Ok(about));
        }
    }
}
