//! Pictures in one archive.

mod hostile;
mod made;

use std::io::{Cursor, Write as _};

use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use image2model::{artifacts::ArtifactKey, config::Config, job::Queue};

use super::{
    Answer, Api, CROWDED, FULL, MEGABYTE, Part, ROOM, assert_problem, encoded, file, form_with,
    picture, slow::slow_form, text,
};

impl Api {
    pub(super) async fn upload_zip(&self, parts: &[Part]) -> Answer {
        self.upload_zip_with(parts, &[]).await
    }

    async fn upload_zip_with(&self, parts: &[Part], headers: &[(&str, &str)]) -> Answer {
        self.send(to_zip(form_with(parts, headers))).await
    }

    /// Sizes of the files without a name that this service has open.
    #[cfg(target_os = "linux")]
    fn scratch(&self) -> Vec<u64> {
        let mut sizes = Vec::new();
        for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
            let is_ours = std::fs::read_link(entry.path()).is_ok_and(|target| {
                target.starts_with(self.dir.path())
                    && target.to_string_lossy().ends_with(" (deleted)")
            });
            if is_ours && let Ok(meta) = std::fs::metadata(entry.path()) {
                sizes.push(meta.len());
            }
        }
        sizes
    }
}

fn to_zip(mut request: Request<Body>) -> Request<Body> {
    *request.uri_mut() = "/api/v1/upload/zip".parse().unwrap();
    request
}

pub(super) fn archive(bytes: &[u8]) -> Part {
    Part {
        name: "file".to_owned(),
        ..file("cats.zip", "application/zip", bytes)
    }
}

/// An archive as the field's libraries write it; a name that ends in `/` is a folder.
pub(super) fn zipped(members: &[(&str, &[u8])], packed: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    write(&mut writer, members, packed);
    writer.finish().unwrap().into_inner()
}

/// The same written as it goes, so that each member's sizes follow it.
fn streamed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new_stream(Vec::new());
    write(&mut writer, members, CompressionMethod::Deflated);
    writer.finish().unwrap().into_inner()
}

fn write<W: std::io::Write + std::io::Seek>(
    writer: &mut ZipWriter<W>,
    members: &[(&str, &[u8])],
    packed: CompressionMethod,
) {
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(packed);
        if name.ends_with('/') {
            writer.add_directory(*name, options).unwrap();
        } else {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
    }
}

/// Bytes that hardly pack.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(next).collect()
}

/// A white picture of 4000 by 3000 has 42 KB, which shrink by a hundred and more again.
#[tokio::test]
async fn a_small_flat_picture_is_no_bomb() {
    let api = Api::new();
    let flat = vec![0; MEGABYTE];
    let bytes = zipped(&[("white.png", &flat)], CompressionMethod::Deflated);
    assert!(bytes.len() * 100 < flat.len(), "{} bytes", bytes.len());
    let answer = api.upload_zip(&[archive(&bytes)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn pictures_of_an_archive_become_models_in_its_order_under_their_own_names() {
    let large = noise(3 * MEGABYTE);
    let members: &[(&str, &[u8])] = &[
        ("holiday/", b""),
        ("holiday/z.jpg", b"the first"),
        ("__MACOSX/holiday/._z.jpg", b"what macOS adds"),
        (".DS_Store", b"the same"),
        ("a.PNG", &large),
        ("holiday/2026/Käse.webp", b"the third"),
        ("holiday/Thumbs.db", b"what Windows adds"),
    ];
    for bytes in [
        zipped(members, CompressionMethod::Stored),
        zipped(members, CompressionMethod::Deflated),
        streamed(members),
    ] {
        let api = Api::new();
        // Options after the file count as well.
        let parts = [
            text("model", "relief"),
            archive(&bytes),
            text("face_limit", "700"),
            text("label", "shop"),
        ];
        let answer = api.upload_zip(&parts).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let accepted = answer.json();
        let told = |of: &str| -> Vec<_> {
            let files = accepted["uploaded_files"].as_array().unwrap().iter();
            files.map(|file| file[of].clone()).collect()
        };
        assert_eq!(told("filename"), ["z.jpg", "a.PNG", "Käse.webp"]);
        assert_eq!(
            told("content_type"),
            ["image/jpeg", "image/png", "image/webp"]
        );
        assert_eq!(told("file_size"), [9, 3 * MEGABYTE, 9]);
        assert_eq!(accepted["face_limit"], 700);

        let id = accepted["job_id"].as_str().unwrap().parse().unwrap();
        let job = api.service.store.jobs.job(id).await.unwrap().unwrap();
        assert_eq!(job.about.labels, ["shop"]);
        let key = ArtifactKey::recorded(&job.items[1].upload);
        assert_eq!(api.service.artifacts.get(&key).await.unwrap(), large);
        assert_eq!(api.files_on_disk(), 3, "the pictures and nothing else");

        for task in api.start(Queue::ModelGeneration).await {
            api.complete(&task.lease).await;
        }
        let made = api.get(&format!("/api/v1/jobs/{id}")).await.json();
        let items = made["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|item| &item["filename"]).collect();
        assert_eq!(names, ["z.jpg", "a.PNG", "Käse.webp"]);
        assert!(items.iter().all(|item| item["status"] == "completed"));
    }
}

#[tokio::test]
async fn what_the_form_shows_to_be_wrong_is_refused_whole() {
    let one = zipped(&[("a.png", b"x")], CompressionMethod::Stored);
    let mut named_files = archive(&one);
    named_files.name = "files".to_owned();
    let mut no_file = archive(&one);
    no_file.filename = None;
    let option = |name: &str, value: &str| vec![archive(&one), text(name, value)];
    for (parts, status, words) in [
        (vec![], 422, "file is missing"),
        (vec![no_file], 422, "file must be files"),
        (vec![named_files], 422, "send the archive in the part file"),
        (
            vec![archive(&one), archive(&one)],
            422,
            "file is given twice",
        ),
        (option("model", "sculpt"), 422, "there are inflate"),
        (
            option("face_limit", "0"),
            400,
            "it must be from 1 to 500000",
        ),
        (option("colour", "red"), 422, "has no option"),
    ] {
        let api = Api::new();
        let problem = assert_problem(&api.upload_zip(&parts).await, status);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{words:?} is not in {detail:?}");
        assert_eq!(api.files_on_disk(), 0, "{detail}");
    }
    let json = super::request("POST", "/api/v1/upload/zip")
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    assert_problem(&Api::new().send(json).await, 415);
}

#[tokio::test]
async fn names_and_sizes_are_held_to_what_holds_any_upload_and_told_together() {
    let api = Api::with(|config| config.upload.max_file_bytes = 1000, ROOM);
    let members: &[(&str, &[u8])] = &[
        ("good.png", b"x"),
        ("notes.txt", b"x"),
        ("inner.zip", b"x"),
        ("holiday/huge.png", &noise(1001)),
        ("none.png", b""),
    ];
    let bytes = zipped(members, CompressionMethod::Deflated);
    let problem = assert_problem(&api.upload_zip(&[archive(&bytes)]).await, 400);
    let told = [
        "notes.txt: the extension \"txt\" is not one of jpg, jpeg, png, webp",
        "inner.zip: the extension \"zip\" is not one of jpg, jpeg, png, webp",
        "huge.png: the file is over the limit of 1000 bytes",
        "none.png: the file is empty",
    ];
    assert_eq!(problem["details"]["errors"], serde_json::json!(told));

    let large = zipped(&members[3..4], CompressionMethod::Stored);
    let problem = assert_problem(&api.upload_zip(&[archive(&large)]).await, 413);
    assert_eq!(
        (&problem["code"], &problem["detail"]),
        (&"too_large".into(), &told[2].into())
    );
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn an_archive_of_the_limit_is_taken_and_a_larger_one_is_not() {
    let one = zipped(&[("a.png", &noise(5000))], CompressionMethod::Stored);
    let limit = one.len() as u64;
    let api = Api::with(|config| config.upload.max_archive_bytes = limit, ROOM);
    assert_eq!(api.upload_zip(&[archive(&one)]).await.status, 200);
    let files = api.files_on_disk();
    let over = zipped(&[("b.png", &noise(5001))], CompressionMethod::Stored);
    let problem = assert_problem(&api.upload_zip(&[archive(&over)]).await, 413);
    let told = format!("The archive is over the limit of {limit} bytes.");
    assert_eq!(problem["detail"], told);
    assert_eq!(api.files_on_disk(), files);
}

#[tokio::test]
async fn what_the_first_header_shows_is_refused_though_the_rest_never_comes() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(to_zip(request));
    let bytes = made::archive(&[made::stored("../a.png", &noise(MEGABYTE))]);
    let form = encoded(&[archive(&bytes)]);
    body.send(form[..1000].to_vec()).await;
    // What is left is waited for no longer than for a client that would not read an answer before it has sent all.
    let problem = assert_problem(&asking.await.unwrap(), 400);
    assert_eq!(problem["details"]["reason"], "unsafe_name");
    drop(body);
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn an_archive_that_ends_early_leaves_nothing_behind() {
    let bytes = zipped(
        &[("a.png", &noise(40_000)), ("b.png", &noise(40_000))],
        CompressionMethod::Deflated,
    );
    let api = Api::new();
    let whole = encoded(&[archive(&bytes)]);
    for length in [whole.len() - 8, whole.len() / 2, 300] {
        let body = Body::from(whole[..length].to_vec());
        let answer = api.send(to_zip(super::raw_form(body, &[]))).await;
        let problem = assert_problem(&answer, 400);
        assert_eq!(
            problem["detail"],
            "The multipart form is malformed or ended early."
        );
    }
    // The form is whole here, and the archive is not.
    for length in [bytes.len() - 1, bytes.len() / 2, 30, 3, 0] {
        let answer = api.upload_zip(&[archive(&bytes[..length])]).await;
        assert_eq!(assert_problem(&answer, 400)["code"], "bad_archive");
    }
    assert_eq!(api.files_on_disk(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_archive_is_never_held_whole_and_its_file_goes_with_its_client() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(to_zip(request));
    let large = noise(9 * MEGABYTE);
    let members: &[(&str, &[u8])] = &[("a.png", &large), ("b.png", &large), ("c.png", &large)];
    let form = encoded(&[archive(&zipped(members, CompressionMethod::Stored))]);
    // All but a megabyte of what was sent is in the file without a name while the body is far from its end.
    for (sent, chunk) in (1..).zip(form.chunks(MEGABYTE)) {
        if sent == 20 {
            break;
        }
        body.send(chunk.to_vec()).await;
        let most = ((sent - 1) * MEGABYTE) as u64;
        api.until(|| api.scratch().iter().sum::<u64>() + MEGABYTE as u64 >= most)
            .await;
    }
    assert_eq!(api.scratch().len(), 1);
    // The request's future is dropped, as the server does when the connection breaks, and then its body fails.
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    body.breaks().await;
    api.quiet().await;
    // A write that a thread had begun holds the file until it is done.
    api.until(|| api.scratch().is_empty()).await;
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn a_repeat_under_one_key_is_answered_alike_however_it_is_packed_and_other_content_is_refused()
 {
    let api = Api::new();
    let key = [("idempotency-key", "my-key")];
    let send = async |members: &[(&str, &[u8])], packed, limit: &str| -> Answer {
        let parts = [archive(&zipped(members, packed)), text("face_limit", limit)];
        api.upload_zip_with(&parts, &key).await
    };
    let members: &[(&str, &[u8])] = &[("a.png", b"x"), ("b.png", b"y")];
    let first = send(members, CompressionMethod::Stored, "500").await;
    assert_eq!(first.status, 200, "{}", first.text());
    let files = api.files_on_disk();
    for packed in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let again = send(members, packed, "500").await;
        assert_eq!((again.status, again.json()), (first.status, first.json()));
    }
    // One by one they are the same content, too.
    let parts = [
        picture("a.png", b"x"),
        picture("b.png", b"y"),
        text("face_limit", "500"),
    ];
    assert_eq!(api.send(form_with(&parts, &key)).await.json(), first.json());

    for (other, limit) in [
        ([("a.png", &b"x"[..]), ("b.png", b"z")], "500"),
        ([("a.png", b"x"), ("c.png", b"y")], "500"),
        ([("b.png", b"y"), ("a.png", b"x")], "500"),
        ([("a.png", b"x"), ("b.png", b"y")], "501"),
    ] {
        let refused = send(&other, CompressionMethod::Stored, limit).await;
        assert_eq!(assert_problem(&refused, 422)["code"], "key_reused");
    }
    assert_eq!(api.files_on_disk(), files);
}

#[tokio::test]
async fn a_full_disk_takes_no_archive() {
    let api = Api::new();
    *api.space.lock().unwrap() = Some(FULL);
    let bytes = zipped(&[("a.png", b"x")], CompressionMethod::Stored);
    assert_problem(&api.upload_zip(&[archive(&bytes)]).await, 507);
    assert_eq!(api.files_on_disk(), 0);
}

#[tokio::test]
async fn a_full_disk_of_the_data_directory_takes_no_archive_and_pictures_that_lie_elsewhere() {
    let crowded = |config: &mut Config| config.data_dir.push(CROWDED);
    let api = Api::with(crowded, ROOM);
    let bytes = zipped(&[("a.png", b"x")], CompressionMethod::Stored);
    assert_problem(&api.upload_zip(&[archive(&bytes)]).await, 507);
    assert_eq!(api.files_on_disk(), 0);
    api.job(&["a.png"]).await;
}

#[tokio::test]
async fn a_browsers_form_leads_to_the_jobs_page() {
    let api = Api::new();
    let bytes = zipped(&[("a.png", b"x")], CompressionMethod::Stored);
    let answer = api
        .upload_zip_with(&[archive(&bytes)], &[("accept", "text/html")])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.header("location").starts_with("/job/"));
}
