//! Rates, quotas and admission before the body is read.

use std::{
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use bytes::Bytes;
use image2model::{
    access::{Key, Scope, Token},
    config::Config,
    job::{JobId, Queue, transition::Retry},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Answer, Api, ROOM, assert_problem, form_with, picture, raw_form, request, text};

/// With limits such as these, and one key that is held to them.
struct Keyed {
    api: Api,
    authorization: String,
}

impl Keyed {
    async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::of(configure, |_| {}).await
    }

    async fn of(configure: impl FnOnce(&mut Config), change: impl FnOnce(&mut Key)) -> Self {
        let api = Api::with(configure, ROOM);
        let authorization = add_key(&api, 1, change).await;
        Self { api, authorization }
    }

    async fn upload(&self, names: &[&str], headers: &[(&str, &str)]) -> Answer {
        self.upload_as(&self.authorization, names, headers).await
    }

    async fn upload_as(
        &self,
        authorization: &str,
        names: &[&str],
        headers: &[(&str, &str)],
    ) -> Answer {
        let parts: Vec<_> = names.iter().map(|name| picture(name, b"bytes")).collect();
        let mut all = vec![("authorization", authorization)];
        all.extend(headers);
        self.api.send(form_with(&parts, &all)).await
    }

    /// By the form of a browser without scripts, in which the key is.
    async fn upload_plain(&self) -> Answer {
        let key = self.authorization.trim_start_matches("Bearer ");
        let form = form_with(&[text("key", key), picture("a.png", b"bytes")], &[]);
        let (mut head, body) = form.into_parts();
        head.uri = "/plain".parse().unwrap();
        self.api.send(Request::from_parts(head, body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        let request = request("GET", path).header("authorization", &self.authorization);
        self.api.send(request.body(Body::empty()).unwrap()).await
    }

    async fn usage(&self) -> Value {
        self.get("/api/v1/usage").await.json()
    }
}

async fn add_key(api: &Api, seed: u8, change: impl FnOnce(&mut Key)) -> String {
    let token = Token::from_bytes(&[seed; 32]);
    let mut key = Key::of(&token, Scope::User, api.service.now());
    change(&mut key);
    api.service.store.keys.add_key(key).await.unwrap();
    api.service.keyring.look().await.unwrap();
    format!("Bearer {}", token.reveal())
}

fn accepted(answer: &Answer) -> JobId {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["job_id"].as_str().unwrap().parse().unwrap()
}

/// An upload that waits to be asked for its body, of which nothing ever comes, and what is told when it is.
fn silent(authorization: &str) -> (Request<Body>, Arc<Notify>) {
    let asked = Arc::new(Notify::new());
    let told = asked.clone();
    let never = futures::stream::poll_fn(move |_| {
        told.notify_one();
        Poll::<Option<Result<Bytes, std::io::Error>>>::Pending
    });
    let headers = [("authorization", authorization), ("expect", "100-continue")];
    (raw_form(Body::from_stream(never), &headers), asked)
}

#[tokio::test]
async fn a_caller_is_held_to_the_rate_and_told_how_he_stands() {
    let it = Keyed::with(|config| config.limits.per_minute = 2).await;
    let answer = it.upload(&["a.png"], &[]).await;
    accepted(&answer);
    let policy = "\"minute\";q=2;w=60, \"hour\";q=1000;w=3600";
    assert_eq!(answer.header("ratelimit-policy"), policy);
    let standing = answer.header("ratelimit");
    assert!(standing.starts_with("\"minute\";r=1;t=30, "), "{standing}");
    assert_eq!(answer.header("x-ratelimit-limit"), "2");
    assert_eq!(answer.header("x-ratelimit-remaining"), "1");
    let reset: i64 = answer.header("x-ratelimit-reset").parse().unwrap();
    let now = it.api.service.now().0 / 1000;
    assert!((now + 25..=now + 31).contains(&reset), "{reset} at {now}");

    accepted(&it.upload(&["a.png"], &[]).await);
    let refused = it.upload(&["a.png"], &[]).await;
    let body = assert_problem(&refused, 429);
    let message = body["message"].as_str().unwrap();
    let said =
        "The limit of 2 requests that make work a minute is reached; the next is let through in ";
    assert!(message.starts_with(said), "{message}");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((25..=30).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    it.api.later(Duration::from_secs(wait));
    accepted(&it.upload(&["a.png"], &[]).await);

    let other = add_key(&it.api, 2, |_| {}).await;
    accepted(&it.upload_as(&other, &["a.png"], &[]).await);
    let open = it.get("/api/v1/health").await;
    assert_eq!(open.header("ratelimit"), "", "what is open is not counted");
}

#[tokio::test]
async fn a_form_without_scripts_counts_as_work_of_its_keys_owner() {
    let it = Keyed::with(|config| config.limits.per_minute = 2).await;
    accepted(&it.upload(&["a.png"], &[]).await);
    let answer = it.upload_plain().await;
    assert!(!answer.status.is_client_error(), "{}", answer.text());
    assert_eq!(answer.header("x-ratelimit-limit"), "2");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    let refused = it.upload_plain().await;
    let body = assert_problem(&refused, 429);
    let message = body["message"].as_str().unwrap();
    let said = "The limit of 2 requests that make work a minute is reached";
    assert!(message.starts_with(said), "{message}");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    assert_problem(&it.upload(&["a.png"], &[]).await, 429);
    assert_eq!(
        it.api.files_on_disk(),
        2,
        "nothing is kept of what is refused"
    );
}

#[tokio::test]
async fn too_much_waiting_work_refuses_a_form_without_scripts() {
    let it = Keyed::with(|config| {
        config.workers.max_depth = 1;
        config.limits.per_minute = 0;
        config.limits.per_hour = 0;
    })
    .await;
    let began = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let refused = loop {
        look.tick().await;
        let answer = it.upload_plain().await;
        if answer.status.is_server_error() {
            break answer;
        }
        // Until the depth is looked at anew.
        assert!(began.elapsed() < Duration::from_secs(10));
    };
    let body = assert_problem(&refused, 503);
    let message = body["message"].as_str().unwrap();
    assert!(message.contains("workers.max_depth"), "{message}");
    assert_eq!(body["code"], "busy");
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn who_is_unlimited_is_told_and_not_held() {
    let limit = |config: &mut Config| config.limits.per_minute = 1;
    let it = Keyed::of(limit, |key| key.unlimited = true).await;
    for _ in 0..3 {
        let answer = it.upload(&["a.png"], &[]).await;
        accepted(&answer);
        assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    }
}

#[tokio::test]
async fn reads_have_a_limit_of_their_own() {
    let it = Keyed::with(|config| {
        config.limits.per_minute = 0;
        config.limits.per_hour = 0;
        config.limits.reads_per_minute = 2;
    })
    .await;
    let answer = it.upload(&["a.png"], &[]).await;
    let id = accepted(&answer);
    assert_eq!(answer.header("ratelimit"), "", "no limit, no word of it");
    let path = format!("/api/v1/jobs/{id}");
    for left in ["1", "0"] {
        assert_eq!(it.get(&path).await.header("x-ratelimit-remaining"), left);
    }
    let refused = it.get(&path).await;
    assert_problem(&refused, 429);
    accepted(&it.upload(&["a.png"], &[]).await);
}

#[tokio::test]
async fn an_owner_has_so_many_images_in_work() {
    let it = Keyed::with(|config| config.quotas.queued_images = 3).await;
    let first = accepted(
        &it.upload(&["a.png", "b.png"], &[("idempotency-key", "1")])
            .await,
    );
    let refused = it.upload(&["a.png", "b.png"], &[]).await;
    assert_eq!(refused.header("retry-after"), "30");
    let body = assert_problem(&refused, 429);
    assert_eq!(
        body["message"],
        "2 images of this key's owner wait or are worked on, and 2 more are over the limit of 3 (quotas.queued_images); \
         try again when some are done."
    );
    assert_eq!(
        it.api.files_on_disk(),
        2,
        "what was refused is kept nowhere"
    );
    accepted(&it.upload(&["a.png"], &[]).await);
    assert_problem(&it.upload(&["a.png"], &[]).await, 429);
    let again = it
        .upload(&["a.png", "b.png"], &[("idempotency-key", "1")])
        .await;
    assert_eq!(accepted(&again), first, "a repeat needs no room");
    let usage = it.usage().await;
    assert_eq!(usage["queued_images"], json!({"used": 3, "limit": 3}));
    assert_eq!(usage["stored_bytes"], json!({"used": 15, "limit": null}));
    assert_eq!(
        usage["images_per_day"],
        json!({"used": null, "limit": null})
    );
    let started = it.api.start(Queue::ModelGeneration).await;
    for task in &started {
        it.api.fail(&task.lease, Retry::Never).await;
    }
    assert_eq!(it.usage().await["queued_images"]["used"], 0);
    accepted(&it.upload(&["a.png", "b.png", "c.png"], &[]).await);
}

#[tokio::test]
async fn an_owner_has_so_many_bytes_and_images_a_day() {
    let it = Keyed::with(|config| {
        config.quotas.stored_bytes = 12;
        config.quotas.images_per_day = 3;
    })
    .await;
    accepted(&it.upload(&["a.png", "b.png"], &[]).await);
    let refused = it.upload(&["a.png"], &[]).await;
    assert_eq!(refused.header("retry-after"), "600");
    let body = assert_problem(&refused, 429);
    let message = body["message"].as_str().unwrap();
    let said = "10 bytes of this key's owner are stored, and 5 more are over the limit of 12 (quotas.stored_bytes)";
    assert!(message.starts_with(said), "{message}");

    let it = Keyed::with(|config| config.quotas.images_per_day = 3).await;
    accepted(&it.upload(&["a.png", "b.png"], &[]).await);
    let refused = it.upload(&["a.png", "b.png"], &[]).await;
    let body = assert_problem(&refused, 429);
    assert_eq!(
        body["message"],
        "2 more images are over the limit of 3 a day (quotas.images_per_day), of which 1 are left now."
    );
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((28_790..=28_800).contains(&wait), "{wait}");
    let usage = it.usage().await;
    assert_eq!(usage["images_per_day"], json!({"used": 2, "limit": 3}));
    it.api.later(Duration::from_secs(wait));
    accepted(&it.upload(&["a.png", "b.png"], &[]).await);
}

#[tokio::test]
async fn what_no_wait_makes_room_for_is_told_without_one() {
    let most = [
        (
            "queued_images",
            "2 images are over the limit of 1 at once (quotas.queued_images)",
        ),
        (
            "stored_bytes",
            "10 bytes are over the limit of 1 (quotas.stored_bytes)",
        ),
        (
            "images_per_day",
            "2 images are over the limit of 1 a day (quotas.images_per_day)",
        ),
    ];
    for (quota, said) in most {
        let it = Keyed::with(|config| match quota {
            "queued_images" => config.quotas.queued_images = 1,
            "stored_bytes" => config.quotas.stored_bytes = 1,
            _ => config.quotas.images_per_day = 1,
        })
        .await;
        let refused = it.upload(&["a.png", "b.png"], &[]).await;
        let body = assert_problem(&refused, 429);
        let message = body["message"].as_str().unwrap();
        assert!(message.starts_with(said), "{message}");
        assert!(
            message.ends_with("send fewer or smaller images at a time."),
            "{message}"
        );
        assert_eq!(refused.header("retry-after"), "", "{quota}");
    }
}

#[tokio::test]
async fn a_retry_counts_like_an_upload() {
    let it = Keyed::with(|config| config.quotas.images_per_day = 1).await;
    let id = accepted(&it.upload(&["a.png"], &[]).await);
    for task in &it.api.start(Queue::ModelGeneration).await {
        it.api.fail(&task.lease, Retry::Never).await;
    }
    let retry = request("POST", &format!("/api/v1/jobs/{id}/retry"));
    let retry = retry.header("authorization", &it.authorization);
    let refused = it.api.send(retry.body(Body::empty()).unwrap()).await;
    let body = assert_problem(&refused, 429);
    let message = body["message"].as_str().unwrap();
    assert!(message.contains("quotas.images_per_day"), "{message}");
}

#[tokio::test]
async fn an_owner_has_so_many_streams() {
    let it = Keyed::with(|config| config.quotas.streams = 1).await;
    let id = accepted(&it.upload(&["a.png"], &[]).await);
    let open = || {
        let path = format!("/api/v1/status/tasks/{id}/stream");
        let request = request("GET", &path).header("authorization", &it.authorization);
        tower::ServiceExt::oneshot(it.api.router.clone(), request.body(Body::empty()).unwrap())
    };
    let first = open().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(it.usage().await["streams"], json!({"used": 1, "limit": 1}));
    let refused = open().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "30");
    drop(first);
    assert_eq!(it.usage().await["streams"]["used"], 0);
    assert_eq!(open().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn without_keys_nothing_is_counted_for_anybody() {
    let api = Api::with(|config| config.quotas.queued_images = 1, ROOM);
    api.job(&["a.png", "b.png"]).await;
    let usage = api.get("/api/v1/usage").await.json();
    assert_eq!(usage["owner"], "open");
    assert_eq!(usage["queued_images"], json!({"used": null, "limit": null}));
    assert_eq!(usage["requests"][0]["window"], "minute");
    assert_eq!(usage["requests"][0]["remaining"], 59);
}

#[tokio::test]
async fn too_much_waiting_work_refuses_more_before_it_is_read() {
    let it = Keyed::with(|config| {
        config.workers.max_depth = 2;
        config.limits.per_minute = 0;
        config.limits.per_hour = 0;
    })
    .await;
    accepted(&it.upload(&["a.png", "b.png"], &[]).await);
    let began = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let refused = loop {
        look.tick().await;
        let (upload, body_asked) = silent(&it.authorization);
        tokio::select! {
            answer = it.api.send(upload) => break answer,
            // Until the depth is looked at anew.
            () = body_asked.notified() => assert!(began.elapsed() < Duration::from_secs(10)),
        }
    };
    let body = assert_problem(&refused, 503);
    assert_eq!(
        body["message"],
        "2 images wait to be worked on, and the limit is 2 (workers.max_depth); try again later."
    );
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn one_upload_too_many_is_refused_before_it_is_read() {
    let it = Keyed::with(|config| config.upload.max_running = 1).await;
    let (upload, body_asked) = silent(&it.authorization);
    let first = it.api.asking(upload);
    body_asked.notified().await;
    let (upload, body_asked) = silent(&it.authorization);
    let refused = tokio::select! {
        answer = it.api.send(upload) => answer,
        () = body_asked.notified() => panic!("it is read"),
    };
    let body = assert_problem(&refused, 503);
    assert_eq!(
        body["message"],
        "1 uploads are being received, which is the limit (upload.max_running); try again shortly."
    );
    assert_eq!(body["code"], "busy");
    assert_eq!(refused.header("retry-after"), "5");
    assert!(!first.is_finished());
}

#[tokio::test]
async fn one_caller_has_a_share_of_the_uploads_and_leaves_the_rest_to_others() {
    let it = Keyed::with(|config| config.upload.max_running = 60).await;
    let other = add_key(&it.api, 2, |key| key.owner.0 = "other".to_owned()).await;
    let mut held = Vec::new();
    for _ in 0..25 {
        let (upload, body_asked) = silent(&it.authorization);
        held.push(it.api.asking(upload));
        body_asked.notified().await;
    }
    let refused = it.upload(&["a.png"], &[]).await;
    let body = assert_problem(&refused, 503);
    assert_eq!(
        body["message"],
        "25 of your uploads are being received, which is one caller's share of 60 (upload.max_running); try again when \
         one has ended."
    );
    assert_eq!(refused.header("retry-after"), "5");
    accepted(&it.upload_as(&other, &["a.png"], &[]).await);
    // A form without scripts counts for its key as well.
    let token = it.authorization.strip_prefix("Bearer ").unwrap();
    let parts = [text("key", token), picture("a.png", b"bytes")];
    let mut plain = form_with(&parts, &[]);
    *plain.uri_mut() = "/plain".parse().unwrap();
    assert_problem(&it.api.send(plain).await, 503);
    assert!(held.iter().all(|upload| !upload.is_finished()));
}

#[tokio::test]
async fn a_repeat_of_a_removed_job_makes_no_second_one() {
    let api = Api::new();
    let key = [("idempotency-key", "once")];
    let parts = [picture("a.png", b"bytes")];
    let id = accepted(&api.send(form_with(&parts, &key)).await);
    let started = api.start(Queue::ModelGeneration).await;
    api.fail(&started[0].lease, Retry::Never).await;
    api.service.store.jobs.request_removal(id).await.unwrap();
    let removal = api.start(Queue::Maintenance).await;
    api.service
        .store
        .jobs
        .removed(&removal[0].lease)
        .await
        .unwrap();
    let body = assert_problem(&api.send(form_with(&parts, &key)).await, 410);
    assert_eq!(
        body["message"],
        format!(
            "The job {id} that this Idempotency-Key made has been removed; another key makes a new one."
        )
    );
    assert_eq!(body["details"]["job_id"], id.to_string());
    let other = [picture("a.png", b"bytes"), text("face_limit", "100")];
    assert_problem(&api.send(form_with(&other, &key)).await, 422);
    api.later(Duration::from_secs(86_400));
    let again = api.send(form_with(&parts, &key)).await;
    assert_eq!(accepted(&again), id, "its time is over");
}
