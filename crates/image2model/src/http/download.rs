//! A job's files: the list, and each as an attachment that no browser runs.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::TryStreamExt;
use reconstruct::Format;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    job::{FileRecord, Item, ItemId, Job, JobId},
    service::{Caller, OpenFile, Service, Signer},
};

use super::{
    caller::{job_id, shortened},
    error::Problem,
    openapi::{Doc, Id},
    render,
};

/// Extensions of the files that are ever produced.
const EXTENSIONS: [&str; 8] = ["glb", "obj", "zip", "stl", "ply", "png", "jpg", "webp"];
/// The format that is a picture of a model rather than the model.
const PREVIEW: &str = "preview";

/// The models of a job.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Downloads {
    #[schemars(with = "Id")]
    job_id: JobId,
    files: Vec<Download>,
    /// Where they are downloaded, in the order of `files`; signed where keys are needed.
    download_urls: Vec<String>,
    /// How many there are.
    total_files: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Download {
    /// Its unique name at this server.
    filename: String,
    /// Bytes.
    size: u64,
    mime_type: String,
    /// Seconds since 1970 in UTC.
    created_time: f64,
    /// `glb`, `obj`, `obj.zip`, `stl` or `ply`.
    format: String,
    /// The image that it was made from.
    #[schemars(with = "Id")]
    file_id: ItemId,
    /// A picture of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    rendered_image: Option<Picture>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Picture {
    /// Where it is downloaded; signed where keys are needed.
    url: String,
    content_type: String,
    /// Bytes.
    file_size: u64,
}

/// `GET /download/{job_id}/all`
pub(super) async fn all(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Downloads>, Problem> {
    let job = service.job(&caller, job_id(&id)?).await?;
    let signer = service.keyring.signer(&caller);
    let models: Vec<_> = job
        .items
        .iter()
        .flat_map(|item| item.files.iter().map(move |file| (item, file)))
        .filter(|(_, file)| file.format != PREVIEW)
        .collect();
    let files: Vec<_> = models
        .iter()
        .map(|(item, file)| listed(&job, item, file, &signer))
        .collect();
    Ok(Json(Downloads {
        job_id: job.id,
        download_urls: models
            .iter()
            .map(|(_, file)| render::file_url(&job, file, &signer))
            .collect(),
        total_files: files.len(),
        files,
    }))
}

fn listed(job: &Job, item: &Item, file: &FileRecord, signer: &Signer) -> Download {
    let preview = item.files.iter().find(|file| file.format == PREVIEW);
    Download {
        filename: file.name.clone(),
        size: file.size,
        mime_type: file.media_type.clone(),
        created_time: file.created.0 as f64 / 1000.0,
        format: file.format.clone(),
        file_id: job.id.item(item.number),
        rendered_image: preview.map(|picture| Picture {
            url: render::file_url(job, picture, signer),
            content_type: picture.media_type.clone(),
            file_size: picture.size,
        }),
    }
}

/// `GET /download/{job_id}/{filename}`
pub(super) async fn file(
    State(service): State<Service>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let id = job_id(&id)?;
    check(&name)?;
    Ok(attachment(service.open(&caller, id, &name).await?))
}

/// `GET /download/direct/{filename}`
pub(super) async fn direct(
    State(service): State<Service>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    check(&name)?;
    Ok(attachment(service.open_by_name(&caller, &name).await?))
}

fn check(name: &str) -> Result<(), Problem> {
    let refused = |why: &str| {
        let name = shortened(name);
        Err(Problem::bad_request(format!(
            "The file name {name:?} {why}."
        )))
    };
    if name.contains("..") || name.contains(['/', '\\']) {
        return refused("has separators or dots that no file of ours has");
    }
    if name.chars().any(char::is_control) {
        return refused("has control characters");
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    if !extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
        return refused(&format!("does not end in one of {}", EXTENSIONS.join(", ")));
    }
    Ok(())
}

/// The file with its headers: one to be saved. A page may still show a preview as its picture.
pub(super) fn attachment(opened: OpenFile) -> Response {
    let record = &opened.record;
    let name = friendly_name(&opened.image, record);
    let fallback: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' => '_',
            c if c == ' ' || c.is_ascii_graphic() => c,
            _ => '_',
        })
        .collect();
    let disposition = format!(
        "attachment; filename=\"{fallback}\"; filename*=UTF-8''{}",
        percent_encoded(&name)
    );
    let mut response = Body::from_stream(opened.content.inspect_err(|error| {
        tracing::error!(%error, "reading a file to a client failed");
    }))
    .into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(opened.size));
    for (header, value) in [
        (header::CONTENT_TYPE, record.media_type.as_str()),
        (header::CONTENT_DISPOSITION, disposition.as_str()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        // A name is never given to other content.
        (header::CACHE_CONTROL, "private, max-age=86400, immutable"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(header, value);
        }
    }
    response
}

/// The image's own name with the file's extension.
fn friendly_name(image: &str, record: &FileRecord) -> String {
    let stem = image.rsplit_once('.').map_or(image, |(stem, _)| stem);
    let extension = record.name.rsplit_once('.').map_or("", |(_, ext)| ext);
    match record.format.as_str() {
        PREVIEW => format!("{stem}.{extension}"),
        format => format!("{stem}.{format}"),
    }
}

/// As RFC 8187 writes a parameter.
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        Doc::get("/api/v1/download/{job_id}/all", "download", "list_downloads")
            .says("The models of a job", "Empty until the first image is completed.")
            .answers::<Downloads>(
                200,
                "The models.",
                json!({
                    "job_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
                    "files": [{
                        "filename": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00_01_cat.glb",
                        "size": 813244,
                        "mime_type": "model/gltf-binary",
                        "created_time": 1_767_323_047.1,
                        "format": "glb",
                        "file_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a01",
                    }],
                    "download_urls": ["/api/v1/download/0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00/0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00_01_cat.glb"],
                    "total_files": 1,
                }),
            ),
        file_docs(
            Doc::get("/api/v1/download/{job_id}/{filename}", "download", "download_file")
                .says("One file of a job", "As an attachment that no browser runs."),
        ),
        file_docs(
            Doc::get("/api/v1/download/direct/{filename}", "download", "download_by_name")
                .says("One file by its unique name", "As an attachment that no browser runs."),
        ),
    ]
}

/// The media types of all files that are ever produced.
pub(super) fn file_docs(doc: Doc) -> Doc {
    let types = Format::ALL.map(Format::media_type);
    types
        .into_iter()
        .chain(["image/png"])
        .fold(doc, |doc, media_type| {
            doc.sends(200, "The file.", media_type)
        })
}
