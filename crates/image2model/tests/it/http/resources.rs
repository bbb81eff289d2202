//! Jobs as resources: words about them, filters, retry, deletion, pages of events, and dead letters.

use axum::body::Body;
use image2model::{
    artifacts::ArtifactKey,
    config::Config,
    job::{JobId, Queue, Timestamp, transition::Retry},
};
use serde_json::{Value, json};

use super::{
    Answer, Api, Part, ROOM, assert_problem, encoded, form_with, picture, raw_form, request, text,
};

const ADMIN: &str = "Bearer the-administrators-own-key";
const USER: &str = "Bearer a-key-that-everybody-has";

fn with(words: &[(&str, &str)]) -> Vec<Part> {
    let words = words.iter().map(|(name, value)| text(name, value));
    [picture("a.png", b"bytes")]
        .into_iter()
        .chain(words)
        .collect()
}

fn accepted(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["job_id"].as_str().unwrap().to_owned()
}

fn ids(page: &Value) -> Vec<String> {
    let jobs = page["jobs"].as_array().unwrap().iter();
    jobs.map(|job| job["job_id"].as_str().unwrap().to_owned())
        .collect()
}

/// A job of these files, all of which fail but those that are named.
async fn mixed(api: &Api, names: &[&str], good: &[&str]) -> JobId {
    let job = api.job(names).await;
    for task in api.start(Queue::ModelGeneration).await {
        let number = task.task.id.work.generated().unwrap();
        if good.contains(&names[usize::from(number) - 1]) {
            api.complete(&task.lease).await;
        } else {
            api.fail(&task.lease, Retry::Never).await;
        }
    }
    job
}

impl Api {
    async fn as_(&self, key: &str, method: &str, path: &str) -> Answer {
        let request = request(method, path).header("authorization", key);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(request("DELETE", path).body(Body::empty()).unwrap())
            .await
    }

    /// Loses the only upload of a job.
    async fn forget_upload(&self, job: JobId) {
        let record = self.service.store.jobs.job(job).await.unwrap().unwrap();
        let upload = ArtifactKey::recorded(&record.items[0].upload);
        self.service.artifacts.delete(&upload).await.unwrap();
    }

    /// Removes a job that has ended as its age has it removed.
    async fn remove(&self, job: JobId) {
        let jobs = &self.service.store.jobs;
        jobs.request_removal(job).await.unwrap();
        self.tidy().await;
    }

    /// Does the removals that wait, as a worker does but for the files.
    pub(super) async fn tidy(&self) {
        for removal in self.start(Queue::Maintenance).await {
            let jobs = &self.service.store.jobs;
            jobs.removed(&removal.lease).await.unwrap();
        }
    }

    async fn retry(&self, job: impl std::fmt::Display, key: Option<&str>) -> Answer {
        let mut request = request("POST", &format!("/api/v1/jobs/{job}/retry"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn labels_and_a_reference_are_shown_and_part_of_the_request() {
    let api = Api::new();
    let words = with(&[
        ("label", "shop"),
        ("labels", r#"["sale","shop"]"#),
        ("reference", "order 7"),
    ]);
    let send = async |parts: &[Part]| {
        api.send(form_with(parts, &[("idempotency-key", "k")]))
            .await
    };
    let id = accepted(&send(&words).await);
    assert_eq!(accepted(&send(&words).await), id, "a repeat");
    let other = send(&with(&[("label", "shop")])).await;
    assert_problem(&other, 422);
    let job = api.get(&format!("/api/v1/jobs/{id}")).await.json();
    assert_eq!(job["labels"], json!(["shop", "sale"]));
    assert_eq!(job["reference"], "order 7");
    let plain = api.job(&["a.png"]).await;
    let plain = api.get(&format!("/api/v1/jobs/{plain}")).await.json();
    assert_eq!(plain["labels"], json!([]));
    assert!(plain.get("reference").is_none() && plain.get("retry_of").is_none());
}

#[tokio::test]
async fn words_over_their_limits_are_refused_by_name() {
    let api = Api::new();
    let long = "x".repeat(65);
    let many: Vec<_> = (0..17).map(|n| n.to_string()).collect();
    let many = serde_json::to_string(&many).unwrap();
    for (field, value, named) in [
        ("label", long.as_str(), "label"),
        ("labels", &many, "label"),
        ("labels", "shop", "labels"),
        ("reference", &"x".repeat(201), "reference"),
    ] {
        let refused = api.upload(&with(&[(field, value)])).await;
        assert_problem(&refused, 422);
        let errors = refused.json()["details"]["validation_errors"].clone();
        assert_eq!(errors[0]["field"], named, "{errors}");
    }
    let longest = vec!["ü".repeat(63); 15];
    let mut longest: Vec<_> = longest.into_iter().enumerate().collect();
    let labels: Vec<_> = longest
        .drain(..)
        .map(|(n, l)| format!("{n:x}{l}"))
        .collect();
    let labels = serde_json::to_string(&labels).unwrap();
    accepted(&api.upload(&with(&[("labels", &labels)])).await);
    assert_eq!(api.files_on_disk(), 1, "what was refused left nothing");
}

#[tokio::test]
async fn pages_hold_every_job_of_the_wanted_kind_once() {
    let api = Api::new();
    let mut wanted = Vec::new();
    for n in 0..6 {
        let label = ["even", "odd"][n % 2];
        let id = accepted(&api.upload(&with(&[("label", label)])).await);
        if label == "odd" {
            wanted.push(id);
        }
    }
    mixed(&api, &["b.png"], &[]).await;
    wanted.sort();
    let mut seen = Vec::new();
    let mut path = "/api/v1/jobs?limit=2&label=odd&status=failed".to_owned();
    loop {
        let page = api.get(&path).await.json();
        seen.extend(ids(&page));
        assert!(ids(&page).len() <= 2);
        let Some(next) = page.get("next") else { break };
        let next = next.as_str().unwrap();
        path = format!("/api/v1/jobs?limit=2&label=odd&status=failed&cursor={next}");
    }
    seen.sort();
    assert_eq!(seen, wanted);
    let none = api.get("/api/v1/jobs?status=queued").await.json();
    assert_eq!(none, json!({"jobs": []}));
    assert_problem(&api.get("/api/v1/jobs?status=done").await, 422);
    let with_ids = format!("/api/v1/jobs?ids={}&status=done", JobId::random());
    assert_problem(&api.get(&with_ids).await, 422);
}

#[tokio::test]
async fn a_request_that_finds_few_looks_through_a_bounded_number() {
    let unlimited = |config: &mut Config| config.limits.per_minute = 0;
    let api = Api::with(unlimited, ROOM);
    let odd = accepted(&api.upload(&with(&[("label", "odd")])).await);
    for _ in 0..520 {
        api.job(&["a.png"]).await;
    }
    let page = api.get("/api/v1/jobs?label=odd").await.json();
    assert_eq!(ids(&page), Vec::<String>::new(), "not yet");
    let next = page["next"].as_str().unwrap();
    let path = format!("/api/v1/jobs?label=odd&cursor={next}");
    let page = api.get(&path).await.json();
    assert!(page.get("next").is_none());
    assert_eq!(ids(&page), [odd]);
}

#[tokio::test]
async fn a_deleted_job_is_gone_for_its_owner_at_once() {
    let api = Api::new();
    let done = mixed(&api, &["a.png", "b.png"], &["a.png"]).await;
    let shown = api.get(&format!("/api/v1/jobs/{done}")).await.json();
    let url = shown["items"][0]["files"][0]["url"].as_str().unwrap();
    assert_eq!(api.get(url).await.status, 200);
    let path = format!("/api/v1/jobs/{done}");
    assert_eq!(api.delete(&path).await.status, 204);
    for path in [
        path.clone(),
        format!("{path}/events"),
        url.to_owned(),
        format!("/api/v1/download/{done}/all"),
        format!("/api/v1/models/download/{done}?file_id={}", done.item(1)),
        format!("/api/v1/status/tasks/{done}/status"),
        format!("/api/v1/status/tasks/{done}/stream"),
        format!("/api/v1/upload/status/{}", done.item(1)),
    ] {
        assert_problem(&api.get(&path).await, 404);
    }
    assert_problem(&api.retry(done, None).await, 404);
    assert_problem(&api.post(&format!("{path}/cancel")).await, 404);
    assert_problem(&api.delete(&path).await, 404);
    assert_eq!(api.get("/api/v1/jobs").await.json(), json!({"jobs": []}));
    let several = api.get(&format!("/api/v1/jobs?ids={done}")).await;
    assert_eq!(several.json(), json!({"jobs": [null]}));
    assert_eq!(api.start(Queue::Maintenance).await.len(), 1, "its removal");
}

#[tokio::test]
async fn what_runs_of_a_deleted_job_is_told_to_stop() {
    let api = Api::new();
    let job = api.job(&["a.png", "b.png"]).await;
    let running = api.start(Queue::ModelGeneration).await;
    let path = format!("/api/v1/jobs/{job}");
    assert_eq!(api.delete(&path).await.status, 202);
    assert_problem(&api.get(&path).await, 404);
    assert!(api.start(Queue::Maintenance).await.is_empty());
    api.fail(&running[0].lease, Retry::Never).await;
    let store = &api.service.store.jobs;
    let deleted = async || store.removable(Timestamp(1), 9).await.unwrap();
    assert!(deleted().await.is_empty(), "its other file runs on");
    api.complete(&running[1].lease).await;
    assert_eq!(deleted().await, [job]);
    assert_problem(&api.get(&path).await, 404);
}

#[tokio::test]
async fn the_key_of_a_deleted_job_makes_no_other() {
    let api = Api::new();
    let body = encoded(&with(&[]));
    let send = async || {
        let request = raw_form(Body::from(body.clone()), &[("idempotency-key", "k")]);
        api.send(request).await
    };
    let id = accepted(&send().await);
    assert_eq!(api.delete(&format!("/api/v1/jobs/{id}")).await.status, 204);
    assert_problem(&send().await, 410);
    assert_eq!(api.files_on_disk(), 1, "the repeat's file is gone");
}

#[tokio::test]
async fn events_come_in_pages_as_the_stream_tells_them() {
    let api = Api::new();
    let job = mixed(&api, &["a.png", "b.png"], &["b.png"]).await;
    let stream = api.get(&format!("/api/v1/status/tasks/{job}/stream")).await;
    let stream = stream.text();
    let line = |event: &str, name: &str| {
        let mut lines = event.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim_start().to_owned()
    };
    let mut told = Vec::new();
    for event in stream.split("\n\n").filter(|event| event.contains("id:")) {
        if let Ok(id) = line(event, "id:").parse::<u32>() {
            let data: Value = serde_json::from_str(&line(event, "data:")).unwrap();
            told.push(json!({"id": id, "event": line(event, "event:"), "data": data}));
        }
    }
    assert_eq!(told.len(), 6);
    let path = format!("/api/v1/jobs/{job}/events");
    let all = api.get(&path).await.json();
    assert_eq!(all, json!({"events": told}));
    let page = api.get(&format!("{path}?after=1&limit=2")).await.json();
    assert_eq!(page, json!({"events": told[1..3], "next": 3}));
    let rest = api.get(&format!("{path}?after=3")).await.json();
    assert_eq!(rest, json!({"events": told[3..]}));
    let none = api.get(&format!("{path}?after=6")).await.json();
    assert_eq!(none, json!({"events": []}));
    for query in ["after=-1", "limit=0", "limit=1001", "after=x"] {
        assert_problem(&api.get(&format!("{path}?{query}")).await, 422);
    }
    let unknown = format!("/api/v1/jobs/{}/events", JobId::random());
    assert_problem(&api.get(&unknown).await, 404);
}

#[tokio::test]
async fn a_retry_is_a_new_job_of_what_has_failed() {
    let api = Api::new();
    let old = mixed(&api, &["a.png", "b.png", "c.png"], &["b.png"]).await;
    let before = api.get(&format!("/api/v1/jobs/{old}")).await.json();
    let first = api.retry(old, Some("again")).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let new = first.json();
    assert_eq!(new["retry_of"], old.to_string());
    assert_eq!(new["options"], before["options"]);
    let names = [&new["items"][0]["filename"], &new["items"][1]["filename"]];
    assert_eq!(names, ["a.png", "c.png"]);
    assert_eq!(new["total_files"], 2);
    let repeat = api.retry(old, Some("again")).await.json();
    assert_eq!(repeat["job_id"], new["job_id"], "a repeat");
    let another = api.retry(old, None).await.json();
    assert_ne!(another["job_id"], new["job_id"]);
    let after = api.get(&format!("/api/v1/jobs/{old}")).await.json();
    assert_eq!(after, before, "the old one's outcome stays");
    // Three uploads, a model with its preview, and two copies for each new job.
    assert_eq!(api.files_on_disk(), 3 + 2 + 2 + 2);

    let id: JobId = new["job_id"].as_str().unwrap().parse().unwrap();
    let record = api.service.store.jobs.job(id).await.unwrap().unwrap();
    let copy = ArtifactKey::recorded(&record.items[1].upload);
    assert_eq!(copy.job(), Some(id), "every job owns its files");
    let bytes = api.service.artifacts.get(&copy).await.unwrap();
    assert_eq!(&bytes[..], b"bytes");
}

#[tokio::test]
async fn the_key_of_a_removed_retry_makes_no_other() {
    let api = Api::new();
    let old = mixed(&api, &["a.png"], &[]).await;
    let new = api.retry(old, Some("again")).await.json();
    let path = format!("/api/v1/jobs/{}", new["job_id"].as_str().unwrap());
    assert_eq!(api.delete(&path).await.status, 204);
    assert_problem(&api.retry(old, Some("again")).await, 410);
    api.tidy().await;
    // Were anything copied for the repeat, it would be told that there is nothing to copy.
    api.forget_upload(old).await;
    assert_problem(&api.retry(old, Some("again")).await, 410);
    assert_problem(&api.retry(old, None).await, 409);
    api.remove(old).await;
    assert_problem(&api.retry(old, Some("again")).await, 410);
    assert_problem(&api.retry(old, None).await, 404);
}

#[tokio::test]
async fn a_repeated_retry_finds_its_job_when_the_old_one_is_gone() {
    let api = Api::new();
    let old = mixed(&api, &["a.png", "b.png"], &["b.png"]).await;
    let new = api.retry(old, Some("again")).await.json();
    let other = mixed(&api, &["a.png"], &[]).await;
    let repeat = async || {
        let repeat = api.retry(old, Some("again")).await;
        assert_eq!(repeat.status, 202, "{}", repeat.text());
        assert_eq!(repeat.json()["job_id"], new["job_id"]);
        assert_problem(&api.retry(old, None).await, 404);
        assert_problem(&api.retry(old, Some("another")).await, 404);
        assert_problem(&api.retry(other, Some("again")).await, 422);
    };
    assert_eq!(api.delete(&format!("/api/v1/jobs/{old}")).await.status, 204);
    repeat().await;
    api.tidy().await;
    assert_eq!(api.service.store.jobs.job(old).await, Ok(None));
    repeat().await;
}

#[tokio::test]
async fn what_was_cancelled_is_retried() {
    let api = Api::new();
    let old = api.job(&["a.png", "b.png"]).await;
    api.service.store.jobs.cancel(old).await.unwrap();
    let new = api.retry(old, None).await.json();
    assert_eq!(new["total_files"], 2, "{new}");
}

#[tokio::test]
async fn only_what_is_no_model_is_retried() {
    let api = Api::new();
    let running = api.job(&["a.png"]).await;
    assert_problem(&api.retry(running, None).await, 409);
    let lease = api.start(Queue::ModelGeneration).await.remove(0).lease;
    api.complete(&lease).await;
    assert_problem(&api.retry(running, None).await, 409);
    assert_problem(&api.retry(JobId::random(), None).await, 404);
    let failed = mixed(&api, &["a.png"], &[]).await;
    let other = api.send(form_with(&with(&[]), &[("idempotency-key", "k")]));
    accepted(&other.await);
    assert_problem(&api.retry(failed, Some("k")).await, 422);
    api.forget_upload(failed).await;
    assert_problem(&api.retry(failed, None).await, 409);
}

#[tokio::test]
async fn dead_letters_are_listed_and_taken_up_by_administrators() {
    let configure = |config: &mut Config| {
        config.keys.admin = ADMIN.replace("Bearer ", "");
        config.keys.user = USER.replace("Bearer ", "");
    };
    let api = Api::with(configure, ROOM);
    let headers = [("authorization", USER)];
    let parts = ["a.png", "b.png", "c.png"].map(|name| picture(name, b"bytes"));
    let old = accepted(&api.send(form_with(&parts, &headers)).await);
    for task in api.start(Queue::ModelGeneration).await {
        api.fail(&task.lease, Retry::Never).await;
    }
    let list = "/api/v1/admin/dead-letters";
    assert_problem(&api.get(list).await, 401);
    assert_problem(&api.as_(USER, "GET", list).await, 403);
    let page = api
        .as_(ADMIN, "GET", &format!("{list}?limit=2"))
        .await
        .json();
    let next = page["next"].as_str().unwrap();
    let rest = format!("{list}?limit=2&cursor={next}");
    let rest = api.as_(ADMIN, "GET", &rest).await.json();
    assert!(rest.get("next").is_none());
    let of = |page: &Value| page["dead_letters"].as_array().unwrap().clone();
    let all = [of(&page), of(&rest)].concat();
    assert_eq!(all.len(), 3);
    let dead = &all[1];
    assert_eq!(dead["job_id"], old);
    assert_eq!(
        (&dead["work"], &dead["error_code"]),
        (&json!("generate"), &json!("truncated"))
    );

    let requeue = format!("{list}/{}/requeue", dead["id"].as_str().unwrap());
    assert_problem(&api.as_(USER, "POST", &requeue).await, 403);
    let taken_up = api.as_(ADMIN, "POST", &requeue).await;
    assert_eq!(taken_up.status, 202, "{}", taken_up.text());
    let new = taken_up.json();
    assert_eq!(
        (&new["retry_of"], &new["total_files"]),
        (&json!(old), &json!(1))
    );
    let repeated = api.as_(ADMIN, "POST", &requeue).await;
    assert_eq!(repeated.status, 202, "{}", repeated.text());
    assert_eq!(repeated.json()["job_id"], new["job_id"]);
    let left = of(&api.as_(ADMIN, "GET", list).await.json());
    assert_eq!(left, [all[0].clone(), all[2].clone()]);
    let owners = format!("/api/v1/jobs/{}", new["job_id"].as_str().unwrap());
    assert_eq!(api.as_(USER, "GET", &owners).await.status, 200);
    for wrong in ["nothing", &format!("{}:generate:1", JobId::random())] {
        let path = format!("{list}/{wrong}/requeue");
        assert_problem(&api.as_(ADMIN, "POST", &path).await, 404);
    }
    assert_problem(
        &api.as_(ADMIN, "GET", &format!("{list}?cursor=x")).await,
        422,
    );
}
