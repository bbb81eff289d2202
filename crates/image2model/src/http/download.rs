//! A job's files: the list, and each as an attachment that no browser runs.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::{
    job::{FileRecord, Item, Job},
    service::{Caller, OpenFile, Service, Signer},
};

use super::{
    caller::{job_id, shortened},
    error::Problem,
    render,
};

/// Extensions of the files that are ever produced.
const EXTENSIONS: [&str; 8] = ["glb", "obj", "zip", "stl", "ply", "png", "jpg", "webp"];
/// The format that is a picture of a model rather than the model.
const PREVIEW: &str = "preview";

/// `GET /download/{job_id}/all`
pub(super) async fn all(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
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
    let urls: Vec<_> = models
        .iter()
        .map(|(_, file)| render::file_url(&job, file, &signer))
        .collect();
    Ok(Json(json!({
        "job_id": job.id,
        "files": files,
        "download_urls": urls,
        "total_files": files.len(),
    })))
}

fn listed(job: &Job, item: &Item, file: &FileRecord, signer: &Signer) -> Value {
    let mut shown = json!({
        "filename": file.name,
        "size": file.size,
        "mime_type": file.media_type,
        "created_time": file.created.0 as f64 / 1000.0,
        "format": file.format,
        "file_id": job.id.item(item.number),
    });
    if let Some(picture) = item.files.iter().find(|file| file.format == PREVIEW) {
        shown["rendered_image"] = json!({
            "url": render::file_url(job, picture, signer),
            "content_type": picture.media_type,
            "file_size": picture.size,
        });
    }
    shown
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
