//! Uploads whose bodies come bit by bit.

use std::time::{Duration, Instant};

use axum::{body::Body, http::Request};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};
use tokio_stream::wrappers::ReceiverStream;

use super::{Answer, Api, ROOM, assert_problem, encoded, picture, raw_form};

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
