use image2model::job::{
    JobId, Lease, Notice, Queue,
    transition::{Failure, Retry},
};

use super::{Api, assert_problem, file, redacted};

async fn finished(api: &Api, names: &[&str]) -> JobId {
    let job = api.job(names).await;
    for task in api.start(Queue::ModelGeneration).await {
        api.complete(&task.lease).await;
    }
    job
}

/// The next task of a queue, started as soon as it is there.
async fn begun(api: &Api, queue: Queue) -> Lease {
    loop {
        if let Some(task) = api.start(queue).await.pop() {
            return task.lease;
        }
        api.service.store.jobs.wait_for_ready(queue).await;
    }
}

#[tokio::test]
async fn all_files_are_listed_and_each_can_be_fetched() {
    let api = Api::new();
    let job = finished(&api, &["übung 1.jpg", "b.png"]).await;
    let list = api.get(&format!("/api/v1/download/{job}/all")).await;
    insta::assert_json_snapshot!(redacted(list.json()));

    let list = list.json();
    let url = list["download_urls"][0].as_str().unwrap();
    let file = api.get(url).await;
    assert_eq!(file.text(), "the glb of 1");
    for (name, value) in [
        ("content-type", "model/gltf-binary"),
        ("content-length", "12"),
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        (
            "content-disposition",
            "attachment; filename=\"_bung 1.glb\"; filename*=UTF-8''%C3%BCbung%201.glb",
        ),
    ] {
        assert_eq!(file.header(name), value, "{name}");
    }

    let name = list["files"][1]["filename"].as_str().unwrap();
    let direct = api.get(&format!("/api/v1/download/direct/{name}")).await;
    assert_eq!(direct.text(), "the glb of 2");

    let picture = &list["files"][0]["rendered_image"];
    let shown = api.get(picture["url"].as_str().unwrap()).await;
    assert_eq!(shown.header("content-type"), "image/png");
    assert_eq!(
        shown.header("content-disposition"),
        "attachment; filename=\"_bung 1.png\"; filename*=UTF-8''%C3%BCbung%201.png"
    );
    assert_eq!(
        picture["file_size"].as_u64().unwrap(),
        shown.body.len() as u64
    );
}

#[tokio::test]
async fn names_that_no_file_has_are_refused_before_anything_is_opened() {
    let api = Api::new();
    let job = finished(&api, &["a.png"]).await;
    for name in [
        "..%2f..%2fstore.db",
        "..glb",
        "a%2Fb.glb",
        "a%5Cb.glb",
        "a%00.glb",
        "a%0A.glb",
        "store.db",
        "noextension",
        "a.svg",
    ] {
        assert_problem(
            &api.get(&format!("/api/v1/download/{job}/{name}")).await,
            400,
        );
        assert_problem(
            &api.get(&format!("/api/v1/download/direct/{name}")).await,
            400,
        );
    }
    for path in [
        format!("{job}/other.glb"),
        format!("{}/other.glb", JobId::random()),
        "direct/other.glb".to_owned(),
        format!("{}/all", JobId::random()),
    ] {
        assert_problem(&api.get(&format!("/api/v1/download/{path}")).await, 404);
    }
    assert_problem(&api.get("/api/v1/download/no-id/all").await, 400);
    let other = finished(&api, &["b.png"]).await;
    let list = api
        .get(&format!("/api/v1/download/{other}/all"))
        .await
        .json();
    let foreign = list["files"][0]["filename"].as_str().unwrap();
    assert_problem(
        &api.get(&format!("/api/v1/download/{job}/{foreign}")).await,
        404,
    );
}

#[tokio::test]
async fn a_further_format_is_written_while_the_request_waits() {
    let api = Api::new();
    let job = finished(&api, &["a.png"]).await;
    let ready = api.get(&format!("/api/v1/models/download/{job}")).await;
    assert_eq!(ready.text(), "the glb of 1");

    let path = format!("/api/v1/models/download/{job}?format=obj");
    let worker = async {
        api.complete(&begun(&api, Queue::BatchProcessing).await)
            .await;
    };
    let (answer, ()) = tokio::join!(api.get(&path), worker);
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (200, "the obj of 1")
    );
    assert_eq!(answer.header("content-type"), "model/obj");
    // Now it is there, and nobody has to write it.
    assert_eq!(api.get(&path).await.text(), "the obj of 1");
}

#[tokio::test]
async fn a_format_that_was_given_up_is_told_with_its_reason_and_tried_anew_when_asked_again() {
    let api = Api::new();
    let job = finished(&api, &["a.png"]).await;
    let path = format!("/api/v1/models/download/{job}?format=obj");
    let worker = async |code: &str| {
        let task = begun(&api, Queue::BatchProcessing).await;
        let error = Notice {
            code: code.to_owned(),
            message: "the disk is full: 7 of 9 bytes could not be written".to_owned(),
        };
        let retry = Retry::Never;
        let jobs = &api.service.store.jobs;
        jobs.fail(&task, Failure { error, retry }).await.unwrap();
    };
    for (code, status) in [("disk_full", 507), ("artifact_store", 500)] {
        let (answer, ()) = tokio::join!(api.get(&path), worker(code));
        let body = assert_problem(&answer, status);
        assert_eq!(
            body["detail"],
            "the obj file could not be written: the disk is full: 7 of 9 bytes could not be written"
        );
        assert_eq!(body["details"]["code"], code);
    }
    let worker = async {
        api.complete(&begun(&api, Queue::BatchProcessing).await)
            .await;
    };
    let (answer, ()) = tokio::join!(api.get(&path), worker);
    assert_eq!(answer.text(), "the obj of 1");
}

#[tokio::test]
async fn a_format_of_a_job_that_is_removed_meanwhile_is_not_found() {
    let api = Api::new();
    let job = finished(&api, &["a.png"]).await;
    let path = format!("/api/v1/models/download/{job}?format=obj");
    let worker = async {
        begun(&api, Queue::BatchProcessing).await;
        let jobs = &api.service.store.jobs;
        jobs.request_removal(job).await.unwrap();
        let removal = begun(&api, Queue::Maintenance).await;
        jobs.removed(&removal).await.unwrap();
    };
    let (answer, ()) = tokio::join!(api.get(&path), worker);
    assert_problem(&answer, 404);
}

#[tokio::test]
async fn a_model_download_says_what_it_lacks() {
    let api = Api::new();
    let job = finished(&api, &["a.png", "b.png"]).await;
    let path = format!("/api/v1/models/download/{job}");
    let body = assert_problem(&api.get(&path).await, 400);
    assert_eq!(body["detail"], "The job has 2 files; say which by file_id.");
    let second = api.get(&format!("{path}?file_id={}", job.item(2))).await;
    assert_eq!(second.text(), "the glb of 2");
    assert_problem(
        &api.get(&format!("{path}?file_id={}", job.item(3))).await,
        404,
    );
    let elsewhere = JobId::random().item(1);
    assert_problem(&api.get(&format!("{path}?file_id={elsewhere}")).await, 404);
    let body = assert_problem(&api.get(&format!("{path}?format=fbx")).await, 422);
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("glb, obj, obj.zip, stl, ply")
    );

    let waiting = api.job(&["c.png"]).await;
    assert_problem(
        &api.get(&format!("/api/v1/models/download/{waiting}")).await,
        409,
    );
    assert_problem(
        &api.get(&format!("/api/v1/models/download/{}", JobId::random()))
            .await,
        404,
    );
}

#[tokio::test(start_paused = true)]
async fn a_format_that_nobody_writes_is_503_after_thirty_seconds() {
    let api = Api::new();
    let job = finished(&api, &["a.png"]).await;
    let asked = tokio::time::Instant::now();
    let answer = api
        .get(&format!("/api/v1/models/download/{job}?format=stl"))
        .await;
    assert_problem(&answer, 503);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(asked.elapsed().as_secs() >= 30);
}

#[tokio::test]
async fn the_catalogue_is_a_bare_list() {
    let api = Api::new();
    let models = api.get("/api/v1/models/available").await.json();
    let names: Vec<_> = models
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            assert_eq!(model["type"], "image_to_3d");
            assert_eq!(model["supported_formats"][0], "glb");
            model["name"].as_str().unwrap()
        })
        .collect();
    assert_eq!(names, ["inflate", "relief", "extrude"]);
}

#[tokio::test]
async fn a_clients_words_never_make_a_file_a_page() {
    let api = Api::new();
    let name = "<script>.svg.html.png";
    let page = file(name, "image/svg+xml", b"<svg onload='alert(1)'/>");
    let accepted = api.upload(&[page]).await;
    let job = accepted.json()["job_id"].as_str().unwrap().to_owned();
    let started = api.start(Queue::ModelGeneration).await;
    api.complete(&started[0].lease).await;
    let list = api.get(&format!("/api/v1/download/{job}/all")).await.json();
    let model = list["download_urls"][0].as_str().unwrap();
    let picture = list["files"][0]["rendered_image"]["url"].as_str().unwrap();
    for (url, kind) in [(model, "model/gltf-binary"), (picture, "image/png")] {
        let sent = api.get(url).await;
        assert_eq!(sent.header("content-type"), kind);
        assert_eq!(sent.header("x-content-type-options"), "nosniff");
        assert!(
            sent.header("content-disposition")
                .starts_with("attachment;")
        );
    }
}
