//! How a job or one of its images stands, in the old clients' words.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Map, Value, json};

use crate::{
    job::{Item, ItemStatus, Job, JobId, JobStatus},
    service::{Caller, Service, ServiceError, Signer},
    store::Progress,
};

use super::{
    caller::{TaskRef, job_id, task_ref},
    error::Problem,
    render,
};

/// `GET /status/{task_id}` and its two aliases; a file's id is answered for that file.
pub(super) async fn task(
    State(service): State<Service>,
    caller: Caller,
    Path(task_id): Path<String>,
) -> Result<Json<Value>, Problem> {
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
            return Ok(Json(unknown(&task_id, &service)));
        }
        Err(ServiceError::NotFound(_)) => return Err(Problem::not_found("task")),
        found => found?,
    };
    let mut shown = item.map_or_else(
        || of_job(&job, &progress),
        |item| of_item(&job, &item, &progress, &service.keyring.signer(&caller)),
    );
    shown.insert("task_id".to_owned(), task_id.into());
    shown.insert("job_id".to_owned(), job.id.to_string().into());
    shown.insert("timestamp".to_owned(), service.now().0.into());
    Ok(Json(shown.into()))
}

/// What the old service said of any id.
fn unknown(task_id: &str, service: &Service) -> Value {
    json!({
        "status": "queued",
        "progress": 0,
        "message": "Task is waiting to be processed",
        "task_id": task_id,
        "state": "PENDING",
        "timestamp": service.now().0,
    })
}

fn of_job(job: &Job, progress: &[Progress]) -> Map<String, Value> {
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
    let mut shown = head(state, status, &message, render::job_percent(job, progress));
    match job.status() {
        JobStatus::Processing => {
            shown.insert("current".to_owned(), ended.into());
            shown.insert("total".to_owned(), total.into());
        }
        JobStatus::Completed => {
            shown.insert("result".to_owned(), result(job));
        }
        JobStatus::Failed => {
            shown.insert("error".to_owned(), failure(job).into());
            shown.insert("error_details".to_owned(), errors(job, &job.items));
        }
        JobStatus::Queued | JobStatus::Cancelled => {}
    }
    shown
}

fn of_item(job: &Job, item: &Item, progress: &[Progress], signer: &Signer) -> Map<String, Value> {
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
    let mut shown = head(state, status, &message, percent.into());
    shown.insert("filename".to_owned(), item.filename.clone().into());
    match item.status {
        ItemStatus::Processing => {
            shown.insert("current".to_owned(), percent.into());
            shown.insert("total".to_owned(), 100.into());
        }
        ItemStatus::Completed => {
            let urls: Vec<_> = item
                .files
                .iter()
                .map(|file| render::file_url(job, file, signer))
                .collect();
            shown.insert(
                "result".to_owned(),
                json!({"job_id": job.id, "download_urls": urls}),
            );
        }
        ItemStatus::Failed => {
            shown.insert("error".to_owned(), error.into());
            let own = errors(job, std::slice::from_ref(item));
            shown.insert("error_details".to_owned(), own);
        }
        ItemStatus::Queued | ItemStatus::Retrying | ItemStatus::Cancelled => {}
    }
    shown
}

fn head(state: &str, status: &str, message: &str, progress: u32) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("status".to_owned(), status.into());
    shown.insert("progress".to_owned(), progress.into());
    shown.insert("message".to_owned(), message.into());
    shown.insert("state".to_owned(), state.into());
    shown
}

/// Counts and links of an ended job, as status and stream give them.
pub(super) fn result(job: &Job) -> Value {
    let completed = job
        .items
        .iter()
        .filter(|item| item.status == ItemStatus::Completed);
    let completed = completed.count();
    json!({
        "job_id": job.id,
        "status": render::job_status(job.status()),
        "total_files": job.items.len(),
        "successful_files": completed,
        "failed_files": job.items.len() - completed,
        "files_url": format!("/api/v1/download/{}/all", job.id),
    })
}

/// Why a job failed: its only image's reason, or how many there are.
pub(super) fn failure(job: &Job) -> String {
    match job.items.as_slice() {
        [item] => render::item_error(item).unwrap_or_else(|| "failed".to_owned()),
        items => format!("None of the {} files became a model", items.len()),
    }
}

/// The reason and its code for each of a job's `items` that has one.
fn errors(job: &Job, items: &[Item]) -> Value {
    items
        .iter()
        .filter_map(|item| {
            let error = render::item_error(item)?;
            let code = item.error.as_ref().map(|error| error.code.as_str());
            Some(json!({
                "file_id": job.id.item(item.number),
                "filename": item.filename,
                "error": error,
                "code": code,
            }))
        })
        .collect()
}

/// `GET /status/jobs/{job_id}/progress`
pub(super) async fn progress(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id: JobId = job_id(&id)?;
    let progress = service.progress(id).await?;
    let job = service.job(&caller, id).await?;
    let files: Map<_, _> = job
        .items
        .iter()
        .map(|item| {
            let mut file = json!({
                "status": render::file_status(item.status),
                "progress": render::percent(&job, item, &progress),
                "filename": item.filename,
            });
            if let Some(error) = render::item_error(item) {
                file["error"] = error.into();
            }
            (id.item(item.number).to_string(), file)
        })
        .collect();
    let count = |wanted: &str| {
        let ended = job.items.iter().filter(|item| item.status.is_final());
        ended
            .filter(|item| render::file_status(item.status) == wanted)
            .count()
    };
    Ok(Json(json!({
        "job_id": id,
        "overall_progress": render::job_percent(&job, &progress),
        "total_files": job.items.len(),
        "completed_files": count("completed"),
        "failed_files": count("failed"),
        "files": files,
        "timestamp": service.now().0,
    })))
}
