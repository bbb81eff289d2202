//! Taking images in, and the old clients' two ways of asking what became of them.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, multipart::MultipartRejection},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    job::{ItemId, ItemStatus, Job, JobId, JobStatus},
    service::{Caller, Service, Submission, UploadPlace},
};

use super::{
    caller::{item_id, job_id, shortened},
    error::Problem,
    form::{self, Intake},
    limits,
    openapi::{self, Doc, FileStatus, Id, Parameter},
    parts::Parts,
    render,
};

/// Time for a refused client to finish sending, so that it reads the answer instead of a broken connection.
const LINGER: Duration = Duration::from_secs(10);

/// By which a repeat is known.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// `POST /upload`: one request, one job.
pub(super) async fn create(
    State(service): State<Service>,
    caller: Caller,
    headers: HeaderMap,
    parts: Result<Parts, MultipartRejection>,
) -> Result<Response, Problem> {
    let parts = parts.map_err(|_| no_form(Intake::Pictures, &headers))?;
    accept(service, caller, &headers, parts, Intake::Pictures).await
}

/// Why a request is refused that is no form at all: for what it says to be, or for what it lacks.
pub(super) fn no_form(intake: Intake, headers: &HeaderMap) -> Problem {
    let part = intake.part();
    let more = match intake {
        Intake::Pictures => " for each image",
        Intake::Archive => ", a ZIP archive",
        Intake::Meshes => "",
    };
    let message =
        format!("{part} is missing: send multipart/form-data with a part named {part}{more}.");
    let said = headers.get(header::CONTENT_TYPE);
    let said = said.map(|said| String::from_utf8_lossy(said.as_bytes()));
    match said.filter(|said| !said.starts_with("multipart/form-data")) {
        Some(said) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("The Content-Type is {:?}; {message}", shortened(&said)),
        ),
        None => Problem::field(part, message, "missing"),
    }
}

/// Takes files in and answers with the job that they have become.
pub(super) async fn accept(
    service: Service,
    caller: Caller,
    headers: &HeaderMap,
    mut parts: Parts,
    intake: Intake,
) -> Result<Response, Problem> {
    let place = match service.upload_place(&caller) {
        Ok(place) => place,
        Err(crowded) => {
            hear_out_unread(limits::waits_to_be_asked(headers), &mut parts).await;
            return Err(crowded.into());
        }
    };
    accept_at(place, service, caller, headers, parts, intake).await
}

/// The same for one who has a place.
pub(super) async fn accept_at(
    place: UploadPlace,
    service: Service,
    caller: Caller,
    headers: &HeaderMap,
    mut parts: Parts,
    intake: Intake,
) -> Result<Response, Problem> {
    let waits = limits::waits_to_be_asked(headers);
    let key = match idempotency_key(headers) {
        Ok(key) => key,
        Err(problem) => {
            hear_out_unread(waits, &mut parts).await;
            return Err(problem);
        }
    };
    // Not this request's own future, which is dropped when the client leaves: then nobody would clean up.
    let (of, by) = (service.clone(), caller.clone());
    let work = async move {
        let _place = place;
        let may_hurry = by.may_hurry;
        match of.begin(by, key.as_deref()).await {
            Ok(submission) => take_in(&of, submission, may_hurry, parts, intake).await,
            Err(refused) => {
                hear_out_unread(waits, &mut parts).await;
                Err(refused.into())
            }
        }
    };
    let job = service.see_through(work).await.map_err(|error| {
        tracing::error!(%error, "taking in an upload failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed.")
    })??;
    if render::prefers_page(headers) {
        let signer = service.keyring.signer(&caller);
        let place = [(header::LOCATION, signer.sign(&format!("/job/{}", job.id)))];
        return Ok((StatusCode::SEE_OTHER, place).into_response());
    }
    Ok(Json(accepted(&job)).into_response())
}

async fn take_in(
    service: &Service,
    mut submission: Submission,
    may_hurry: bool,
    mut parts: Parts,
    intake: Intake,
) -> Result<Job, Problem> {
    let settings = &service.config.upload;
    let read = form::read(intake, settings, &mut submission, &mut parts).await;
    match read.and_then(|asked| asked.allowed(may_hurry)) {
        Ok(asked) => Ok(submission
            .submit(&asked.request, asked.priority, asked.about)
            .await?),
        Err(problem) => {
            submission.discard().await;
            hear_out(&mut parts).await;
            Err(problem)
        }
    }
}

/// Lets a refused client finish sending.
pub(super) async fn hear_out(parts: &mut Parts) {
    let _ = tokio::time::timeout(LINGER, parts.pass_over()).await;
}

/// The same where nothing of the form was read: one that waits to be asked for it has sent nothing.
async fn hear_out_unread(waits: bool, parts: &mut Parts) {
    if !waits {
        hear_out(parts).await;
    }
}

/// What a client sends to repeat a request safely, without blanks around it.
///
/// # Errors
/// 400 for one that is empty, too long or of other characters.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match value.to_str().map(|text| text.trim_matches(' ')) {
        Ok(key) if is_key(key) => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request(
            "The Idempotency-Key must have 1 to 255 printable ASCII characters.",
        )),
    }
}

fn is_key(text: &str) -> bool {
    let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    (1..=255).contains(&text.len()) && text.bytes().all(is_printable)
}

/// What was accepted: one job of one or more files.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Accepted {
    /// The same as `job_id`, under the name that status requests of batches know.
    #[schemars(with = "Id")]
    batch_id: JobId,
    #[schemars(with = "Id")]
    job_id: JobId,
    /// The same as `job_id`, under the name that status and events know.
    #[schemars(with = "Id")]
    task_id: JobId,
    /// In the order in which they were sent.
    uploaded_files: Vec<Uploaded>,
    /// Most triangles of each model, as asked for or by default.
    #[schemars(range(min = 1, max = 500_000))]
    face_limit: Option<u32>,
    /// How many files there are, 1 to 25.
    total_files: usize,
    #[schemars(extend("const" = "uploaded"))]
    status: &'static str,
    /// In words.
    message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Uploaded {
    #[schemars(with = "Id")]
    file_id: ItemId,
    /// As it was sent, without folders.
    filename: String,
    /// Bytes.
    file_size: u64,
    /// As the client declared it.
    content_type: String,
    #[schemars(extend("const" = "uploaded"))]
    status: &'static str,
    #[schemars(with = "Id")]
    task_id: JobId,
}

/// Made of the job alone, so that a repeat is answered alike.
fn accepted(job: &Job) -> Accepted {
    let files = job
        .items
        .iter()
        .map(|item| Uploaded {
            file_id: job.id.item(item.number),
            filename: item.filename.clone(),
            file_size: item.size,
            content_type: item.media_type.clone(),
            status: "uploaded",
            task_id: job.id,
        })
        .collect();
    let face_limit = job
        .options
        .iter()
        .find(|(name, _)| name == "face_limit")
        .and_then(|(_, value)| value.parse::<u32>().ok());
    let count = match job.items.len() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let mut message = format!("{count} uploaded");
    if let Some(limit) = face_limit.filter(|limit| *limit < reconstruct::options::MIN_FACE_LIMIT) {
        let least = reconstruct::options::MIN_FACE_LIMIT;
        message = format!("{message}; a face_limit of {limit} counts as {least}");
    }
    Accepted {
        batch_id: job.id,
        job_id: job.id,
        task_id: job.id,
        uploaded_files: files,
        face_limit,
        total_files: job.items.len(),
        status: "uploaded",
        message,
    }
}

/// What became of one file.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UploadedFile {
    #[schemars(with = "Id")]
    file_id: ItemId,
    /// As it was sent, without folders.
    filename: String,
    #[schemars(extend("const" = "uploaded"))]
    status: &'static str,
    #[schemars(with = "FileStatus")]
    processing_status: &'static str,
}

/// `GET /upload/status/{file_id}`
pub(super) async fn file_status(
    State(service): State<Service>,
    caller: Caller,
    Path(file_id): Path<String>,
) -> Result<Json<UploadedFile>, Problem> {
    let id = item_id(&file_id)?;
    let (_, item) = service.item(&caller, id).await?;
    Ok(Json(UploadedFile {
        file_id: id,
        filename: item.filename,
        status: "uploaded",
        processing_status: render::file_status(item.status),
    }))
}

/// How the files of one upload stand together.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Batch {
    #[schemars(with = "Id")]
    batch_id: JobId,
    status: JobStatus,
    /// In words.
    message: String,
    progress: BatchProgress,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BatchProgress {
    /// How many files there are, 1 to 25.
    total_files: usize,
    /// Those that have ended, failed ones too.
    processed_files: usize,
    /// Those that became no model.
    failed_files: usize,
}

/// `GET /upload/batch/{batch_id}/status`
pub(super) async fn batch_status(
    State(service): State<Service>,
    caller: Caller,
    Path(batch_id): Path<String>,
) -> Result<Json<Batch>, Problem> {
    let job = service.job(&caller, job_id(&batch_id)?).await?;
    let ended = job.items.iter().filter(|item| item.status.is_final());
    let completed = job
        .items
        .iter()
        .filter(|item| item.status == ItemStatus::Completed);
    let (processed, completed) = (ended.count(), completed.count());
    let total = job.items.len();
    let message = match job.status() {
        JobStatus::Queued => "Waiting to be processed".to_owned(),
        JobStatus::Processing => format!("{processed} of {total} files processed"),
        JobStatus::Completed => format!("{completed} of {total} files became models"),
        JobStatus::Failed => "No file became a model".to_owned(),
        JobStatus::Cancelled => "Cancelled".to_owned(),
    };
    Ok(Json(Batch {
        batch_id: job.id,
        status: job.status(),
        message,
        progress: BatchProgress {
            total_files: total,
            processed_files: processed,
            failed_files: processed - completed,
        },
    }))
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        answered(Doc::post("/api/v1/upload", "upload", "upload"))
            .also("/api/v1/upload/batch")
            .says(
                "Pictures to models",
                "One request is one job; it is kept once it is answered.",
            )
            .takes_form(openapi::pictures),
        Doc::get("/api/v1/upload/status/{file_id}", "upload", "file_status")
            .says("What became of one file", "")
            .answers::<UploadedFile>(
                200,
                "How it stands.",
                json!({
                    "file_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a01",
                    "filename": "cat.jpg",
                    "status": "uploaded",
                    "processing_status": "completed",
                }),
            ),
        Doc::get(
            "/api/v1/upload/batch/{batch_id}/status",
            "upload",
            "batch_status",
        )
        .says("How the files of one upload stand together", "")
        .answers::<Batch>(
            200,
            "How they stand.",
            json!({
                "batch_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
                "status": "processing",
                "message": "1 of 2 files processed",
                "progress": {"total_files": 2, "processed_files": 1, "failed_files": 0},
            }),
        ),
    ]
}

/// What any upload of pictures is answered.
pub(super) fn answered(doc: Doc) -> Doc {
    let example = json!({
        "batch_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
        "job_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
        "task_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
        "uploaded_files": [{
            "file_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a01",
            "filename": "cat.jpg",
            "file_size": 48213,
            "content_type": "image/jpeg",
            "status": "uploaded",
            "task_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
        }],
        "face_limit": 20000,
        "total_files": 1,
        "status": "uploaded",
        "message": "1 file uploaded",
    });
    doc.asks(idempotency())
        .answers::<Accepted>(200, "The job.", example)
        .sends(
            303,
            "For a browser that asks for a page: where the job's page is.",
            "text/html",
        )
        .refuses(
            507,
            "The disk is full and nothing on it is old enough to be removed.",
        )
}

/// The header by which a repeat is known.
pub(super) fn idempotency() -> Parameter {
    Parameter::header(
        "Idempotency-Key",
        "A repeat under the same key is answered alike and makes nothing new.",
        json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}),
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn an_idempotency_key_is_any_printable_text() {
        let longest = "k".repeat(255);
        for (sent, key) in [
            ("order 17, second try", Some("order 17, second try")),
            (" \"quoted\"  ", Some("\"quoted\"")),
            (longest.as_str(), Some(longest.as_str())),
            (&"k".repeat(256), None),
            ("", None),
            ("  ", None),
            ("a\tb", None),
            ("schl\u{fc}ssel", None),
        ] {
            let value = HeaderValue::from_bytes(sent.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, value)]);
            let read = idempotency_key(&headers).ok().flatten();
            assert_eq!(read.as_deref(), key, "{sent:?}");
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }
}
