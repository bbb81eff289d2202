use axum::http::Request;

use super::{Answer, Api, MEGABYTE, Part, assert_problem, file, form_with, picture, text};

impl Api {
    async fn convert(&self, parts: &[Part]) -> Answer {
        let (mut head, body) = form_with(parts, &[]).into_parts();
        head.uri = "/api/v1/models/convert".parse().unwrap();
        self.send(Request::from_parts(head, body)).await
    }
}

fn mesh(filename: &str, bytes: &[u8]) -> Part {
    let mut part = file(filename, "", bytes);
    part.name = "file".to_owned();
    part.media_type = None;
    part
}

#[tokio::test]
async fn meshes_of_any_name_and_type_become_a_job_of_conversions() {
    let api = Api::new();
    let parts = [
        mesh("chair.glb", b"glTF"),
        file("table", "application/octet-stream", b"solid"),
        text("format", "stl"),
        text("face_limit", "900"),
        text("priority", "high"),
    ];
    let answer = api.convert(&parts).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let accepted = answer.json();
    assert_eq!(
        (&accepted["total_files"], &accepted["face_limit"]),
        (&2.into(), &900.into())
    );
    let id = accepted["job_id"].as_str().unwrap().parse().unwrap();
    let job = api.service.store.jobs.job(id).await.unwrap().unwrap();
    let options = [("model", "convert"), ("face_limit", "900")];
    assert_eq!(
        job.options,
        options.map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
    assert_eq!((job.formats, job.items.len()), (vec!["stl".to_owned()], 2));
}

#[tokio::test]
async fn what_the_form_shows_to_be_wrong_is_refused_whole() {
    let api = Api::with(
        |config| config.upload.max_mesh_bytes = 2 * MEGABYTE as u64,
        super::ROOM,
    );
    let large = vec![0; 2 * MEGABYTE + 1];
    let option = |name: &str, value: &str| vec![mesh("a.stl", b"x"), text(name, value)];
    for (parts, status, words) in [
        (vec![], 422, "file is missing"),
        (vec![text("file", "x")], 422, "file must be files"),
        (vec![mesh("a.stl", b"")], 400, "a.stl: the file is empty"),
        (
            vec![mesh("a.stl", &large)],
            413,
            "over the limit of 2097152 bytes",
        ),
        (vec![mesh("a\u{85}.stl", b"x")], 400, "control characters"),
        (
            option("model", "inflate"),
            422,
            "has no option \\\"model\\\"; it knows face_limit and size_mm",
        ),
        (option("format", "usd"), 422, "there is no format"),
        (
            option("face_limit", "0"),
            400,
            "face_limit is 0; it must be from 1 to 500000",
        ),
        (
            option("size_mm", "0.1"),
            422,
            "size_mm is 0.1; it must be from 1 to 10000 mm",
        ),
    ] {
        let answer = api.convert(&parts).await;
        assert_problem(&answer, status);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    assert_eq!(api.files_on_disk(), 0);
    // Pictures are no meshes' business, and keep their own limit and part.
    let upload = api.upload(&[mesh("a.stl", b"x")]).await;
    assert_problem(&upload, 422);
    assert_eq!(api.upload(&[picture("a.png", &large)]).await.status, 200);
    let catalogue = api.get("/api/v1/models/available").await;
    assert!(!catalogue.text().contains("convert"));
}
