//! Jobs as they are: one, a page of them, cancel, delete.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    job::{JobId, JobStatus, Timestamp},
    service::{Caller, Filter, Service},
    store::Cursor,
};

use super::{
    caller::{job_id, shortened, task_ref},
    error::Problem,
    render,
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
) -> Result<Json<Value>, Problem> {
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
) -> Result<(StatusCode, Json<Value>), Problem> {
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

/// `GET /jobs?limit=&cursor=&status=&label=`, newest first, or `GET /jobs?ids=a,b` in the order asked.
pub(super) async fn list(
    State(service): State<Service>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Problem> {
    if let Some(ids) = which.ids {
        return several(&service, &caller, &ids).await;
    }
    let limit = limit(which.limit.as_deref())?;
    let after = which.cursor.as_deref().map(cursor).transpose()?;
    let wanted = Filter {
        status: which.status.as_deref().map(status).transpose()?,
        label: which.label,
    };
    let page = service.list(&caller, &wanted, after, limit).await?;
    let jobs: Vec<_> = page.jobs.iter().map(render::job_head).collect();
    let mut shown = json!({"jobs": jobs});
    if let Some(next) = page.next {
        shown["next"] = format!("{}_{}", next.created.0, next.id).into();
    }
    Ok(Json(shown))
}

async fn several(service: &Service, caller: &Caller, ids: &str) -> Result<Json<Value>, Problem> {
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
    let mut progress = Vec::new();
    for id in &ids {
        progress.extend(service.progress(*id).await?);
    }
    let signer = service.keyring.signer(caller);
    let mut jobs = service.jobs(caller, &ids).await?.into_iter();
    let mut shown = Vec::with_capacity(asked.len());
    for id in asked {
        shown.push(match id.job().and_then(|_| jobs.next().flatten()) {
            Some(job) => render::job(&job, &progress, &signer),
            None => Value::Null,
        });
    }
    Ok(Json(json!({"jobs": shown})))
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
    let Some(text) = text else {
        return Ok(PAGE);
    };
    text.parse()
        .ok()
        .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
        .ok_or_else(|| {
            let message = format!(
                "limit is {:?}; it must be a whole number from 1 to {LARGEST_PAGE}",
                shortened(text)
            );
            Problem::field("limit", message, "value_error")
        })
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
