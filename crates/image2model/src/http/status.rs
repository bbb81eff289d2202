//! How a job or one of its images stands, in the old clients' words.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    job::{Item, ItemId, ItemStatus, Job, JobId, JobStatus, Timestamp},
    service::{Caller, Service, ServiceError, Signer},
    store::Progress,
};

use super::{
    caller::{TaskRef, job_id, task_ref},
    error::Problem,
    openapi::{Doc, FileStatus, Id},
    render,
};

/// How a job or one image of it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TaskStatus {
    #[serde(flatten)]
    head: Head,
    /// The id that was asked for.
    #[schemars(with = "Id")]
    task_id: String,
    /// The job that it is or belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Id>")]
    job_id: Option<JobId>,
    /// Of an image: its name as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    /// While it is processed: ended files of a job, percent of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<usize>,
    /// While it is processed: what `current` goes up to.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    /// Once it is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<TaskResult>,
    /// Once it has failed: why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Once it has failed: why, for each image that has a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_details: Option<Vec<FileError>>,
    /// When this was so; milliseconds since 1970 in UTC.
    timestamp: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Head {
    #[schemars(extend("enum" = ["queued", "processing", "retrying", "completed", "failed", "cancelled"]))]
    status: &'static str,
    /// Percent; of a job the mean over its images.
    #[schemars(range(max = 100))]
    progress: u32,
    /// In words.
    message: String,
    /// `status` as Celery would call it.
    #[schemars(extend("enum" = ["PENDING", "PROGRESS", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]))]
    state: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum TaskResult {
    Job(JobResult),
    Image(ImageResult),
}

/// Counts and links of an ended job.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct JobResult {
    #[schemars(with = "Id")]
    job_id: JobId,
    status: JobStatus,
    /// How many files there were, 1 to 25.
    total_files: usize,
    /// Those that became models.
    successful_files: usize,
    /// The others.
    failed_files: usize,
    /// Where all files are listed.
    files_url: String,
}

/// Links of one completed image.
#[derive(Debug, Serialize, JsonSchema)]
struct ImageResult {
    #[schemars(with = "Id")]
    job_id: JobId,
    /// Where its files are downloaded; signed where keys are needed.
    download_urls: Vec<String>,
}

/// Why one image failed.
#[derive(Debug, Serialize, JsonSchema)]
struct FileError {
    #[schemars(with = "Id")]
    file_id: ItemId,
    /// Its name as it was sent.
    filename: String,
    /// In words.
    error: String,
    /// For programs; null for a cancelled one.
    code: Option<String>,
}

/// `GET /status/{task_id}` and its two aliases; a file's id is answered for that file.
pub(super) async fn task(
    State(service): State<Service>,
    caller: Caller,
    Path(task_id): Path<String>,
) -> Result<Json<TaskStatus>, Problem> {
    let task = task_ref(&task_id)?;
    let progress = service.progress(task.of_job()).await?;
    let found = match task {
        TaskRef::Job(id) => service.job(&caller, id).await.map(|job| (job, None)),
        TaskRef::Item(id) => service
            .item(&caller, id)
            .await
            .map(|(job, item)| (job, Some(item))),
    };
    let (job, item) = match found {
        Err(ServiceError::NotFound(_)) if service.config.compat.unknown_task_is_queued => {
            return Ok(Json(unknown(task_id, service.now())));
        }
        Err(ServiceError::NotFound(_)) => return Err(Problem::not_found("task")),
        found => found?,
    };
    let mut shown = item.map_or_else(
        || of_job(&job, &progress),
        |item| of_item(&job, &item, &progress, &service.keyring.signer(&caller)),
    );
    shown.task_id = task_id;
    shown.job_id = Some(job.id);
    shown.timestamp = service.now().0;
    Ok(Json(shown))
}

impl TaskStatus {
    fn new(head: Head) -> Self {
        Self {
            head,
            task_id: String::new(),
            job_id: None,
            filename: None,
            current: None,
            total: None,
            result: None,
            error: None,
            error_details: None,
            timestamp: 0,
        }
    }
}

/// What the old service said of any id.
fn unknown(task_id: String, at: Timestamp) -> TaskStatus {
    let waiting = "Task is waiting to be processed".to_owned();
    TaskStatus {
        task_id,
        timestamp: at.0,
        ..TaskStatus::new(head("PENDING", "queued", waiting, 0))
    }
}

fn of_job(job: &Job, progress: &[Progress]) -> TaskStatus {
    let total = job.items.len();
    let ended = job.items.iter().filter(|item| item.status.is_final());
    let ended = ended.count();
    let retrying = job.status() == JobStatus::Processing
        && job
            .items
            .iter()
            .any(|item| item.status == ItemStatus::Retrying)
        && job
            .items
            .iter()
            .all(|item| item.status != ItemStatus::Processing);
    let (state, status, message) = match job.status() {
        JobStatus::Queued => ("PENDING", "queued", "Waiting to be processed".to_owned()),
        JobStatus::Processing if retrying => (
            "RETRY",
            "retrying",
            "Waiting for another attempt".to_owned(),
        ),
        JobStatus::Processing => (
            "PROGRESS",
            "processing",
            format!("{ended} of {total} files processed"),
        ),
        JobStatus::Completed => ("SUCCESS", "completed", "Completed".to_owned()),
        JobStatus::Failed => ("FAILURE", "failed", failure(job)),
        JobStatus::Cancelled => ("REVOKED", "cancelled", "Cancelled".to_owned()),
    };
    let percent = render::job_percent(job, progress);
    let mut shown = TaskStatus::new(head(state, status, message, percent));
    match job.status() {
        JobStatus::Processing => {
            shown.current = Some(ended);
            shown.total = Some(total);
        }
        JobStatus::Completed => shown.result = Some(TaskResult::Job(result(job))),
        JobStatus::Failed => {
            shown.error = Some(failure(job));
            shown.error_details = Some(errors(job, &job.items));
        }
        JobStatus::Queued | JobStatus::Cancelled => {}
    }
    shown
}

fn of_item(job: &Job, item: &Item, progress: &[Progress], signer: &Signer) -> TaskStatus {
    let percent = render::percent(job, item, progress);
    let (state, status) = match item.status {
        ItemStatus::Queued => ("PENDING", "queued"),
        ItemStatus::Processing => ("PROGRESS", "processing"),
        ItemStatus::Retrying => ("RETRY", "retrying"),
        ItemStatus::Completed => ("SUCCESS", "completed"),
        ItemStatus::Failed => ("FAILURE", "failed"),
        ItemStatus::Cancelled => ("REVOKED", "cancelled"),
    };
    let error = render::item_error(item);
    let message = error
        .clone()
        .unwrap_or_else(|| format!("{}: {status}", item.filename));
    let mut shown = TaskStatus::new(head(state, status, message, percent.into()));
    shown.filename = Some(item.filename.clone());
    match item.status {
        ItemStatus::Processing => {
            shown.current = Some(percent.into());
            shown.total = Some(100);
        }
        ItemStatus::Completed => {
            let urls = item.files.iter();
            shown.result = Some(TaskResult::Image(ImageResult {
                job_id: job.id,
                download_urls: urls
                    .map(|file| render::file_url(job, file, signer))
                    .collect(),
            }));
        }
        ItemStatus::Failed => {
            shown.error = error;
            shown.error_details = Some(errors(job, std::slice::from_ref(item)));
        }
        ItemStatus::Queued | ItemStatus::Retrying | ItemStatus::Cancelled => {}
    }
    shown
}

fn head(state: &'static str, status: &'static str, message: String, progress: u32) -> Head {
    Head {
        status,
        progress,
        message,
        state,
    }
}

/// Counts and links of an ended job, as status and stream give them.
pub(super) fn result(job: &Job) -> JobResult {
    let completed = job
        .items
        .iter()
        .filter(|item| item.status == ItemStatus::Completed);
    let completed = completed.count();
    JobResult {
        job_id: job.id,
        status: job.status(),
        total_files: job.items.len(),
        successful_files: completed,
        failed_files: job.items.len() - completed,
        files_url: format!("/api/v1/download/{}/all", job.id),
    }
}

/// Why a job failed: its only image's reason, or how many there are.
pub(super) fn failure(job: &Job) -> String {
    match job.items.as_slice() {
        [item] => render::item_error(item).unwrap_or_else(|| "failed".to_owned()),
        items => format!("None of the {} files became a model", items.len()),
    }
}

/// The reason and its code for each of a job's `items` that has one.
fn errors(job: &Job, items: &[Item]) -> Vec<FileError> {
    items
        .iter()
        .filter_map(|item| {
            Some(FileError {
                file_id: job.id.item(item.number),
                filename: item.filename.clone(),
                error: render::item_error(item)?,
                code: item.error.as_ref().map(|error| error.code.clone()),
            })
        })
        .collect()
}

/// How far a job is, file by file.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobProgress")]
pub(super) struct Overall {
    #[schemars(with = "Id")]
    job_id: JobId,
    /// Percent; the mean over the files, where a failed one counts as done.
    #[schemars(range(max = 100))]
    overall_progress: u32,
    /// How many files there are, 1 to 25.
    total_files: usize,
    /// Those that became models.
    completed_files: usize,
    /// Those that ended otherwise.
    failed_files: usize,
    /// By the file's id.
    files: BTreeMap<String, FileProgress>,
    /// When this was so; milliseconds since 1970 in UTC.
    timestamp: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FileProgress {
    #[schemars(with = "FileStatus")]
    status: &'static str,
    /// Percent; 100 at its end only.
    #[schemars(range(max = 100))]
    progress: u8,
    /// As it was sent.
    filename: String,
    /// Why it failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `GET /status/jobs/{job_id}/progress`
pub(super) async fn progress(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Overall>, Problem> {
    let id: JobId = job_id(&id)?;
    let progress = service.progress(id).await?;
    let job = service.job(&caller, id).await?;
    let file = |item: &Item| FileProgress {
        status: render::file_status(item.status),
        progress: render::percent(&job, item, &progress),
        filename: item.filename.clone(),
        error: render::item_error(item),
    };
    let files: BTreeMap<_, _> = job
        .items
        .iter()
        .map(|item| (id.item(item.number).to_string(), file(item)))
        .collect();
    let count = |wanted: &str| {
        let ended = job.items.iter().filter(|item| item.status.is_final());
        ended
            .filter(|item| render::file_status(item.status) == wanted)
            .count()
    };
    Ok(Json(Overall {
        job_id: id,
        overall_progress: render::job_percent(&job, &progress),
        total_files: job.items.len(),
        completed_files: count("completed"),
        failed_files: count("failed"),
        files,
        timestamp: service.now().0,
    }))
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        Doc::get("/api/v1/status/tasks/{task_id}/status", "status", "task_status")
            .also("/api/v1/status/tasks/{task_id}")
            .also("/api/v1/status/{task_id}")
            .says("How a job or one image of it stands", "")
            .answers::<TaskStatus>(
                200,
                "How it stands.",
                json!({
                    "status": "processing",
                    "progress": 50,
                    "message": "1 of 2 files processed",
                    "state": "PROGRESS",
                    "task_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
                    "job_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
                    "current": 1,
                    "total": 2,
                    "timestamp": 1_767_323_045_678_i64,
                }),
            ),
        Doc::get("/api/v1/status/jobs/{job_id}/progress", "status", "job_progress")
            .says("How far a job is, file by file", "")
            .answers::<Overall>(
                200,
                "How far it is.",
                json!({
                    "job_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
                    "overall_progress": 40,
                    "total_files": 1,
                    "completed_files": 0,
                    "failed_files": 0,
                    "files": {"0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a01": {"status": "processing", "progress": 40, "filename": "cat.jpg"}},
                    "timestamp": 1_767_323_045_678_i64,
                }),
            ),
    ]
}
