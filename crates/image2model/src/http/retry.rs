//! A new job of those files of an old one that have become no models.

use crate::service::{Caller, Service};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};

use super::{
    caller::job_id,
    error::Problem,
    jobs,
    openapi::Doc,
    render::{self, WholeJob},
    upload::{self, idempotency_key},
};

/// `POST /jobs/{job_id}/retry`: 202 and the new job.
pub(super) async fn create(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<WholeJob>), Problem> {
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

pub(super) fn docs() -> Vec<Doc> {
    vec![
        Doc::post("/api/v1/jobs/{job_id}/retry", "jobs", "retry_job")
            .says(
                "Make what has failed again",
                "A new job of the files that failed or were cancelled, with the same options; the old one stays as it is.",
            )
            .asks(upload::idempotency())
            .answers::<WholeJob>(202, "The new job.", jobs::example())
            .refuses(409, "The job has not ended, or every file of it has become a model.")
            .refuses(
                410,
                "The job that this Idempotency-Key made has been removed.",
            )
            .refuses(422, "The Idempotency-Key was used for something else.")
            .refuses(507, "The disk is full."),
    ]
}
