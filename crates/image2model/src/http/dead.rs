//! Work that was given up, for administrators.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    job::{ItemId, JobId, Task, TaskState, Timestamp, Work},
    service::{Caller, Service, dead_name, dead_named},
    store::Died,
};

use super::{
    caller::shortened,
    error::Problem,
    jobs,
    openapi::{Doc, ID_PATTERN, Id, Parameter},
    render::{self, WholeJob},
};

#[derive(Deserialize)]
pub(super) struct Which {
    limit: Option<String>,
    cursor: Option<String>,
}

/// Newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page {
    dead_letters: Vec<DeadLetter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A task that was given up.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetter {
    id: String,
    #[schemars(with = "Id")]
    job_id: JobId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Id>")]
    file_id: Option<ItemId>,
    /// `generate`, `convert` or `remove`.
    work: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    queue: &'static str,
    died: String,
    error_code: String,
    error: String,
    /// Errors that counted.
    attempts: u32,
    /// Workers that died of it.
    crashes: u32,
}

impl DeadLetter {
    /// `None` of a task that is not dead.
    fn of(task: Task) -> Option<Self> {
        let TaskState::Dead { at, code, message } = task.state else {
            return None;
        };
        let job = task.id.job;
        let id = dead_name(&task.id);
        let (work, item, format) = match task.id.work {
            Work::Generate { item } => ("generate", Some(item), None),
            Work::Convert { item, format } => ("convert", Some(item), Some(format)),
            Work::Remove => ("remove", None, None),
        };
        Some(Self {
            id,
            job_id: job,
            file_id: item.map(|item| job.item(item)),
            work,
            format,
            queue: task.queue.name(),
            died: at.to_string(),
            error_code: code,
            error: message,
            attempts: task.attempts,
            crashes: task.crashes,
        })
    }
}

/// `GET /admin/dead-letters?limit=&cursor=`
pub(super) async fn list(
    State(service): State<Service>,
    Query(which): Query<Which>,
) -> Result<Json<Page>, Problem> {
    let limit = jobs::limit(which.limit.as_deref())?;
    let after = which.cursor.as_deref().map(cursor).transpose()?;
    let page = service.dead_letters().list(after.as_ref(), limit).await?;
    let dead = page.tasks.into_iter().filter_map(DeadLetter::of);
    Ok(Json(Page {
        dead_letters: dead.collect(),
        next: page
            .next
            .map(|died| format!("{}_{}", died.at.0, dead_name(&died.task))),
    }))
}

/// `POST /admin/dead-letters/{id}/requeue`: 202 and the job that the work is of now.
pub(super) async fn requeue(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<WholeJob>), Problem> {
    let task = dead_named(&id).ok_or_else(|| Problem::not_found("dead letter"))?;
    let dead = service.dead_letters();
    let requeued = service.see_through(async move { dead.requeue(&task).await });
    let job = requeued.await.map_err(|error| {
        tracing::error!(%error, "a requeue failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed.")
    })??;
    // To the administrator, so that the links open nothing of its owner's.
    let shown = render::job(&job, &[], &service.keyring.signer(&caller));
    Ok((StatusCode::ACCEPTED, Json(shown)))
}

fn cursor(text: &str) -> Result<Died, Problem> {
    let read = || {
        let (at, name) = text.split_once('_')?;
        Some(Died {
            at: Timestamp(at.parse().ok()?),
            task: dead_named(name)?,
        })
    };
    read().ok_or_else(|| {
        let message = format!("cursor is {:?}; it must be a page's next", shortened(text));
        Problem::field("cursor", message, "value_error")
    })
}

pub(super) fn docs() -> Vec<Doc> {
    let id = "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00:generate:1";
    vec![
        Doc::get("/api/v1/admin/dead-letters", "admin", "list_dead_letters")
            .says("Work that was given up", "Newest first.")
            .asks(Parameter::query(
                "limit",
                "Most of a page.",
                json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
            ))
            .asks(Parameter::query(
                "cursor",
                "`next` of the page before.",
                json!({"type": "string", "pattern": format!("^[0-9]{{1,15}}_{}:generate:([1-9]|1[0-9]|2[0-5])$", ID_PATTERN.trim_matches(['^', '$']).replace("{12}", "{10}00"))}),
            ))
            .answers::<Page>(
                200,
                "The page.",
                json!({
                    "dead_letters": [{
                        "id": id,
                        "job_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
                        "file_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a01",
                        "work": "generate",
                        "queue": "model_generation",
                        "died": "2026-01-02T03:04:05.678Z",
                        "error_code": "decoder_died",
                        "error": "the decoder died",
                        "attempts": 3,
                        "crashes": 0,
                    }],
                }),
            )
            .refuses(422, "A parameter is out of bounds; `details` names it."),
        Doc::post(
            "/api/v1/admin/dead-letters/{id}/requeue",
            "admin",
            "requeue",
        )
        .says(
            "Take given-up work up again",
            "A given-up file becomes a new job of its owner, which a repeat finds; other work is queued anew.",
        )
        .answers::<WholeJob>(202, "The job that it is work of now.", jobs::example())
        .refuses(409, "Its upload is gone.")
        .refuses(410, "The job that it became before has been removed.")
        .refuses(507, "The disk is full."),
    ]
}
