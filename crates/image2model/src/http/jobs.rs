//! Jobs as they are: one, a page of them, cancel, delete.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{Method, StatusCode},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    job::{JobId, JobStatus, MAX_LABEL, Timestamp},
    service::{Caller, Filter, Service},
    store::Cursor,
};

use super::{
    caller::{job_id, number, shortened, task_ref},
    error::Problem,
    openapi::{self, Doc, Parameter},
    render::{self, JobHead, WholeJob},
};

const PAGE: usize = 20;
const LARGEST_PAGE: usize = 100;
const STATUSES: [JobStatus; 5] = [
    JobStatus::Queued,
    JobStatus::Processing,
    JobStatus::Completed,
    JobStatus::Failed,
    JobStatus::Cancelled,
];

/// `GET /jobs/{job_id}`
pub(super) async fn one(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WholeJob>, Problem> {
    let id = job_id(&id)?;
    let progress = service.progress(id).await?;
    let job = service.job(&caller, id).await?;
    Ok(Json(render::job(
        &job,
        &progress,
        &service.keyring.signer(&caller),
    )))
}

/// `POST /jobs/{job_id}/cancel`
pub(super) async fn cancel(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<WholeJob>), Problem> {
    let id = job_id(&id)?;
    let progress = service.progress(id).await?;
    let job = service.cancel(&caller, id).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(render::job(
            &job,
            &progress,
            &service.keyring.signer(&caller),
        )),
    ))
}

/// `DELETE /jobs/{job_id}`: 204, or 202 while it has yet to end. Either way it answers 404 from now on.
pub(super) async fn delete(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    Ok(match service.delete(&caller, job_id(&id)?).await? {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::ACCEPTED,
    })
}

#[derive(Deserialize)]
pub(super) struct Which {
    limit: Option<String>,
    cursor: Option<String>,
    ids: Option<String>,
    status: Option<String>,
    label: Option<String>,
}

/// Jobs, newest first or in the order asked.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Jobs {
    Page {
        /// Newest first.
        jobs: Vec<JobHead>,
        /// The `cursor` of the next page; missing on the last.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    Asked {
        /// In the order of `ids`; null where there is no such job.
        jobs: Vec<Option<WholeJob>>,
    },
}

/// `GET /jobs?limit=&cursor=&status=&label=`, newest first, or `GET /jobs?ids=a,b` in the order asked.
pub(super) async fn list(
    State(service): State<Service>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Jobs>, Problem> {
    let limit = limit(which.limit.as_deref())?;
    let after = which.cursor.as_deref().map(cursor).transpose()?;
    let wanted = Filter {
        status: which.status.as_deref().map(status).transpose()?,
        label: which.label.map(label).transpose()?,
    };
    if let Some(ids) = which.ids {
        return several(&service, &caller, &ids).await;
    }
    let page = service.list(&caller, &wanted, after, limit).await?;
    Ok(Json(Jobs::Page {
        jobs: page.jobs.iter().map(render::job_head).collect(),
        next: page
            .next
            .map(|next| format!("{}_{}", next.created.0, next.id)),
    }))
}

async fn several(service: &Service, caller: &Caller, ids: &str) -> Result<Json<Jobs>, Problem> {
    let asked = ids
        .split(',')
        .map(task_ref)
        .collect::<Result<Vec<_>, _>>()?;
    if asked.len() > LARGEST_PAGE {
        let message = format!(
            "There are {} ids; the limit is {LARGEST_PAGE}.",
            asked.len()
        );
        return Err(Problem::bad_request(message));
    }
    // A file's id is no job's.
    let ids: Vec<JobId> = asked.iter().filter_map(|id| id.job()).collect();
    let progress = service.progress_of(&ids).await?;
    let signer = service.keyring.signer(caller);
    let mut found = service.jobs(caller, &ids).await?.into_iter();
    let shown = |job| render::job(&job, &progress, &signer);
    let jobs = asked
        .iter()
        .map(|id| id.job().and_then(|_| found.next().flatten()).map(shown))
        .collect();
    Ok(Json(Jobs::Asked { jobs }))
}

fn label(text: String) -> Result<String, Problem> {
    match text.chars().count() {
        0..=MAX_LABEL => Ok(text),
        count => {
            let message = format!("label has {count} characters; the limit is {MAX_LABEL}");
            Err(Problem::field("label", message, "value_error"))
        }
    }
}

fn status(text: &str) -> Result<JobStatus, Problem> {
    let mut known = STATUSES.into_iter();
    known
        .find(|status| render::job_status(*status) == text)
        .ok_or_else(|| {
            let message = format!(
                "status is {:?}; it must be one of {}",
                shortened(text),
                STATUSES.map(render::job_status).join(", ")
            );
            Problem::field("status", message, "value_error")
        })
}

/// Of a page: as asked, 1 to 100, or 20.
pub(super) fn limit(text: Option<&str>) -> Result<usize, Problem> {
    number("limit", text, PAGE, 1, LARGEST_PAGE)
}

fn cursor(text: &str) -> Result<Cursor, Problem> {
    let read = || {
        let (created, id) = text.split_once('_')?;
        Some(Cursor {
            created: Timestamp(created.parse().ok()?),
            id: id.parse().ok()?,
        })
    };
    read().ok_or_else(|| {
        let message = format!("cursor is {:?}; it must be a page's next", shortened(text));
        Problem::field("cursor", message, "value_error")
    })
}

/// A job as it may look.
pub(super) fn example() -> Value {
    let mut job = example_head();
    job["items"] = json!([{
        "file_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a01",
        "filename": "cat.jpg",
        "status": "completed",
        "progress": 100,
        "attempts": 0,
        "warnings": [{"code": "no_foreground", "message": "nothing stood out; the whole picture was taken"}],
        "files": [{
            "filename": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00_01_cat.glb",
            "format": "glb",
            "media_type": "model/gltf-binary",
            "size": 813244,
            "url": "/api/v1/download/0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00/0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00_01_cat.glb",
        }],
    }]);
    job["stream_url"] = "/api/v1/status/tasks/0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00/stream".into();
    job
}

fn example_head() -> Value {
    json!({
        "job_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
        "status": "completed",
        "created": "2026-01-02T03:04:05.678Z",
        "ended": "2026-01-02T03:04:07.123Z",
        "priority": "normal",
        "labels": ["shop"],
        "reference": "order 17",
        "options": {"model": "inflate", "face_limit": "20000", "format": ["stl"]},
        "total_files": 1,
    })
}

pub(super) fn docs() -> Vec<Doc> {
    let (head, job) = (example_head(), example());
    let id = openapi::ID_PATTERN.trim_matches(['^', '$']);
    vec![
        Doc::get("/api/v1/jobs", "jobs", "list_jobs")
            .says(
                "The caller's jobs",
                "A page, newest first; or, with `ids`, those jobs in the order asked.",
            )
            .asks(Parameter::query(
                "limit",
                "Most jobs of a page.",
                json!({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE}),
            ))
            .asks(Parameter::query(
                "cursor",
                "`next` of the page before.",
                json!({"type": "string", "pattern": format!("^[0-9]{{1,15}}_{}$", id.replace("{12}", "{10}00"))}),
            ))
            .asks(Parameter::query(
                "status",
                "Only jobs that stand so.",
                json!({"type": "string", "enum": STATUSES.map(render::job_status)}),
            ))
            .asks(Parameter::query(
                "label",
                "Only jobs with this label.",
                json!({"type": "string", "maxLength": MAX_LABEL}),
            ))
            .asks(Parameter::query(
                "ids",
                "Ids of jobs, parted by commas; 100 at most.",
                json!({
                    "type": "string",
                    "pattern": format!("^{id}(,{id}){{0,{}}}$", LARGEST_PAGE - 1),
                }),
            ))
            .answers::<Jobs>(200, "The jobs.", json!({"jobs": [head], "next": format!("1767323045678_{}", "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00")}))
            .refuses(422, "A parameter is out of bounds; `details` names it."),
        Doc::get("/api/v1/jobs/{job_id}", "jobs", "get_job")
            .says("One job", "With its images and their files.")
            .answers::<WholeJob>(200, "The job.", job.clone()),
        Doc::post("/api/v1/jobs/{job_id}/cancel", "jobs", "cancel_job")
            .says(
                "Cancel a job",
                "What waits ends at once, what runs ends soon; an ended job stays as it is.",
            )
            .answers::<WholeJob>(202, "The job as it stands now.", job),
        Doc::new(Method::DELETE, "/api/v1/jobs/{job_id}", "jobs", "delete_job")
            .says(
                "Delete a job",
                "Cancels it, and removes it with all its files. From now on nobody finds it.",
            )
            .ends(202, "Something still works on it; it goes soon.")
            .ends(204, "It goes."),
    ]
}
