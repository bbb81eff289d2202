//! A new job of an old one's failed files.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;

use crate::service::{Caller, Service};

use super::{caller::job_id, error::Problem, render, upload::idempotency_key};

/// `POST /jobs/{job_id}/retry`: 202 and the new job.
pub(super) async fn create(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (id, key) = (job_id(&id)?, idempotency_key(&headers)?);
    // Not this request's own future, which is dropped when the client leaves: then nobody would clean up.
    let (worker, asked) = (service.clone(), caller.clone());
    let retried =
        service.see_through(async move { worker.retry(&asked, id, key.as_deref()).await });
    let job = retried.await.map_err(|error| {
        tracing::error!(%error, "a retry failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed.")
    })??;
    let signer = service.keyring.signer(&caller);
    let shown = render::job(&job, &[], &signer);
    Ok((StatusCode::ACCEPTED, Json(shown)))
}
