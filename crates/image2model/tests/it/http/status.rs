use image2model::{
    job::{JobId, Queue, transition::Retry},
    store::Progress,
};
use serde_json::Value;

use super::{Api, assert_problem, redacted};

async fn status(api: &Api, id: impl std::fmt::Display) -> Value {
    let path = format!("/api/v1/status/tasks/{id}/status");
    redacted(api.get(&path).await.json())
}

#[tokio::test]
async fn a_job_is_told_from_queued_to_completed() {
    let api = Api::new();
    let job = api.job(&["a.png", "b.png", "c.png"]).await;
    insta::assert_json_snapshot!("task_queued", status(&api, job).await);
    let started = api.start(Queue::ModelGeneration).await;
    let progress = Progress {
        item: job.item(2),
        percent: 60,
        step: "texture".to_owned(),
    };
    let jobs = &api.service.store.jobs;
    jobs.progress(vec![progress]).await.unwrap();
    api.complete(&started[0].lease).await;
    insta::assert_json_snapshot!("task_processing", status(&api, job).await);
    api.fail(&started[2].lease, Retry::Never).await;
    let path = format!("/api/v1/status/jobs/{job}/progress/");
    insta::assert_json_snapshot!("progress", redacted(api.get(&path).await.json()));
    api.complete(&started[1].lease).await;
    insta::assert_json_snapshot!("task_completed", status(&api, job).await);
    insta::assert_json_snapshot!("file_failed", status(&api, job.item(3)).await);
    insta::assert_json_snapshot!("file_completed", status(&api, job.item(1)).await);
}

#[tokio::test]
async fn retry_failure_and_cancel_have_their_own_words() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let started = api.start(Queue::ModelGeneration).await;
    api.fail(&started[0].lease, Retry::Backoff).await;
    let retrying = status(&api, job).await;
    assert_eq!(
        (&retrying["status"], &retrying["state"]),
        (&"retrying".into(), &"RETRY".into())
    );

    let job = api.job(&["a.png"]).await;
    let started = api.start(Queue::ModelGeneration).await;
    api.fail(&started[0].lease, Retry::Never).await;
    insta::assert_json_snapshot!("task_failed", status(&api, job).await);

    let job = api.job(&["a.png"]).await;
    api.service.store.jobs.cancel(job).await.unwrap();
    let cancelled = status(&api, job).await;
    assert_eq!(
        (&cancelled["status"], &cancelled["state"]),
        (&"cancelled".into(), &"REVOKED".into())
    );
}

#[tokio::test]
async fn all_paths_of_a_task_answer_the_same() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let expected = status(&api, job).await;
    for path in [
        format!("/api/v1/status/{job}"),
        format!("/api/v1/status/{job}/"),
        format!("/api/v1/status/tasks/{job}"),
        format!("/api/v1/status/tasks/{job}/status/"),
    ] {
        assert_eq!(redacted(api.get(&path).await.json()), expected, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_task_is_unknown_unless_compatibility_is_asked_for() {
    let api = Api::new();
    let unknown = JobId::random();
    for path in [
        format!("/api/v1/status/{unknown}"),
        format!("/api/v1/status/{}", unknown.item(200)),
        format!("/api/v1/status/jobs/{unknown}/progress"),
        format!("/api/v1/status/tasks/{unknown}/stream"),
    ] {
        assert_problem(&api.get(&path).await, 404);
    }
    let body = assert_problem(&api.get("/api/v1/status/not-a-uuid").await, 400);
    assert!(body["detail"].as_str().unwrap().contains("\"not-a-uuid\""));

    let lenient = Api::with(
        |config| config.compat.unknown_task_is_queued = true,
        super::ROOM,
    );
    let answer = lenient.get(&format!("/api/v1/status/{unknown}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["state"], "PENDING");
    assert_problem(&lenient.get("/api/v1/status/not-a-uuid").await, 400);
}
