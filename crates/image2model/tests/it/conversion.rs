//! Meshes of others on the real server: from one format into others, with nothing made anew.

use reconstruct::{Bounds, format::read_glb};
use serde_json::Value;

use crate::support::{Client, Server};

/// A box of 2 by 1 by 1 as quads, as other programs write it.
const BOX: &str = "o box\nv 0 0 0\nv 2 0 0\nv 2 1 0\nv 0 1 0\nv 0 0 1\nv 2 0 1\nv 2 1 1\nv 0 1 1\n\
    f 1 4 3 2\nf 5 6 7 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8\n";

/// Format and file name of each file of the job's only item.
fn files(job: &Value) -> Vec<(&str, &str)> {
    let files = job["items"][0]["files"].as_array().unwrap();
    (files.iter())
        .map(|file| {
            (
                file["format"].as_str().unwrap(),
                file["filename"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_becomes_other_formats_as_a_picture_becomes_a_model() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[]);
    let client = Client::new(server.port);
    let options = [("format", "stl"), ("format", "ply"), ("size_mm", "80")];
    let convert = async || {
        let mesh = BOX.as_bytes().to_vec();
        client
            .convert("box.obj", mesh, &options, Some("a-box"))
            .await
    };
    let sent = convert().await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert_eq!(sent.body["uploaded_files"][0]["filename"], "box.obj");
    assert_eq!(
        convert().await.body,
        sent.body,
        "a repeat is answered alike"
    );

    let id = sent.body["job_id"].as_str().unwrap();
    let events = client.events(id).await;
    assert_eq!(events.last().unwrap().name, "task_completed", "{events:#?}");
    let job = client.job(id).await;
    assert_eq!(
        job["items"][0]["warnings"],
        Value::Array(Vec::new()),
        "{job}"
    );
    let files = files(&job);
    let formats: Vec<_> = files.iter().map(|(format, _)| *format).collect();
    assert_eq!(formats, ["glb", "stl", "ply", "preview"]);

    let fetch = async |name: &str| client.bytes(&format!("/download/{id}/{name}")).await.1;
    let model = read_glb(&fetch(files[0].1).await).unwrap();
    let size = Bounds::of(&model.positions).size();
    assert_eq!((size, model.triangles.len()), ([0.08, 0.04, 0.04], 12));
    let stl = fetch(files[1].1).await;
    assert_eq!(stl.len(), 84 + 50 * 12);
    assert!(fetch(files[3].1).await.starts_with(b"\x89PNG"));
    let (status, obj) = client
        .bytes(&format!("/models/download/{id}?format=obj"))
        .await;
    assert!(status.is_success() && obj.starts_with(b"#"), "{status}");

    // What came out goes in again.
    let again = client.convert("box", stl, &[], None).await;
    let again = client.ended(again.body["job_id"].as_str().unwrap()).await;
    assert_eq!(again["status"], "completed", "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_mesh_is_converted_with_a_warning_and_a_broken_one_fails_by_name() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[]);
    let client = Client::new(server.port);
    let convert = async |mesh: &str| {
        let sent = client.convert("a.obj", mesh.into(), &[], None).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        client.ended(sent.body["job_id"].as_str().unwrap()).await
    };
    let open = convert(&BOX.replace("f 1 4 3 2\n", "")).await;
    assert_eq!(open["status"], "completed", "{open}");
    let warnings = &open["items"][0]["warnings"];
    assert_eq!(warnings[0]["code"], "not_closed", "{warnings}");
    let message = warnings[0]["message"].as_str().unwrap();
    assert!(
        message.contains("4 edges lie on one face only"),
        "{message}"
    );

    for (mesh, code) in [
        (BOX.replace("f 1 4 3 2", "f 1 4 3 9"), "damaged"),
        (BOX.replace("v 2 1 1", "v 2 nan 1"), "damaged"),
        (BOX.replace("f ", "l "), "no_faces"),
        ("a letter".to_owned(), "unknown_format"),
    ] {
        let job = convert(&mesh).await;
        assert_eq!(job["status"], "failed", "{job}");
        assert_eq!(job["items"][0]["error_code"], code, "{job}");
    }
}
