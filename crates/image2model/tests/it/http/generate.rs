use image2model::job::{JobId, Queue};
use serde_json::{Value, json};

use super::{Answer, Api, assert_problem, request};

impl Api {
    async fn generate(&self, ask: Value, key: Option<&str>) -> Answer {
        let mut asked =
            request("POST", "/api/v1/models/generate").header("content-type", "application/json");
        if let Some(key) = key {
            asked = asked.header("idempotency-key", key);
        }
        self.send(asked.body(ask.to_string().into()).unwrap()).await
    }
}

#[tokio::test]
async fn an_uploaded_image_becomes_another_job_with_a_copy_of_its_own() {
    let api = Api::new();
    let first = api.job(&["a.png"]).await;
    let ask = json!({"file_id": first.item(1).to_string(), "quality": "high"});
    let answer = api.generate(ask.clone(), Some("again")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let accepted = answer.json();
    assert_eq!(accepted["status"], "queued");
    assert!(accepted["estimated_time"].as_u64().unwrap() > 0);
    let second: JobId = accepted["job_id"].as_str().unwrap().parse().unwrap();
    assert_ne!(second, first);

    let job = api.service.store.jobs.job(second).await.unwrap().unwrap();
    let option = |name: &str| {
        let mut options = job.options.iter();
        options.find(|(known, _)| known == name).unwrap().1.clone()
    };
    assert_eq!(
        (option("model"), option("face_limit")),
        ("inflate".to_owned(), "100000".to_owned())
    );
    assert_eq!(
        (job.items[0].filename.as_str(), job.items[0].size),
        ("a.png", 5)
    );
    assert_eq!(api.files_on_disk(), 2, "each job has its own");

    let repeat = api.generate(ask.clone(), Some("again")).await.json();
    assert_eq!(repeat["job_id"], accepted["job_id"]);
    assert_eq!(api.files_on_disk(), 2);
    let mut other = ask;
    other["quality"] = "low".into();
    assert_problem(&api.generate(other, Some("again")).await, 422);
    assert_eq!(api.files_on_disk(), 2, "what was refused leaves nothing");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_told_the_limit() {
    let api = Api::new();
    let ask = json!({"file_id": "x".repeat(3 << 20)});
    let body = assert_problem(&api.generate(ask, None).await, 413);
    assert_eq!(
        body["message"],
        "The body is over the limit of 2097152 bytes."
    );
    let around = r#"{"file_id":""}"#.len();
    for (length, status) in [(2_097_152, 400), (2_097_153, 413)] {
        let ask = json!({"file_id": "x".repeat(length - around)});
        assert_problem(&api.generate(ask, None).await, status);
    }
}

#[tokio::test]
async fn a_repeat_finds_its_job_when_the_image_is_gone() {
    let api = Api::new();
    let first = api.job(&["a.png"]).await;
    let lease = api.start(Queue::ModelGeneration).await.remove(0).lease;
    api.complete(&lease).await;
    let ask = json!({"file_id": first.item(1).to_string(), "quality": "high"});
    let made = api.generate(ask.clone(), Some("again")).await.json();
    api.service.store.jobs.delete(first).await.unwrap();
    api.tidy().await;
    let repeat = api.generate(ask.clone(), Some("again")).await;
    assert_eq!(repeat.status, 200, "{}", repeat.text());
    assert_eq!(repeat.json()["job_id"], made["job_id"]);
    assert_problem(&api.generate(ask.clone(), None).await, 404);
    let mut other = ask.clone();
    other["quality"] = "low".into();
    assert_problem(&api.generate(other, Some("again")).await, 422);

    let second: JobId = made["job_id"].as_str().unwrap().parse().unwrap();
    api.service.store.jobs.delete(second).await.unwrap();
    assert_problem(&api.generate(ask.clone(), Some("again")).await, 410);
    api.tidy().await;
    assert_problem(&api.generate(ask, Some("again")).await, 410);
}

#[tokio::test]
async fn without_a_texture_it_is_the_smallest() {
    let api = Api::new();
    let file = api.job(&["a.png"]).await.item(1).to_string();
    let ask = json!({"file_id": file, "model_type": "relief", "texture_enabled": false});
    let accepted = api.generate(ask, None).await.json();
    let id = accepted["job_id"].as_str().unwrap().parse().unwrap();
    let job = api.service.store.jobs.job(id).await.unwrap().unwrap();
    for pair in [("model", "relief"), ("texture_size", "64")] {
        let pair = (pair.0.to_owned(), pair.1.to_owned());
        assert!(job.options.contains(&pair), "{:?}", job.options);
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_right_is_named() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let file = job.item(1).to_string();
    for (ask, status, words) in [
        (
            json!({"file_id": file, "model_type": "magic"}),
            400,
            "there is no model",
        ),
        (json!({"file_id": "x"}), 400, "is not an id"),
        (
            json!({"file_id": JobId::random().item(1).to_string()}),
            404,
            "no such file",
        ),
        (
            json!({"file_id": file, "quality": "best"}),
            422,
            "quality is not as expected: unknown variant `best`",
        ),
        (json!({}), 422, "missing field `file_id`"),
    ] {
        let answer = api.generate(ask, None).await;
        assert_problem(&answer, status);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let bare = request("POST", "/api/v1/models/generate");
    assert_problem(&api.send(bare.body("{}".into()).unwrap()).await, 415);
    assert_eq!(api.files_on_disk(), 1);
}

#[tokio::test]
async fn a_job_tells_how_far_it_is_and_where_its_model_lies() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let path = format!("/api/v1/models/job/{job}");
    let waiting = api.get(&path).await.json();
    assert_eq!(
        (&waiting["status"], &waiting["progress"]),
        (&json!("queued"), &json!(0))
    );
    assert!(waiting["estimated_remaining"].as_u64().unwrap() > 0);
    assert_eq!(waiting.get("result_url"), None);

    let started = api.start(Queue::ModelGeneration).await;
    api.complete(&started[0].lease).await;
    let done = api.get(&path).await.json();
    assert_eq!(
        (&done["status"], &done["progress"]),
        (&json!("completed"), &json!(100))
    );
    assert_eq!(done["estimated_remaining"], 0);
    let model = api.get(done["result_url"].as_str().unwrap()).await;
    assert_eq!(model.text(), "the glb of 1");
    assert_problem(
        &api.get(&format!("/api/v1/models/job/{}", JobId::random()))
            .await,
        404,
    );
}
