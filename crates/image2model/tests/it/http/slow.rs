//! Requests whose bodies come bit by bit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{HeaderValue, Request},
};
use futures::{StreamExt as _, stream};
use image2model::capacity::disk::Space;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};
use tokio_stream::wrappers::ReceiverStream;

use super::{Answer, Api, BOUNDARY, GB, ROOM, assert_problem, encoded, picture, raw_form, request};

const MEGABYTE: usize = 1024 * 1024;

/// A body that is sent bit by bit; it has not ended until the test says so.
pub(crate) struct SlowBody(mpsc::Sender<std::io::Result<Vec<u8>>>);

impl SlowBody {
    /// Returns when the one before has been taken.
    pub(crate) async fn send(&self, bytes: Vec<u8>) {
        self.0.send(Ok(bytes)).await.unwrap();
    }

    pub(crate) fn end(self) {}

    /// Sends unless the one before waits still, or nobody reads any more.
    fn try_send(&self, bytes: Vec<u8>) {
        let _ = self.0.try_send(Ok(bytes));
    }

    /// Fails as it does when the connection breaks.
    pub(crate) async fn breaks(self) {
        let broken = std::io::ErrorKind::ConnectionReset.into();
        self.0.send(Err(broken)).await.unwrap();
    }
}

/// A form whose body the test sends bit by bit.
pub(crate) fn slow_form() -> (Request<Body>, SlowBody) {
    let (sender, receiver) = mpsc::channel(1);
    let body = Body::from_stream(ReceiverStream::new(receiver));
    (raw_form(body, &[]), SlowBody(sender))
}

/// An upload of which a whole picture and half of another have come, and which is not answered yet.
async fn half_sent(api: &Api) -> (SlowBody, JoinHandle<Answer>) {
    let (request, body) = slow_form();
    let asking = api.asking(request);
    let form = encoded(&[
        picture("a.png", b"x"),
        picture("b.png", &vec![7; 4 * MEGABYTE]),
    ]);
    body.send(form[..form.len() / 2].to_vec()).await;
    api.until(|| api.bytes_on_disk() > 1).await;
    (body, asking)
}

#[tokio::test]
async fn an_upload_that_stalls_is_given_up() {
    let api = Api::with(|config| config.upload.idle_timeout = 1, ROOM);
    let (_stalled, asking) = half_sent(&api).await;
    let answer = asking.await.unwrap();
    let problem = assert_problem(&answer, 408);
    assert_eq!(
        problem["detail"],
        "Nothing more of the request came for 1 s; send it again."
    );
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn a_stalled_body_of_any_other_request_is_given_up() {
    let api = Api::with(
        |config| {
            config.upload.idle_timeout = 1;
            config.keys.admin = "the-admins-key".to_owned();
        },
        ROOM,
    );
    for path in [
        "/api/v1/models/generate",
        "/api/v1/admin/cleanup",
        "/api/v1/admin/cleanup-job",
    ] {
        let (sender, receiver) = mpsc::channel(1);
        let stalled = SlowBody(sender);
        stalled.send(b"{\"hours\":".to_vec()).await;
        let asked = request("POST", path)
            .header("content-type", "application/json")
            .header("authorization", "Bearer the-admins-key")
            .body(Body::from_stream(ReceiverStream::new(receiver)));
        let answer = api.send(asked.unwrap()).await;
        let problem = assert_problem(&answer, 408);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("came for 1 s"), "{path}: {detail}");
        drop(stalled);
    }
}

/// A client that is cut off while it sends reads no answer.
#[tokio::test]
async fn who_is_refused_before_the_form_is_read_may_send_it_to_its_end() {
    let api = Api::new();
    *api.space.lock().unwrap() = Some(Space {
        total: 1000 * GB,
        free: GB,
    });
    let form = encoded(&[picture("a.png", &vec![7; 4 * MEGABYTE])]);
    let picture_alone = vec![7; 100_000];
    for (content, field, status) in [
        (&form, ("accept", "*/*"), 507),
        (&form, ("idempotency-key", "\u{e9}"), 400),
        (&picture_alone, ("content-type", "image/jpeg"), 415),
    ] {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let pieces: Vec<_> = content.chunks(MEGABYTE / 16).map(<[u8]>::to_vec).collect();
        let body = stream::iter(pieces).map(move |piece| {
            counted.fetch_add(piece.len(), Ordering::Relaxed);
            Ok::<_, std::io::Error>(piece)
        });
        let mut request = raw_form(Body::from_stream(body), &[]);
        let (name, value) = field;
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().insert(name, value);
        assert_problem(&api.send(request).await, status);
        assert_eq!(taken.load(Ordering::Relaxed), content.len(), "{status}");
    }
}

/// A form of `head` and then `more` for ever: what is answered, and how many bytes were taken till then.
async fn endless(api: &Api, path: &str, head: &str, more: &'static [u8]) -> (Answer, usize) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let head = head.as_bytes().to_vec();
    let pieces = stream::once(async move { head }).chain(stream::repeat(more.repeat(1000)));
    let pieces = pieces.map(move |piece| {
        counted.fetch_add(piece.len(), Ordering::Relaxed);
        // It ends where it would have to be refused for its length.
        let is_over = counted.load(Ordering::Relaxed) > 100 * MEGABYTE;
        (!is_over).then_some(Ok::<_, std::io::Error>(piece))
    });
    let body = pieces.take_while(|piece| std::future::ready(piece.is_some()));
    let body = body.map(Option::unwrap);
    let mut request = raw_form(Body::from_stream(body), &[]);
    *request.uri_mut() = path.parse().unwrap();
    let answer = api.send(request).await;
    (answer, taken.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_form_in_which_no_part_comes_is_refused_after_little() {
    let api = Api::new();
    let part = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"");
    let key = format!("{part}key\"\r\n\r\n\r\n");
    for (path, head, more) in [
        (
            "/api/v1/upload/",
            String::new(),
            &b"no boundary at all. "[..],
        ),
        ("/api/v1/upload/", part.clone() + "a\"\r\n", b"x: y\r\n"),
        // The one before it was passed over.
        (
            "/api/v1/upload/",
            format!("{part}files\"; filename=\"\"\r\n\r\n\r\n{part}a\"\r\n"),
            b"x: y\r\n",
        ),
        ("/api/v1/upload/zip", String::new(), b"-"),
        ("/api/v1/models/convert", String::new(), b"\r\n"),
        ("/plain", String::new(), b"no key "),
        ("/plain", key + &part + "a\"\r\n", b"x: y\r\n"),
    ] {
        let (answer, taken) = endless(&api, path, &head, more).await;
        let problem = assert_problem(&answer, 400);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("Over 65536 bytes"), "{path}: {detail}");
        assert!(taken < MEGABYTE / 4, "{path}: {taken} bytes of {head:?}");
    }
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn an_upload_that_never_ends_is_given_up() {
    let api = Api::with(|config| config.upload.timeout = 1, ROOM);
    let began = Instant::now();
    let (body, asking) = half_sent(&api).await;
    while !asking.is_finished() {
        assert!(began.elapsed().as_secs() < 10, "it is still taken in");
        body.try_send(vec![7; 10]);
        sleep(Duration::from_millis(20)).await;
    }
    let problem = assert_problem(&asking.await.unwrap(), 408);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("had not ended after 1 s"), "{detail}");
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn a_stalled_upload_does_not_hold_up_the_servers_end() {
    let api = Api::new();
    let (_stalled, asking) = half_sent(&api).await;
    let asked = Instant::now();
    api.quiet().await;
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    let answer = asking.await.unwrap();
    assert_problem(&answer, 503);
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn an_upload_whose_files_were_collected_is_not_accepted() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(request);
    let form = encoded(&[picture("a.png", b"x"), picture("b.png", b"y")]);
    // The whole first picture and some of the second one's head.
    body.send(form[..form.len() - 100].to_vec()).await;
    let whole = || -> Vec<_> { api.sizes_on_disk().into_keys().collect() };
    api.until(|| matches!(whole().as_slice(), [only] if only.to_string_lossy().ends_with(".1")))
        .await;
    std::fs::remove_file(&whole()[0]).unwrap();
    body.send(form[form.len() - 100..].to_vec()).await;
    body.end();
    let answer = asking.await.unwrap();
    assert_problem(&answer, 503);
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(api.files_on_disk(), 0);
    assert_eq!(api.get("/api/v1/jobs").await.json()["jobs"], json!([]));
}
