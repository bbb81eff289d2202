use axum::body::Body;
use image2model::{capacity::disk::Space, job::ItemStatus};

use super::{
    Answer, Api, FULL, GB, MEGABYTE, Part, assert_problem, encoded, file, form_with, picture,
    raw_form, redacted, slow::slow_form, text,
};

#[tokio::test]
async fn pictures_and_options_become_a_job() {
    let api = Api::new();
    let parts = [
        picture("cat.jpg", b"one"),
        picture("dog.png", b"three"),
        text("model", "relief"),
        text("face_limit", "7"),
        text("format", "stl"),
        text("format", "obj"),
        text("size_mm", "42"),
        text("priority", "high"),
    ];
    let answer = api.upload(&parts).await;
    assert_eq!(answer.status, 200);
    insta::assert_json_snapshot!(redacted(answer.json()));

    let id = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
    let job = api.service.store.jobs.job(id).await.unwrap().unwrap();
    assert_eq!(job.formats, ["stl", "obj"]);
    assert_eq!(job.priority, image2model::job::Priority::High);
    for (name, value) in [("model", "relief"), ("face_limit", "7"), ("size_mm", "42")] {
        assert!(
            job.options.contains(&(name.to_owned(), value.to_owned())),
            "{name}"
        );
    }
    let key = image2model::artifacts::ArtifactKey::recorded(&job.items[1].upload);
    assert_eq!(api.service.artifacts.get(&key).await.unwrap(), "three");
}

#[tokio::test]
async fn the_other_path_takes_the_old_model_name_and_a_folder_in_the_name() {
    let api = Api::new();
    let parts = [picture("holiday/cat.JPG", b"x"), text("model", "tripo3d")];
    let (mut head, body) = form_with(&parts, &[]).into_parts();
    head.uri = "/api/v1/upload/batch".parse().unwrap();
    let answer = api.send(axum::http::Request::from_parts(head, body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["uploaded_files"][0]["filename"], "cat.JPG");
}

/// A refused form: what it holds, the status, and the words that must be in the answer.
struct Bad {
    parts: Vec<Part>,
    status: u16,
    words: &'static str,
}

fn bad(parts: impl Into<Vec<Part>>, status: u16, words: &'static str) -> Bad {
    Bad {
        parts: parts.into(),
        status,
        words,
    }
}

fn option(name: &str, value: &str, status: u16, words: &'static str) -> Bad {
    bad([picture("a.png", b"x"), text(name, value)], status, words)
}

fn bad_forms() -> Vec<Bad> {
    let pictures = |count| -> Vec<Part> { (0..count).map(|_| picture("a.png", b"x")).collect() };
    let many_fields = || {
        let fields = (0..300).map(|n| text(&format!("field{n}"), "x"));
        fields.chain([picture("a.png", b"x")]).collect::<Vec<_>>()
    };
    let long_name = format!("{}.png", "n".repeat(300));
    vec![
        bad(pictures(26), 400, "26 files; the limit is 25"),
        bad([], 422, "files is missing"),
        bad([text("model", "inflate")], 422, "files is missing"),
        bad([text("files", "x")], 422, "files must be files"),
        bad(
            [file("", "application/octet-stream", b"")],
            400,
            "No files were given",
        ),
        bad([picture("a.png", b"")], 400, "a.png: the file is empty"),
        bad(
            [file("a.gif", "image/gif", b"x")],
            400,
            "\"gif\" is not one of jpg, jpeg, png, webp",
        ),
        bad([file("png", "image/png", b"x")], 400, "is not one of"),
        bad([file(".png", "image/png", b"x")], 400, "is not one of"),
        bad(
            [file("a.png", "text/plain", b"x")],
            400,
            "\"text/plain\" is not image/*",
        ),
        bad(
            [file("a\u{85}.png", "image/png", b"x")],
            400,
            "control characters",
        ),
        bad([picture(&long_name, b"x")], 400, "the limit is 255"),
        bad(
            [picture("a.png", &vec![0; 11 * MEGABYTE])],
            413,
            "over the limit of 10485760 bytes",
        ),
        option(
            "face_limit",
            "0",
            400,
            "face_limit is 0; it must be from 1 to 500000",
        ),
        option(
            "face_limit",
            "-5",
            400,
            "face_limit is -5; it must be from 1 to 500000",
        ),
        option(
            "face_limit",
            "1000000000",
            422,
            "face_limit is 1000000000; it must be from 1",
        ),
        option("face_limit", "many", 422, "face_limit is \"many\""),
        option("colour", "red", 422, "it knows face_limit, texture_size"),
        option(
            "bevel_mm",
            "1",
            422,
            "model inflate has no option \"bevel_mm\"",
        ),
        option(
            "model",
            "sculpt",
            422,
            "there are inflate, relief and extrude",
        ),
        option(
            "format",
            "fbx",
            422,
            "there are glb, obj, obj.zip, stl and ply",
        ),
        option("priority", "urgent", 422, "must be normal or high"),
        option(
            "texture_size",
            &"9".repeat(5000),
            422,
            "over the limit of 1024 bytes",
        ),
        bad(many_fields(), 422, "more than 64 options"),
        bad(
            [
                picture("a.png", b"x"),
                text("model", "relief"),
                text("model", "relief"),
            ],
            422,
            "given twice",
        ),
    ]
}

#[tokio::test]
async fn bad_input_is_refused_whole_with_thing_value_and_limit() {
    for bad in bad_forms() {
        let api = Api::new();
        let answer = api.upload(&bad.parts).await;
        let body = assert_problem(&answer, bad.status);
        let detail = body["detail"].as_str().unwrap();
        assert!(
            detail.contains(bad.words),
            "{:?} is not in {detail:?}",
            bad.words
        );
        if bad.status == 422 {
            let entry = &body["details"]["validation_errors"][0];
            assert!(
                entry["field"].is_string() && entry["type"].is_string(),
                "{body}"
            );
        }
        assert_eq!(api.files_on_disk(), 0, "{detail}");
    }
}

#[tokio::test]
async fn several_bad_files_have_an_entry_each() {
    let api = Api::new();
    let parts = [
        picture("good.png", b"x"),
        file("notes.txt", "text/plain", b"x"),
        picture("huge.png", &vec![0; 11 * MEGABYTE]),
        file("page.jpg", "text/html", b"x"),
    ];
    let answer = api.upload(&parts).await;
    insta::assert_json_snapshot!(assert_problem(&answer, 400));
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn the_largest_request_is_taken_and_a_larger_one_is_not() {
    let api = Api::with(
        |config| {
            config.upload.max_files = 2;
            config.upload.max_file_bytes = MEGABYTE as u64;
        },
        super::ROOM,
    );
    let whole = [
        picture("a.png", &vec![1; MEGABYTE]),
        picture("b.png", &vec![2; MEGABYTE]),
    ];
    assert_eq!(api.upload(&whole).await.status, 200);
    let stored = api.files_on_disk();
    let over: Vec<_> = (0..2)
        .map(|_| picture("a.png", &vec![1; 3 * MEGABYTE]))
        .collect();
    let body = assert_problem(&api.upload(&over).await, 413);
    assert!(body["detail"].as_str().unwrap().contains("3145728 bytes"));
    assert_eq!(api.files_on_disk(), stored);
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let api = Api::new();
    let good = encoded(&[picture("a.png", &[7; 40_000])]);
    for body in [
        Vec::new(),
        b"hello".to_vec(),
        good[..good.len() / 2].to_vec(),
        good[..good.len() - 8].to_vec(),
    ] {
        let answer = api.send(raw_form(Body::from(body), &[])).await;
        let problem = assert_problem(&answer, 400);
        assert_eq!(
            problem["detail"],
            "The multipart form is malformed or ended early."
        );
    }
    let json = super::request("POST", "/api/v1/upload")
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    let problem = assert_problem(&api.send(json).await, 415);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("application/json"), "{detail}");
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn an_upload_that_its_client_leaves_leaves_nothing_behind() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(request);
    let start = encoded(&[
        picture("a.png", b"x"),
        picture("b.png", &vec![7; 9 * MEGABYTE]),
    ]);
    for chunk in start[..start.len() - 100].chunks(64 * 1024) {
        body.send(chunk.to_vec()).await;
    }
    // The request's future is dropped, as the server does when the connection breaks, and then its body fails.
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    body.breaks().await;
    api.quiet().await;
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn an_upload_is_refused_when_the_disk_gets_full_under_it() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(request);
    let whole = encoded(&[picture("a.png", &vec![1; 9 * MEGABYTE])]);
    body.send(whole[..2 * MEGABYTE].to_vec()).await;
    api.until(|| api.bytes_on_disk() > MEGABYTE as u64).await;
    *api.space.lock().unwrap() = Some(FULL);
    for chunk in whole[2 * MEGABYTE..].chunks(MEGABYTE) {
        body.send(chunk.to_vec()).await;
    }
    body.end();
    assert_problem(&asking.await.unwrap(), 507);
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn a_body_is_never_held_whole() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(request);
    let whole = encoded(&[
        picture("a.png", &vec![1; 9 * MEGABYTE]),
        picture("b.png", &vec![2; 9 * MEGABYTE]),
        picture("c.png", &vec![3; 9 * MEGABYTE]),
    ]);
    // All but a few megabytes of what was sent is on the disk while the body is far from its end.
    for (sent, chunk) in (1..).zip(whole.chunks(MEGABYTE)) {
        body.send(chunk.to_vec()).await;
        api.until(|| api.bytes_on_disk() + 3 * MEGABYTE as u64 >= (sent * MEGABYTE) as u64)
            .await;
    }
    body.end();
    assert_eq!(asking.await.unwrap().status, 200);
    assert_eq!(api.bytes_on_disk(), 27 * MEGABYTE as u64);
}

#[tokio::test]
async fn a_refused_file_is_kept_nowhere() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(request);
    let mut start = encoded(&[picture("a.png", b"x")]);
    let end = start.split_off(start.len() - super::BOUNDARY.len() - 8);
    body.send(start).await;
    for _ in 0..50 {
        body.send(vec![0; MEGABYTE]).await;
        assert!(api.bytes_on_disk() <= 11 * MEGABYTE as u64);
    }
    body.send(end).await;
    body.end();
    assert_eq!(asking.await.unwrap().status, 413);
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn a_repeat_under_one_key_is_answered_alike_and_other_content_is_refused() {
    let api = Api::new();
    let key = [("idempotency-key", "my-key")];
    let send = async |parts: &[Part]| -> Answer { api.send(form_with(parts, &key)).await };
    let parts = [
        picture("a.png", b"x"),
        picture("b.png", b"y"),
        text("face_limit", "500"),
    ];
    let first = send(&parts).await;
    assert_eq!(first.status, 200);
    let files = api.files_on_disk();
    let again = send(&parts).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert_eq!(api.files_on_disk(), files);

    for other in [
        vec![
            picture("a.png", b"x"),
            picture("b.png", b"z"),
            text("face_limit", "500"),
        ],
        vec![
            picture("a.png", b"x"),
            picture("c.png", b"y"),
            text("face_limit", "500"),
        ],
        vec![
            picture("a.png", b"x"),
            picture("b.png", b"y"),
            text("face_limit", "501"),
        ],
        vec![picture("a.png", b"x"), picture("b.png", b"y")],
        vec![
            picture("a.png", b"xy"),
            picture("b.png", b""),
            text("face_limit", "500"),
        ],
    ] {
        let refused = send(&other).await;
        assert!(
            [400, 422].contains(&refused.status.as_u16()),
            "{}",
            refused.text()
        );
        assert_eq!(api.files_on_disk(), files);
    }
    let other = send(&[picture("b.png", b"x"), picture("a.png", b"y")]).await;
    insta::assert_json_snapshot!(assert_problem(&other, 422));

    let too_long = "k".repeat(256);
    let request = form_with(&parts, &[("idempotency-key", &too_long)]);
    assert_problem(&api.send(request).await, 400);
}

#[tokio::test]
async fn a_full_disk_refuses_uploads_until_something_is_old_enough() {
    let full = Space {
        total: 1000 * GB,
        free: 5 * GB - 1,
    };
    let api = Api::with(|config| config.results.keep_at_least_hours = 0, super::ROOM);
    let job = api.job(&["a.png"]).await;
    *api.space.lock().unwrap() = Some(full);
    let refused = api.upload(&[picture("a.png", b"x")]).await;
    insta::assert_json_snapshot!(assert_problem(&refused, 507));

    // An ended job can make room: the upload is taken, and maintenance removes the job.
    let ended = api
        .service
        .store
        .jobs
        .cancel(job)
        .await
        .unwrap()
        .ended
        .unwrap();
    api.later(std::time::Duration::from_secs(1));
    assert!(api.service.now() > ended);
    assert_eq!(api.upload(&[picture("a.png", b"x")]).await.status, 200);
}

#[tokio::test]
async fn a_repeat_is_answered_though_the_disk_has_become_full() {
    let api = Api::new();
    let send = async |key: &str, bytes: &[u8]| -> Answer {
        let parts = [picture("a.png", bytes)];
        api.send(form_with(&parts, &[("idempotency-key", key)]))
            .await
    };
    let first = send("my-key", b"x").await;
    let files = api.files_on_disk();
    *api.space.lock().unwrap() = Some(Space {
        total: 1000 * GB,
        free: GB,
    });
    let again = send("my-key", b"x").await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert_problem(&send("my-key", b"y").await, 422);
    assert_problem(&send("another-key", b"x").await, 507);
    assert_eq!(api.files_on_disk(), files);
}

#[tokio::test]
async fn a_full_disk_takes_no_upload_for_a_job_that_retention_will_not_remove() {
    let api = Api::with(
        |config| config.results.keep = image2model::config::Keep::Hours(72),
        super::ROOM,
    );
    let job = api.job(&["a.png"]).await;
    api.service.store.jobs.cancel(job).await.unwrap();
    *api.space.lock().unwrap() = Some(FULL);
    for (hours, status) in [(71, 507), (2, 200)] {
        api.later(std::time::Duration::from_secs(hours * 3600));
        let answer = api.upload(&[picture("a.png", b"x")]).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

#[tokio::test]
async fn old_clients_ask_for_files_and_batches() {
    let api = Api::new();
    let job = api.job(&["a.png", "b.png"]).await;
    let file = async |number| {
        let path = format!("/api/v1/upload/status/{}", job.item(number));
        api.get(&path).await.json()["processing_status"].clone()
    };
    let batch = async || {
        let path = format!("/api/v1/upload/batch/{job}/status");
        redacted(api.get(&path).await.json())
    };
    assert_eq!(file(1).await, "pending");
    insta::assert_json_snapshot!("batch_waiting", batch().await);
    let started = api.start(image2model::job::Queue::ModelGeneration).await;
    assert_eq!(file(1).await, "processing");
    api.complete(&started[0].lease).await;
    api.fail(
        &started[1].lease,
        image2model::job::transition::Retry::Never,
    )
    .await;
    assert_eq!(
        (file(1).await, file(2).await),
        ("completed".into(), "failed".into())
    );
    insta::assert_json_snapshot!("batch_ended", batch().await);

    let known = api.service.store.jobs.job(job).await.unwrap().unwrap();
    assert_eq!(known.items[1].status, ItemStatus::Failed);
    assert_problem(&api.get("/api/v1/upload/status/no-id").await, 400);
    assert_problem(&api.get(&format!("/api/v1/upload/status/{job}")).await, 404);
    assert_problem(
        &api.get(&format!("/api/v1/upload/status/{}", job.item(3)))
            .await,
        404,
    );
}
